/**
 * Tail: the last changes in memory, so that watchers who keep up never read the disk.
 *
 * Bounded in number and bytes, but changes that are not written yet stay whatever their number.
 */
import type { Revision, StoreBatch, StoreEvent } from "../contract.ts";

export interface Tail {
  /** Changes after this revision are all here. */
  readonly floor: Revision;
  push(revision: Revision, events: readonly StoreEvent[]): void;
  /** What came after `revision`, which must not be before the floor. */
  after(revision: Revision): StoreBatch | undefined;
}

/** Events and bytes of values that are kept, and events that one batch brings at most. */
const BOUNDS = { events: 2_048, bytes: 4 * 1024 * 1024, batch: 1_000 } as const;

/** `pinned`: changes after this revision must stay. */
export function createTail(start: Revision, pinned: () => Revision): Tail {
  let batches: StoreBatch[] = [];
  let head = 0;
  let floor = start;
  let events = 0;
  let bytes = 0;

  const trim = () => {
    while (head < batches.length - 1 && (events > BOUNDS.events || bytes > BOUNDS.bytes)) {
      const oldest = batches[head] as StoreBatch;
      if (oldest.revision > pinned()) break;
      floor = oldest.revision;
      events -= oldest.events.length;
      bytes -= sizeOf(oldest.events);
      head++;
    }
    if (head < 512 || head * 2 < batches.length) return;
    batches = batches.slice(head);
    head = 0;
  };

  return {
    get floor() {
      return floor;
    },
    push(revision, added) {
      batches.push({ revision, events: added });
      events += added.length;
      bytes += sizeOf(added);
      trim();
    },
    after(revision) {
      let low = head;
      let high = batches.length;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if ((batches[middle] as StoreBatch).revision <= revision) low = middle + 1;
        else high = middle;
      }
      const found: StoreEvent[] = [];
      let last: Revision | undefined;
      for (; low < batches.length && found.length < BOUNDS.batch; low++) {
        const batch = batches[low] as StoreBatch;
        found.push(...batch.events);
        last = batch.revision;
      }
      return last === undefined ? undefined : { revision: last, events: found };
    },
  };
}

function sizeOf(events: readonly StoreEvent[]): number {
  return events.reduce((sum, { entry, tombstone }) => sum + (entry?.value.length ?? tombstone?.length ?? 0), 0);
}
