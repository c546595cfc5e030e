/**
 * Window: the last changes of a resource, for watches that resume.
 *
 * Bounded in number, in bytes and in age. Whoever asks for more than is kept must list again: the answer
 * is undefined, never a gap.
 */
import type { Clock } from "../../machinery/process/clock.ts";
import type { Revision } from "../store/contract.ts";
import type { Change } from "./change.ts";

export interface WindowBounds {
  readonly events: number;
  readonly bytes: number;
  readonly ms: number;
}

export interface Window {
  push(change: Change): void;
  /** Every change after `revision`, oldest first; undefined when some of them are no longer kept. */
  since(revision: Revision): readonly Change[] | undefined;
  /** The oldest revision from which `since` can go on. */
  readonly floor: Revision;
  /** Forgets everything; changes up to `floor` are not kept. */
  reset(floor: Revision): void;
}

/** Changes whose parsed objects and encodings stay: watchers are seldom further behind. */
const WARM_CHANGES = 256;

export function createWindow(clock: Pick<Clock, "monotonic">, bounds: WindowBounds): Window {
  let changes: Change[] = [];
  let times: number[] = [];
  let head = 0;
  let bytes = 0;
  let floor: Revision = 0;

  const drop = () => {
    const oldest = changes[head] as Change;
    floor = oldest.revision;
    bytes -= oldest.bytes;
    head++;
  };

  /** The dead front of the arrays goes when it is half of them. */
  const tidy = () => {
    if (head < 1_024 || head * 2 < changes.length) return;
    changes = changes.slice(head);
    times = times.slice(head);
    head = 0;
  };

  return {
    push(change) {
      const now = clock.monotonic();
      changes.push(change);
      times.push(now);
      bytes += change.bytes;
      changes[changes.length - 1 - WARM_CHANGES]?.forget();
      const excess = () =>
        changes.length - head > bounds.events || bytes > bounds.bytes || now - (times[head] as number) > bounds.ms;
      while (head < changes.length - 1 && excess()) drop();
      tidy();
    },
    since(revision) {
      if (revision < floor) return undefined;
      let low = head;
      let high = changes.length;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if ((changes[middle] as Change).revision <= revision) low = middle + 1;
        else high = middle;
      }
      return changes.slice(low);
    },
    get floor() {
      return floor;
    },
    reset(at) {
      changes = [];
      times = [];
      head = 0;
      bytes = 0;
      floor = at;
    },
  };
}
