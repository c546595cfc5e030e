/**
 * Changes: how the watchers of an in-process store learn that there is something new.
 *
 * Nobody's events are queued here: a watcher keeps a cursor and reads on from it, so a slow one costs
 * no memory and fails with `compacted` when history has gone past it.
 */
import { type Revision, type StoreBatch, StoreError, type StoreEvent, type WatchRequest } from "./contract.ts";

export interface Changes {
  /** Wakes whoever waits. */
  announce(): void;
  /** Ends every wait with an error, now and from now on. */
  end(error: StoreError): void;
  /** Number of announcements so far: read it before reading the state that is announced. */
  readonly count: number;
  /** Resolves at the first announcement after the `count` given, or when the signal aborts. */
  next(count: number, signal: AbortSignal): Promise<void>;
}

export function createChanges(): Changes {
  let waiting = new Set<() => void>();
  let ended: StoreError | undefined;
  let count = 0;

  const announce = () => {
    count++;
    if (waiting.size === 0) return;
    const woken = waiting;
    waiting = new Set();
    for (const wake of woken) wake();
  };

  return {
    announce,
    end(error) {
      ended ??= error;
      announce();
    },
    get count() {
      return count;
    },
    async next(known, signal) {
      if (ended) throw ended;
      if (signal.aborted || known !== count) return;
      await new Promise<void>((resolve) => {
        const wake = () => {
          signal.removeEventListener("abort", wake);
          waiting.delete(wake);
          resolve();
        };
        waiting.add(wake);
        signal.addEventListener("abort", wake, { once: true });
      });
      if (ended) throw ended;
    },
  };
}

/** What a watcher reads from: changes after a cursor, up to some revision; undefined when there is nothing new. */
export type ReadAfter = (cursor: Revision) => StoreBatch | undefined | Promise<StoreBatch | undefined>;

/** The watch of a store that can read on from a cursor. `readAfter` throws `compacted` by itself. */
export async function* follow(
  readAfter: ReadAfter,
  changes: Changes,
  { prefix, after, signal }: WatchRequest,
): AsyncGenerator<StoreBatch> {
  let cursor = after;
  while (!signal.aborted) {
    const { count } = changes;
    const batch = await readAfter(cursor);
    if (!batch) {
      await changes.next(count, signal);
      continue;
    }
    cursor = batch.revision;
    yield { revision: batch.revision, events: startingWith(prefix, batch.events) };
  }
}

export const compacted = (revision: Revision, since: Revision): StoreError =>
  new StoreError("compacted", `revision ${revision} is no longer kept: history begins at ${since}`);

export const future = (revision: Revision, current: Revision): StoreError =>
  new StoreError("future", `revision ${revision} is not there yet: the current one is ${current}`);

export const closed = (): StoreError => new StoreError("unavailable", "the store is closed");

function startingWith(prefix: string, events: readonly StoreEvent[]): readonly StoreEvent[] {
  for (const { key } of events) {
    if (!key.startsWith(prefix)) return events.filter((event) => event.key.startsWith(prefix));
  }
  return events;
}
