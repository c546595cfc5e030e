/**
 * Written: the newest known version of objects: the cache's, or what the server answered to our own last write.
 *
 * For decisions over many objects that rest on writes of a moment ago (which volume is free?), where
 * waiting until the cache has caught up would do nothing else. An object that the cache does not have
 * is gone: creations are not remembered. Where waiting serves: own-writes.ts.
 */
import { keyOf, type Lister, type ObjectKey } from "../client/informer.ts";
import type { StoredObject } from "../objects/wire.ts";
import { older } from "./own-writes.ts";

type Versioned = Pick<StoredObject, "metadata">;

export interface Written<T extends Versioned> {
  wrote(object: T): void;
  get(lister: Pick<Lister<T>, "get">, key: ObjectKey): T | undefined;
  list(lister: Pick<Lister<T>, "list">, namespace?: string): readonly T[];
}

export function createWritten<T extends Versioned>(): Written<T> {
  const written = new Map<ObjectKey, T>();

  function newest(key: ObjectKey, cached: T | undefined): T | undefined {
    const own = written.get(key);
    if (!own) return cached;
    const same = cached?.metadata.uid === own.metadata.uid;
    if (same && older(cached.metadata.resourceVersion, own.metadata.resourceVersion)) return own;
    written.delete(key);
    return cached;
  }

  return {
    wrote: (object) => void written.set(keyOf(object), object),
    get: (lister, key) => newest(key, lister.get(key)),
    list(lister, namespace) {
      const cached = lister.list(namespace);
      return written.size === 0 ? cached : cached.map((object) => newest(keyOf(object), object) ?? object);
    },
  };
}
