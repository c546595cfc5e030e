/**
 * Objects: the present state of one resource, in the order of keys, with its window of changes.
 *
 * Fed by watch-cache.ts with what the store's watch brings, read by lists, gets and watches. Only `apply`
 * and `replace` change it, and each is one step: readers never see half of it.
 */
import type { Revision, StoreEvent } from "../store/contract.ts";
import { createSortedKeys } from "../store/sorted-keys.ts";
import { Change } from "./change.ts";
import type { Handover } from "./handover.ts";
import { createNodeIndex } from "./node-index.ts";
import type { Parsed } from "./parsed.ts";
import { Version } from "./version.ts";
import type { Watchers } from "./watchers.ts";
import type { Window } from "./window.ts";

export interface Objects {
  readonly size: number;
  /** Revision of the last change: the state is the same at every revision since. */
  readonly changedAt: Revision;
  /** Grows with every change. */
  readonly generation: number;
  /** How often a whole state was taken. */
  readonly loads: number;
  get(key: string): Version | undefined;
  /** Versions whose key starts with `prefix`, after the key `after`: at most `limit`, and how many more there are. */
  range(prefix: string, after: string | undefined, limit: number): { versions: Version[]; remaining: number };
  /** As `range`, of those whose spec names the node. */
  rangeOn(nodeName: string, prefix: string, after: string | undefined): Version[];
  apply(event: StoreEvent, offset: number): void;
  /** Takes a whole new state; what was known before is forgotten and all watches end. */
  replace(versions: readonly Version[], at: Revision): void;
}

export interface ObjectsOptions {
  readonly handover: Handover;
  readonly window: Window;
  readonly watchers: Watchers;
  readonly parsed: Parsed;
}

/** Sorts after every key with the prefix before it. */
const END = "\uffff";

export function createObjects({ handover, window, watchers, parsed }: ObjectsOptions): Objects {
  const versions = new Map<string, Version>();
  const order = createSortedKeys();
  const byNode = createNodeIndex(() => versions.values());
  let changedAt: Revision = 0;
  let generation = 0;
  let loads = 0;

  const announce = (change: Change): void => {
    changedAt = change.revision;
    generation++;
    byNode.changed(change.current, change.previous);
    window.push(change);
    watchers.dispatch(change);
  };

  return {
    get size() {
      return versions.size;
    },
    get changedAt() {
      return changedAt;
    },
    get generation() {
      return generation;
    },
    get loads() {
      return loads;
    },
    get: (key) => versions.get(key),
    range(prefix, after, limit) {
      const from = after === undefined ? order.from(prefix) : order.after(after);
      const end = order.from(prefix + END);
      const to = limit > 0 ? Math.min(end, from + limit) : end;
      const found: Version[] = [];
      for (let index = from; index < to; index++) found.push(versions.get(order.at(index) as string) as Version);
      return { versions: found, remaining: Math.max(0, end - to) };
    },
    rangeOn: (nodeName, prefix, after) =>
      byNode.on(nodeName).filter(({ key }) => key.startsWith(prefix) && (after === undefined || key > after)),
    apply({ key, revision, entry }, offset) {
      const previous = versions.get(key);
      const resourceVersion = String(revision + offset);
      if (!entry) {
        if (!previous) return;
        versions.delete(key);
        order.remove(key);
        return announce(new Change(revision, resourceVersion, undefined, previous));
      }
      const current = handover.take(key, entry.value, revision, offset) ?? Version.of(entry, offset);
      current.share(parsed);
      versions.set(key, current);
      if (!previous) order.add(key);
      announce(new Change(revision, resourceVersion, current, previous));
    },
    replace(next, at) {
      versions.clear();
      order.clear();
      byNode.reset();
      for (const version of next) {
        versions.set(version.key, version.share(parsed));
        order.add(version.key);
      }
      changedAt = at;
      generation++;
      loads++;
      window.reset(at);
      watchers.endAll("reset");
    },
  };
}
