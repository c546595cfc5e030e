/**
 * Informer: a local, ordered copy of one resource, kept up to date by list and watch.
 *
 * What it hands out is shared and frozen: never change it, copy first. It may lag behind the
 * server; what must not be done twice is guarded by expectations, names or preconditions.
 */
import type { StoredObject } from "../objects/wire.ts";

/** "namespace/name", or "name" for cluster-scoped objects. */
export type ObjectKey = string;

export function keyOf(object: {
  readonly metadata: { readonly namespace?: string; readonly name?: string };
}): ObjectKey {
  const { namespace, name = "" } = object.metadata;
  return namespace ? `${namespace}/${name}` : name;
}

export function splitKey(key: ObjectKey): { namespace: string | undefined; name: string } {
  const slash = key.indexOf("/");
  return slash < 0
    ? { namespace: undefined, name: key }
    : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

/** Read access to the copy. */
export interface Lister<T> {
  get(key: ObjectKey): T | undefined;
  list(namespace?: string): readonly T[];
  /** Objects controlled by the owner with this uid (an index that every informer keeps). */
  ownedBy(uid: string): readonly T[];
  /** Objects of the namespace that nobody controls (another such index). */
  orphans(namespace: string | undefined): readonly T[];
  /** Objects whose spec names this node: its Pods (the third such index). */
  placedOn(node: string): readonly T[];
}

export interface Change<T> {
  readonly type: "added" | "updated" | "deleted";
  readonly key: ObjectKey;
  readonly object: T;
  /** The state before, where known. A change missed during a relist shows as updated or deleted, never twice. */
  readonly old?: T;
}

export interface Informer<T = StoredObject> extends Lister<T> {
  /** Called for every change, after the copy has it; for what is there already, at once, as "added". */
  subscribe(onChange: (change: Change<T>) => void): () => void;
  /** Resolves when the first list is in. */
  synced(signal?: AbortSignal): Promise<void>;
}
