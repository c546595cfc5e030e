/**
 * Resource claims: makes the ResourceClaim that a Pod asks for by a template, and tells the Pod its name.
 *
 * The claim is owned by its Pod and goes with it. Its name follows from the Pod, so that none is made twice whatever
 * becomes of an answer. A claim of that name that belongs to somebody else is never taken. When a claim is free again:
 * resource-claim-users.ts. Who allots devices is not part of this.
 * https://kubernetes.io/docs/concepts/scheduling-eviction/dynamic-resource-allocation/
 */
import { createHash } from "node:crypto";
import type { Change, Lister, ObjectKey } from "../machinery/client/informer.ts";
import { defineController, done, type Outcome, type Services } from "../machinery/loop/controller.ts";
import {
  kinds,
  type Pod,
  type PodResourceClaim,
  type ResourceClaim,
  type ResourceClaimTemplate,
} from "../machinery/objects/kinds.ts";
import { controllerOf, isControlledBy, ownerReferenceTo } from "../machinery/objects/owners.ts";
import { isAlreadyExists, isNotFound } from "../machinery/objects/status.ts";
import type { Draft } from "../machinery/objects/wire.ts";
import { sameJson } from "./canonical-json.ts";
import { isTerminal } from "./pod-state.ts";
import { isTerminatingNamespace } from "./replicaset.ts";

type Context = {
  readonly pods: Lister<Pod>;
  readonly resourceclaims: Lister<ResourceClaim>;
  readonly resourceclaimtemplates: Lister<ResourceClaimTemplate>;
} & Services;

/** Which claim of its Pod a claim is for. */
const CLAIM_NAME = "resource.kubernetes.io/pod-claim-name";

export const resourceClaimController = defineController({
  name: "resource_claim",
  watches: {
    pods: ({ type, key, object }) => (type !== "deleted" && isConcerned(object) ? [key] : []),
    resourceclaims: podOfLostClaim,
    resourceclaimtemplates: podsThatWait,
  },

  async reconcile(key, context): Promise<Outcome> {
    const pod = context.pods.get(key);
    if (!pod || !isConcerned(pod)) return done;
    const before = pod.status?.resourceClaimStatuses ?? [];
    const names = new Map(before.map((one) => [one.name, one.resourceClaimName]));
    for (const claim of templated(pod)) {
      const known = names.has(claim.name) && (await isThere(pod, names.get(claim.name), context));
      if (known) continue;
      try {
        names.set(claim.name, await ensureClaim(pod, claim, context));
      } catch (error) {
        if (isTerminatingNamespace(error)) return done;
        const message = `PodResourceClaim ${claim.name}: ${(error as Error).message}`;
        context.events.warning(pod, "FailedResourceClaimCreation", message);
        // a template that comes brings the Pod back
        if (!(error instanceof MissingTemplate)) throw error;
      }
    }
    const after = [...names].map(([name, resourceClaimName]) => ({
      name,
      ...(resourceClaimName && { resourceClaimName }),
    }));
    if (!sameJson(after, before)) await tell(pod, after, context);
    return done;
  },
});

/** A Pod that was told that it needs none needs none. */
async function isThere(pod: Pod, name: string | undefined, { client, resourceclaims }: Context): Promise<boolean> {
  const { namespace } = pod.metadata;
  if (!name || resourceclaims.get(`${namespace}/${name}`)) return true;
  return (await client.find("resourceclaims", { namespace, name })) !== undefined;
}

/** The name of the claim, made where it was missing. */
async function ensureClaim(pod: Pod, claim: PodResourceClaim, context: Context): Promise<string> {
  const { client, resourceclaims, resourceclaimtemplates } = context;
  const { namespace } = pod.metadata;
  const made = resourceclaims.ownedBy(pod.metadata.uid).find((one) => isFor(one, claim));
  if (made) return made.metadata.name;
  const wanted = claim.resourceClaimTemplateName ?? "";
  const template =
    resourceclaimtemplates.get(`${namespace}/${wanted}`) ??
    (await client.find("resourceclaimtemplates", { namespace, name: wanted }));
  if (!template) throw new MissingTemplate(wanted);
  const draft = claimFor(pod, claim, template);
  const { name = "" } = draft.metadata;
  try {
    await client.create("resourceclaims", draft);
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
    const found = await client.find("resourceclaims", { namespace, name });
    if (!found || !isControlledBy(found, pod)) throw new Error(`ResourceClaim ${name} was not created for the pod`);
  }
  return name;
}

class MissingTemplate extends Error {
  constructor(name: string) {
    super(`resource claim template "${name}": resourceclaimtemplate.resource.k8s.io "${name}" not found`);
  }
}

const isFor = ({ metadata }: ResourceClaim, { name }: PodResourceClaim): boolean =>
  metadata.annotations?.[CLAIM_NAME] === name && !metadata.deletionTimestamp;

export function claimFor(pod: Pod, { name }: PodResourceClaim, template: ResourceClaimTemplate): Draft<ResourceClaim> {
  const { metadata, spec } = template.spec;
  const { labels, annotations } = metadata ?? {};
  return {
    metadata: {
      name: claimName(pod, name),
      namespace: pod.metadata.namespace ?? "",
      ownerReferences: [ownerReferenceTo(pod, kinds.pods)],
      ...(labels && { labels }),
      annotations: { ...annotations, [CLAIM_NAME]: name },
    },
    spec,
  };
}

const MAX_BASE = 57;

/** Of a long one both parts are cut, so that something is left of each. */
function claimName({ metadata }: Pod, claim: string): string {
  const whole = `${metadata.name}-${claim}`;
  const cut = (text: string) => text.slice(0, Math.floor((text.length * MAX_BASE) / whole.length));
  const base = whole.length > MAX_BASE ? `${cut(metadata.name)}-${cut(claim)}` : whole;
  const hash = createHash("sha256").update(`${metadata.uid}/${claim}`).digest("hex").slice(0, 5);
  return `${base}-${hash}`;
}

/** Only what this is about is written: others write the status as well. */
async function tell(pod: Pod, resourceClaimStatuses: readonly object[], { client }: Context): Promise<void> {
  const { namespace, name, uid } = pod.metadata;
  const patch = { metadata: { uid }, status: { resourceClaimStatuses } };
  try {
    await client.patch("pods", { namespace, name }, patch, { type: "strategic", subresource: "status" });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

const templated = ({ spec }: Pod): readonly PodResourceClaim[] =>
  (spec?.resourceClaims ?? []).filter(({ resourceClaimTemplateName }) => resourceClaimTemplateName !== undefined);

const isConcerned = (pod: Pod): boolean =>
  !pod.metadata.deletionTimestamp && !isTerminal(pod) && templated(pod).length > 0;

/** A claim that goes while its Pod stays is made again. */
function podOfLostClaim({ type, object }: Change<ResourceClaim>): readonly ObjectKey[] {
  const owner = type === "deleted" ? controllerOf(object) : undefined;
  return owner?.kind === "Pod" ? [`${object.metadata.namespace}/${owner.name}`] : [];
}

/** A template that comes late. */
function podsThatWait(
  { type, object }: Change<ResourceClaimTemplate>,
  listers: Readonly<Record<string, unknown>>,
): readonly ObjectKey[] {
  if (type !== "added") return [];
  const { namespace, name } = object.metadata;
  return (listers["pods"] as Lister<Pod>)
    .list(namespace)
    .filter((pod) => isConcerned(pod) && templated(pod).some((one) => one.resourceClaimTemplateName === name))
    .map(({ metadata }) => `${namespace}/${metadata.name}`);
}
