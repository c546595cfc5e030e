/**
 * Expectations: what a controller has asked for and not seen in its cache yet.
 *
 * While they are open, the cache is known to lag and nothing may be created or deleted from it:
 * so a lagging cache never creates twice. Creations are known by the names that the controller chose,
 * deletions by uid, so each is closed once, however often it shows. What the informer never shows must
 * not block for ever: `overdue` says what to look for on the server. A restart begins with none, and
 * with a fresh list.
 */
import type { ObjectKey } from "../client/informer.ts";

export interface Expectations {
  /** Call before the creations are sent, with the names that the objects will have. `now` is monotonic. */
  expectCreations(key: ObjectKey, names: readonly string[], now: number): void;
  /** Call before the deletions are sent, with the uids that will go. */
  expectDeletions(key: ObjectKey, uids: readonly string[], now: number): void;
  /** The object was seen, or is known not to come. */
  creationObserved(key: ObjectKey, name: string): void;
  /** A deletion was seen, or is known to have failed. */
  deletionObserved(key: ObjectKey, uid: string): void;
  /** True when nothing is outstanding. */
  satisfied(key: ObjectKey, now: number): boolean;
  /** How many creations are outstanding. */
  unseen(key: ObjectKey): number;
  /** Names whose creation has been outstanding for so long that the server should be asked about them. */
  overdue(key: ObjectKey, now: number): readonly string[];
  forget(key: ObjectKey): void;
}

const EXPIRE_MS = 5 * 60_000;
export const OVERDUE_MS = 5_000;

interface Open {
  readonly creations: Set<string>;
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
    const fresh = { creations: new Set<string>(), deletions: new Set<string>(), since: now };
    open.set(key, fresh);
    return fresh;
  };
  const expect = (what: "creations" | "deletions", key: ObjectKey, ids: readonly string[], now: number) => {
    if (ids.length === 0) return;
    const entry = at(key, now);
    for (const id of ids) entry[what].add(id);
  };
  const observed = (what: "creations" | "deletions", key: ObjectKey, id: string) => {
    const entry = open.get(key);
    if (!entry?.[what].delete(id)) return;
    if (entry.creations.size + entry.deletions.size === 0) open.delete(key);
  };

  return {
    expectCreations: (key, names, now) => expect("creations", key, names, now),
    expectDeletions: (key, uids, now) => expect("deletions", key, uids, now),
    creationObserved: (key, name) => observed("creations", key, name),
    deletionObserved: (key, uid) => observed("deletions", key, uid),
    satisfied(key, now) {
      const entry = open.get(key);
      if (!entry) return true;
      if (now - entry.since < EXPIRE_MS) return false;
      open.delete(key);
      return true;
    },
    unseen: (key) => open.get(key)?.creations.size ?? 0,
    overdue(key, now) {
      const entry = open.get(key);
      return entry && now - entry.since >= OVERDUE_MS ? [...entry.creations] : [];
    },
    forget: (key) => void open.delete(key),
  };
}
