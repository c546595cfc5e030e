/**
 * Expectations: what a controller has asked for and not seen in its cache yet.
 *
 * While they are open, the cache is known to lag and nothing may be created or deleted from it:
 * so a lagging cache never creates twice. They close by what the informer shows, or after five
 * minutes, since a lost notice must not block for ever. A restart begins with none, and with a fresh list.
 */
import type { ObjectKey } from "../client/informer.ts";

export interface Expectations {
  /** Call before the creations are sent. `now` is monotonic. */
  expectCreations(key: ObjectKey, count: number, now: number): void;
  /** Call before the deletions are sent, with the uids that will go. */
  expectDeletions(key: ObjectKey, uids: readonly string[], now: number): void;
  /** A creation was seen, or is known to have failed. */
  creationObserved(key: ObjectKey): void;
  /** A deletion was seen, or is known to have failed. */
  deletionObserved(key: ObjectKey, uid: string): void;
  /** True when nothing is outstanding. */
  satisfied(key: ObjectKey, now: number): boolean;
  forget(key: ObjectKey): void;
}

const EXPIRE_MS = 5 * 60_000;

interface Open {
  creations: number;
  readonly deletions: Set<string>;
  since: number;
}

export function createExpectations(): Expectations {
  const open = new Map<ObjectKey, Open>();
  const at = (key: ObjectKey, now: number): Open => {
    const found = open.get(key);
    if (found) {
      found.since = now;
      return found;
    }
    const fresh = { creations: 0, deletions: new Set<string>(), since: now };
    open.set(key, fresh);
    return fresh;
  };
  const close = (key: ObjectKey, entry: Open) => {
    if (entry.creations <= 0 && entry.deletions.size === 0) open.delete(key);
  };

  return {
    expectCreations(key, count, now) {
      if (count > 0) at(key, now).creations += count;
    },
    expectDeletions(key, uids, now) {
      if (uids.length === 0) return;
      const { deletions } = at(key, now);
      for (const uid of uids) deletions.add(uid);
    },
    creationObserved(key) {
      const entry = open.get(key);
      if (!entry) return;
      entry.creations = Math.max(0, entry.creations - 1);
      close(key, entry);
    },
    deletionObserved(key, uid) {
      const entry = open.get(key);
      if (!entry?.deletions.delete(uid)) return;
      close(key, entry);
    },
    satisfied(key, now) {
      const entry = open.get(key);
      if (!entry) return true;
      if (now - entry.since < EXPIRE_MS) return false;
      open.delete(key);
      return true;
    },
    forget: (key) => void open.delete(key),
  };
}
