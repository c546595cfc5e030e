/**
 * Virtual time: one order in which everything in a simulated cluster happens.
 *
 * Each process has a clock of its own that may be killed, stopped for a while or set wrong; all of them
 * wait in one heap. Between two timers, whatever is ready runs to its next wait. Nothing real is waited
 * for, so the same seed brings the same order.
 */
import { type Clock, sleepOn, type Timer } from "../../machinery/process/clock.ts";
import type { Random } from "./random.ts";

export interface ProcessClock extends Clock {
  /** No timer of it fires any more. */
  kill(): void;
  /** Its timers wait for as long, as those of a process that the kernel does not run. */
  pause(ms: number): void;
  readonly pausedMs: number;
  /** Sets its wall clock forward or back. */
  jump(ms: number): void;
}

export interface VirtualTime {
  /** Milliseconds since the simulation began. */
  elapsed(): number;
  /** How many timers have fired: a measure of all work. */
  fired(): number;
  clock(random: Random): ProcessClock;
  /** Lets everything happen until the time is reached, or `until` says that it is enough. */
  run(ms: number, until?: () => boolean): Promise<void>;
}

/** What the clocks show in the beginning. */
export const START = Date.UTC(2026, 0, 1);

interface Waiting {
  at: number;
  readonly order: number;
  readonly fn: () => void;
  readonly owner: Owner;
  cancelled: boolean;
}

interface Owner {
  dead: boolean;
  pausedUntil: number;
}

/** `startMs`: what its clocks show in the beginning, relative to the others'. */
export function createVirtualTime(startMs = 0): VirtualTime {
  let elapsed = 0;
  let order = 0;
  let fired = 0;
  const heap = createHeap();

  const clock = (random: Random): ProcessClock => {
    const owner: Owner = { dead: false, pausedUntil: 0 };
    let skew = 0;
    const bytes = (length: number) => Uint8Array.from({ length }, () => random.between(0, 255));
    const one: ProcessClock = {
      now: () => START + startMs + elapsed + skew,
      monotonic: () => elapsed,
      after(ms, fn): Timer {
        const at = elapsed + Math.max(1, Math.ceil(ms)); // as Node's own timers
        const entry: Waiting = { at, order: order++, fn, owner, cancelled: false };
        if (!owner.dead) heap.push(entry);
        return {
          cancel() {
            entry.cancelled = true;
          },
        };
      },
      sleep: (ms, signal) => sleepOn(one, ms, signal),
      random: () => random.next(),
      uuid() {
        const hex = Buffer.from(bytes(16)).toString("hex");
        return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`;
      },
      bytes,
      nextTurn: () => Promise.resolve(),
      kill() {
        owner.dead = true;
      },
      pause(ms) {
        owner.pausedUntil = Math.max(owner.pausedUntil, elapsed + ms);
      },
      get pausedMs() {
        return Math.max(owner.pausedUntil - elapsed, 0);
      },
      jump(ms) {
        skew += ms;
      },
    };
    return one;
  };

  return {
    elapsed: () => elapsed,
    fired: () => fired,
    clock,
    async run(ms, until = () => false) {
      const end = elapsed + ms;
      await turn(fired);
      for (let next = heap.first(); next && next.at <= end && !until(); next = heap.first()) {
        heap.pop();
        if (next.cancelled || next.owner.dead) continue;
        if (next.owner.pausedUntil > next.at) {
          next.at = next.owner.pausedUntil;
          heap.push(next);
          continue;
        }
        fired++;
        elapsed = Math.max(elapsed, next.at);
        next.fn();
        await turn(fired);
      }
      if (!until()) elapsed = end;
    },
  };
}

/** Lets time pass until the work is done. */
export async function within(time: VirtualTime, work: Promise<unknown>): Promise<void> {
  let over = false;
  const ended = work.finally(() => {
    over = true;
  });
  for (let passed = 0; !over && passed < 60_000; passed += 100) await time.run(100, () => over);
  await ended;
}

/** After so many timers whatever else the process has to do comes to its turn: signals, rejections that nobody handles. */
const WHOLE_TURN = 512;

/** Lets promise chains that are ready run to their next wait: what comes at the next tick comes after all of them. */
const turn = (fired: number): Promise<void> =>
  new Promise((resolve) => {
    if (fired % WHOLE_TURN === 0) setImmediate(resolve);
    else process.nextTick(resolve);
  });

const before = (a: Waiting, b: Waiting) => a.at < b.at || (a.at === b.at && a.order < b.order);

/** Binary heap by time, then by the order of making. */
function createHeap() {
  const items: Waiting[] = [];
  return {
    first: () => items[0],
    push(entry: Waiting) {
      let at = items.length;
      while (at > 0) {
        const parent = (at - 1) >>> 1;
        const above = items[parent] as Waiting;
        if (!before(entry, above)) break;
        items[at] = above;
        at = parent;
      }
      items[at] = entry;
    },
    pop() {
      const last = items.pop() as Waiting;
      const { length } = items;
      if (length === 0) return;
      let at = 0;
      for (let child = 1; child < length; child = 2 * at + 1) {
        const right = child + 1;
        if (right < length && before(items[right] as Waiting, items[child] as Waiting)) child = right;
        const below = items[child] as Waiting;
        if (!before(below, last)) break;
        items[at] = below;
        at = child;
      }
      items[at] = last;
    },
  };
}
