/**
 * Resource claim users: keeps a claim reserved for those only who still need it, and frees its devices after the last.
 *
 * A Pod needs it until it has ended, or was deleted before it got a node; one that the cache does not show is asked
 * for. A claim that a Pod's template made goes as soon as that Pod has ended, so that its devices serve others while
 * the Pod is still there to be looked at. How such claims come to be: resource-claim.ts.
 */
import type { Change, Lister, ObjectKey } from "../machinery/client/informer.ts";
import { defineController, done, type Outcome, type Services } from "../machinery/loop/controller.ts";
import type { Pod, ResourceClaim } from "../machinery/objects/kinds.ts";
import { controllerOf } from "../machinery/objects/owners.ts";
import { isNotFound } from "../machinery/objects/status.ts";
import { isTerminal } from "./pod-state.ts";

type Context = { readonly pods: Lister<Pod>; readonly resourceclaims: Lister<ResourceClaim> } & Services;
type Consumer = NonNullable<NonNullable<ResourceClaim["status"]>["reservedFor"]>[number];

/** Keeps a claim while devices are allotted to it. */
const PROTECTION = "resource.kubernetes.io/delete-protection";

export const resourceClaimUsersController = defineController({
  name: "resource_claim_users",
  watches: { resourceclaims: ({ key, type }) => (type === "deleted" ? [] : [key]), pods: claimsOf },

  async reconcile(key, context): Promise<Outcome> {
    const claim = context.resourceclaims.get(key);
    if (!claim) return done;
    const reserved = claim.status?.reservedFor ?? [];
    const users: Consumer[] = [];
    for (const one of reserved) if (await needs(one, claim, context)) users.push(one);
    const unused = users.length === 0;
    const going = claim.metadata.deletionTimestamp !== undefined;
    if (users.length < reserved.length || (unused && going && isProtected(claim))) await release(claim, users, context);
    if (unused && !going && ownerHasEnded(claim, context)) await remove(claim, context);
    return done;
  },
});

/** Whoever is no Pod is nothing that could be judged here. */
async function needs({ apiGroup = "", resource, name, uid }: Consumer, claim: ResourceClaim, context: Context) {
  if (apiGroup !== "" || resource !== "pods") return true;
  const { namespace } = claim.metadata;
  const cached = context.pods.get(`${namespace}/${name}`);
  const pod = cached?.metadata.uid === uid ? cached : await context.client.find("pods", { namespace, name });
  return pod?.metadata.uid === uid && !hasEnded(pod);
}

const hasEnded = (pod: Pod): boolean =>
  isTerminal(pod) || (pod.metadata.deletionTimestamp !== undefined && !pod.spec?.nodeName);

const isProtected = ({ metadata }: ResourceClaim): boolean => metadata.finalizers?.includes(PROTECTION) ?? false;

async function release(claim: ResourceClaim, users: readonly Consumer[], { client }: Context): Promise<void> {
  const { reservedFor: _before, allocation, ...status } = claim.status ?? {};
  const free = users.length === 0 && isProtected(claim);
  const after = {
    ...status,
    ...(users.length > 0 ? { reservedFor: [...users] } : {}),
    ...(allocation && !free ? { allocation } : {}),
  };
  const written = await client.updateStatus("resourceclaims", { ...claim, status: after });
  if (!free) return;
  const finalizers = (written.metadata.finalizers ?? []).filter((one) => one !== PROTECTION);
  await client.update("resourceclaims", { ...written, metadata: { ...written.metadata, finalizers } });
}

function ownerHasEnded(claim: ResourceClaim, { pods }: Context): boolean {
  const owner = controllerOf(claim);
  if (owner?.kind !== "Pod") return false;
  const pod = pods.get(`${claim.metadata.namespace}/${owner.name}`);
  return pod?.metadata.uid === owner.uid && hasEnded(pod);
}

async function remove({ metadata: { namespace, name, uid } }: ResourceClaim, { client }: Context): Promise<void> {
  try {
    await client.delete("resourceclaims", { namespace, name }, { preconditions: { uid } });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

/** Of a Pod that ended or went: what it names, and what was made for it. */
function claimsOf({ type, object }: Change<Pod>, listers: Readonly<Record<string, unknown>>): readonly ObjectKey[] {
  const { metadata, spec } = object;
  if (!spec?.resourceClaims?.length || (type !== "deleted" && !hasEnded(object))) return [];
  const named = spec.resourceClaims.map(({ resourceClaimName }) => resourceClaimName);
  const made = (listers["resourceclaims"] as Lister<ResourceClaim>).ownedBy(metadata.uid);
  const names = [...named.filter((name) => name !== undefined), ...made.map((claim) => claim.metadata.name)];
  return names.map((name) => `${metadata.namespace}/${name}`);
}
