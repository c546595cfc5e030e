/**
 * Claim: which objects belong to a controller's owner, by owner reference and selector.
 *
 * What is controlled and still selected is its own; what is controlled and no longer selected is
 * released; an orphan that is selected is adopted, but only after the owner was read from the server:
 * an owner that is being deleted, or was replaced by one of the same name, adopts nothing.
 */
import type { Client } from "../machinery/client/client.ts";
import type { Lister } from "../machinery/client/informer.ts";
import { type Kinds, kinds } from "../machinery/objects/kinds.ts";
import { controllerOf, ownerReferenceTo } from "../machinery/objects/owners.ts";
import { matches, type Selector } from "../machinery/objects/selectors.ts";
import { isNotFound } from "../machinery/objects/status.ts";
import type { OwnerReference, StoredMeta } from "../machinery/objects/wire.ts";

type OwnerResource = "deployments" | "replicasets" | "replicationcontrollers" | "statefulsets" | "daemonsets" | "jobs";
type OwnedResource = "replicasets" | "controllerrevisions" | "pods";

interface Owner {
  readonly metadata: StoredMeta;
}

export interface ClaimOptions<R extends OwnedResource> {
  readonly client: Client;
  readonly ownerResource: OwnerResource;
  readonly owner: Owner;
  readonly selector: Selector;
  readonly resource: R;
  readonly candidates: readonly Kinds[R][];
  /** Orphans that are not worth adopting, such as ended Pods. */
  readonly adoptable?: (object: Kinds[R]) => boolean;
  /** Finalizers that an adopted object gets. */
  readonly finalizers?: readonly string[];
}

/** What an owner controls, and what it might adopt. */
export function claimable<T>({ metadata }: Owner, { ownedBy, orphans }: Lister<T>): T[] {
  return [...ownedBy(metadata.uid), ...orphans(metadata.namespace)];
}

export async function claim<R extends OwnedResource>(options: ClaimOptions<R>): Promise<Kinds[R][]> {
  const { owner, selector, candidates, adoptable = () => true } = options;
  const own: Kinds[R][] = [];
  const adopt: Kinds[R][] = [];
  const { uid, deletionTimestamp } = owner.metadata;
  const deleting = deletionTimestamp !== undefined;
  for (const object of candidates) {
    const controller = controllerOf(object);
    const selected = matches(selector, object.metadata.labels);
    if (controller?.uid === uid) {
      if (selected || deleting) own.push(object);
      else await release(options, object);
    } else if (!controller && selected && !deleting && !object.metadata.deletionTimestamp && adoptable(object)) {
      adopt.push(object);
    }
  }
  if (adopt.length === 0 || !(await mayAdopt(options))) return own;
  for (const object of adopt) {
    const adopted = await adoptOne(options, object);
    if (adopted) own.push(adopted);
  }
  return own;
}

async function mayAdopt({
  client,
  ownerResource,
  owner,
}: Pick<ClaimOptions<OwnedResource>, "client" | "ownerResource" | "owner">): Promise<boolean> {
  const { namespace, name, uid } = owner.metadata;
  const live = await client.find(ownerResource, { namespace, name });
  return live?.metadata.uid === uid && !live?.metadata.deletionTimestamp;
}

async function adoptOne<R extends OwnedResource>(
  { client, resource, owner, ownerResource, finalizers = [] }: ClaimOptions<R>,
  object: Kinds[R],
): Promise<Kinds[R] | undefined> {
  const references = [...(object.metadata.ownerReferences ?? []), ownerReferenceTo(owner, kinds[ownerResource])];
  const missing = finalizers.filter((one) => !object.metadata.finalizers?.includes(one));
  const change = missing.length > 0 ? { finalizers: [...(object.metadata.finalizers ?? []), ...missing] } : {};
  return rewrite(client, resource, object, { ownerReferences: references, ...change });
}

async function release<R extends OwnedResource>(
  { client, resource, owner, finalizers = [] }: ClaimOptions<R>,
  object: Kinds[R],
): Promise<void> {
  const references = object.metadata.ownerReferences?.filter(({ uid }) => uid !== owner.metadata.uid) ?? [];
  const kept = object.metadata.finalizers?.filter((one) => !finalizers.includes(one)) ?? [];
  const change = finalizers.length > 0 ? { finalizers: kept } : {};
  await rewrite(client, resource, object, { ownerReferences: references, ...change });
}

/** Undefined where the object is gone. uid and resourceVersion make sure that it is the one that was seen. */
async function rewrite<R extends OwnedResource>(
  client: Client,
  resource: R,
  { metadata }: Kinds[R],
  change: { readonly ownerReferences: readonly OwnerReference[]; readonly finalizers?: readonly string[] },
): Promise<Kinds[R] | undefined> {
  const { namespace, name, uid, resourceVersion } = metadata;
  try {
    return await client.patch(resource, { namespace, name }, { metadata: { uid, resourceVersion, ...change } });
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}
