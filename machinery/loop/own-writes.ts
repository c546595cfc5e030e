/**
 * Own writes: lets a controller notice that its cache does not show yet what it wrote itself.
 *
 * Where a decision rests on what the last reconcile wrote (counts of a Job, slices of a Service),
 * a reconcile from an older copy would decide twice. It waits instead: the informer's notice of
 * that write brings the key again. Creations and deletions of many: expectations.ts.
 */
import type { ObjectKey } from "../client/informer.ts";

type Versioned = { readonly metadata: { readonly uid?: string; readonly resourceVersion?: string } };

export interface OwnWrites {
  /** The server answered a write with this object. */
  wrote(key: ObjectKey, written: Versioned): void;
  /** True while the cached object is older than the last write. */
  behind(key: ObjectKey, cached: Versioned): boolean;
  forget(key: ObjectKey): void;
}

export function createOwnWrites(): OwnWrites {
  const last = new Map<ObjectKey, { readonly uid: string | undefined; readonly version: string }>();
  return {
    wrote(key, { metadata }) {
      if (metadata.resourceVersion) last.set(key, { uid: metadata.uid, version: metadata.resourceVersion });
    },
    behind(key, { metadata }) {
      const written = last.get(key);
      if (!written) return false;
      const replaced = written.uid !== metadata.uid;
      if (!replaced && older(metadata.resourceVersion, written.version)) return true;
      last.delete(key);
      return false;
    },
    forget: (key) => void last.delete(key),
  };
}

/** Resource versions are decimal numbers of any size that grow with each write. */
export function older(one: string | undefined, other: string): boolean {
  if (one === undefined) return true;
  return one.length === other.length ? one < other : one.length < other.length;
}
