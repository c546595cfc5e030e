/**
 * Owner references: who an object belongs to, and how a controller marks what it made.
 *
 * An object has at most one controller. What follows from ownership is the garbage collector's.
 */
import { apiVersionOf, type KindInfo } from "./kinds.ts";
import type { KubeObject, OwnerReference, StoredMeta } from "./wire.ts";

export function controllerOf(object: Pick<KubeObject, "metadata">): OwnerReference | undefined {
  const references = object.metadata.ownerReferences;
  if (references) for (const owner of references) if (owner.controller === true) return owner;
  return undefined;
}

/** True when `owner` controls the object; the UID decides, for a name may be used again. */
export function isControlledBy(object: Pick<KubeObject, "metadata">, owner: { metadata: { uid?: string } }): boolean {
  const uid = controllerOf(object)?.uid;
  return uid !== undefined && uid === owner.metadata.uid;
}

/** The reference by which a controller's owner claims what it creates. */
export function ownerReferenceTo(
  owner: { metadata: Pick<StoredMeta, "name" | "uid"> },
  kind: Pick<KindInfo, "group" | "version" | "kind">,
): OwnerReference {
  return {
    apiVersion: apiVersionOf(kind),
    kind: kind.kind,
    name: owner.metadata.name,
    uid: owner.metadata.uid,
    controller: true,
    blockOwnerDeletion: true,
  };
}
