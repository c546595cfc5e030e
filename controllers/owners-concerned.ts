/**
 * Owners concerned: which owners a change of an object that they may control concerns. Pure.
 *
 * Those that controlled it before and those that do now; where it is nobody's, whoever may adopt it.
 */
import { type Change, keyOf, type Lister } from "../machinery/client/informer.ts";
import { kinds, type Pod, type ResourceName } from "../machinery/objects/kinds.ts";
import { controllerOf } from "../machinery/objects/owners.ts";
import { fromLabelSelector, matches } from "../machinery/objects/selectors.ts";
import type { LabelSelector, StoredMeta, StoredObject } from "../machinery/objects/wire.ts";
import type { PodCreations } from "./pod-creations.ts";

/** Any owner of things that it selects. */
interface Selecting {
  readonly metadata: StoredMeta;
  readonly spec?: { readonly selector?: LabelSelector };
}

/** Where an owner reference points, as a key, when it is of this kind. */
export function ownerKey(object: Pick<StoredObject, "metadata">, resource: ResourceName): string | undefined {
  const owner = controllerOf(object);
  return owner?.kind === kinds[resource].kind ? `${object.metadata.namespace}/${owner.name}` : undefined;
}

/** `adopts`: whether an owner may adopt it; by its selector unless said otherwise. */
export function ownersConcerned<O extends Selecting, T extends StoredObject>(
  { object, old, type }: Change<T>,
  resource: ResourceName,
  owners: Lister<O>,
  adopts: (owner: O, object: T) => boolean = selects,
): string[] {
  const keys = [object, old].map((one) => one && ownerKey(one, resource)).filter((key) => key !== undefined);
  if (keys.length > 0 || type === "deleted" || controllerOf(object)) return [...new Set(keys)];
  return owners
    .list(object.metadata.namespace)
    .filter((owner) => adopts(owner, object))
    .map(keyOf);
}

export const selects = ({ spec }: Selecting, { metadata }: Pick<StoredObject, "metadata">): boolean =>
  matches(fromLabelSelector(spec?.selector), metadata.labels);

/** What a Pod's change shows closes expectations: it is there, or on its way out. */
export function observe(
  { object: pod, type }: Change<Pod>,
  resource: ResourceName,
  { creations, expectations }: Expecting,
): void {
  const key = ownerKey(pod, resource);
  if (!key) return;
  const { name, uid, deletionTimestamp } = pod.metadata;
  if (type !== "updated") creations.observed(key, name);
  if (type === "deleted" || deletionTimestamp) expectations.deletionObserved(key, uid);
}

interface Expecting {
  readonly creations: Pick<PodCreations, "observed">;
  readonly expectations: { deletionObserved(key: string, uid: string): void };
}
