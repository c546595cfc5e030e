/**
 * Memory store: for simulation, unit tests and clusters that may forget.
 *
 * History is one array of changes; a state of the past is the present with later changes undone.
 * Nothing here survives the process. The durable stores are lmdb/ and etcd/.
 */
import type { Clock } from "../../machinery/process/clock.ts";
import { limits } from "../../machinery/process/limits.ts";
import { closed, compacted, createChanges, follow, future } from "./changes.ts";
import type {
  CommitResult,
  Condition,
  Entry,
  ListRequest,
  ListResult,
  Operation,
  Revision,
  Store,
  StoreBatch,
  StoreEvent,
} from "./contract.ts";
import { createRetention } from "./retention.ts";
import { createSortedKeys } from "./sorted-keys.ts";

export interface MemoryStoreOptions {
  readonly clock: Clock;
  readonly historyMs?: number;
  readonly historyBytes?: number;
}

/** A change with what it replaced, so that it can be undone. */
interface Change extends StoreEvent {
  readonly previous: Entry | undefined;
}

/** Changes that one batch of a watch brings at most, whole revisions aside. */
const BATCH_EVENTS = 1_000;
/** What a change costs besides its value, roughly. */
const CHANGE_BYTES = 200;

export function createMemoryStore({
  clock,
  historyMs = limits.historyMs,
  historyBytes = limits.historyBytes,
}: MemoryStoreOptions): Store {
  const entries = new Map<string, Entry>();
  const order = createSortedKeys();
  const changes = createChanges();
  const retention = createRetention({ historyMs, historyBytes });
  let log: Change[] = [];
  let revision: Revision = 0;
  let since: Revision = 0;
  let open = true;

  const assertOpen = () => {
    if (!open) throw closed();
  };

  const holds = ({ key, modRevision }: Condition) => (entries.get(key)?.modRevision ?? 0) === modRevision;

  const apply = (operation: Operation, at: Revision): void => {
    const { key } = operation;
    const previous = entries.get(key);
    if (operation.type === "put") {
      const entry = { key, value: operation.value, createRevision: previous?.createRevision ?? at, modRevision: at };
      entries.set(key, entry);
      if (!previous) order.add(key);
      log.push({ type: "put", key, revision: at, entry, previous });
    } else {
      entries.delete(key);
      order.remove(key);
      const { tombstone } = operation;
      log.push({ type: "delete", key, revision: at, previous, ...(tombstone ? { tombstone } : {}) });
    }
  };

  const forget = (until: Revision): void => {
    since = Math.max(since, until);
    log = log.slice(firstAfter(log, since));
    retention.dropped(since);
  };

  const readAfter = (cursor: Revision): StoreBatch | undefined => {
    if (cursor < since) throw compacted(cursor, since);
    if (cursor >= revision) return undefined;
    const from = firstAfter(log, cursor);
    let to = Math.min(from + BATCH_EVENTS, log.length);
    while (to < log.length && log[to]?.revision === log[to - 1]?.revision) to++;
    return { revision: to === log.length ? revision : (log[to - 1] as Change).revision, events: log.slice(from, to) };
  };

  /** Keys whose entry at `at` differs from the one of now. */
  const undone = (at: Revision): ReadonlyMap<string, Entry | undefined> => {
    const then = new Map<string, Entry | undefined>();
    for (let index = log.length - 1; index >= 0; index--) {
      const change = log[index] as Change;
      if (change.revision <= at) break;
      then.set(change.key, change.previous);
    }
    return then;
  };

  const list = ({ prefix, limit = 0, after, revision: at = revision }: ListRequest): ListResult => {
    if (at > revision) throw future(at, revision);
    if (at < since) throw compacted(at, since);
    const then = undone(at);
    const found: Entry[] = [];
    const add = (entry: Entry | undefined) => {
      if (entry) found.push(entry);
    };
    for (let index = after === undefined ? order.from(prefix) : order.after(later(after, prefix)); ; index++) {
      const key = order.at(index);
      if (!key?.startsWith(prefix)) break;
      if (!then.has(key)) add(entries.get(key));
    }
    const present = found.length;
    for (const [key, entry] of then) if (key.startsWith(prefix) && (after === undefined || key > after)) add(entry);
    if (found.length > present) found.sort((a, b) => (a.key < b.key ? -1 : 1));
    const page = limit > 0 && found.length > limit ? found.slice(0, limit) : found;
    return { entries: page, revision: at, remaining: found.length - page.length };
  };

  return {
    async get(key) {
      assertOpen();
      return entries.get(key);
    },
    async list(request) {
      assertOpen();
      return list(request);
    },
    async commit(conditions, operations): Promise<CommitResult> {
      assertOpen();
      if (!conditions.every(holds)) {
        return { committed: false, revision, current: conditions.map(({ key }) => entries.get(key)) };
      }
      const effective = operations.filter(({ type, key }) => type === "put" || entries.has(key));
      if (effective.length === 0) return { committed: true, revision };
      revision++;
      for (const operation of effective) apply(operation, revision);
      const now = clock.now();
      retention.add(
        revision,
        effective.reduce((sum, one) => sum + sizeOf(one), 0),
        now,
      );
      const due = retention.due(now);
      if (due !== undefined) forget(due);
      changes.announce();
      return { committed: true, revision };
    },
    async *watch(request) {
      assertOpen();
      yield* follow(readAfter, changes, request);
    },
    async history(key) {
      assertOpen();
      const kept = log.filter((change) => change.key === key);
      const base = kept.length > 0 ? kept[0]?.previous : entries.get(key);
      const first: StoreEvent[] = base ? [{ type: "put", key, revision: base.modRevision, entry: base }] : [];
      return { since, events: [...first, ...kept] };
    },
    async revision() {
      assertOpen();
      return revision;
    },
    async compact(until) {
      assertOpen();
      if (until > revision) throw future(until, revision);
      forget(until);
    },
    async close() {
      open = false;
      changes.end(closed());
    },
  };
}

/** Index of the first change after `revision`. */
function firstAfter(log: readonly Change[], revision: Revision): number {
  let low = 0;
  let high = log.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((log[middle] as Change).revision <= revision) low = middle + 1;
    else high = middle;
  }
  return low;
}

function sizeOf(operation: Operation): number {
  const value = operation.type === "put" ? operation.value : operation.tombstone;
  return CHANGE_BYTES + operation.key.length + (value?.length ?? 0);
}

function later(one: string, other: string): string {
  return one > other ? one : other;
}
