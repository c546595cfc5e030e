/**
 * Fake clock: virtual time and seeded randomness for tests and the simulator.
 *
 * Time moves only by `advance`; timers fire in order of their time, then of their making.
 */
import { type Clock, sleepOn, type Timer } from "./clock.ts";

export interface FakeClock extends Clock {
  /** Moves time forward by `ms`, firing due timers and letting promises settle between them. */
  advance(ms: number): Promise<void>;
  /** Number of timers that wait. */
  pending(): number;
}

interface Waiting {
  readonly at: number;
  readonly order: number;
  readonly fn: () => void;
}

export function fakeClock(start = Date.UTC(2026, 0, 1), seed = 1): FakeClock {
  let elapsed = 0;
  let order = 0;
  let state = seed >>> 0 || 1;
  const waiting = new Set<Waiting>();

  const random = () => {
    // mulberry32: small, and good enough to spread choices
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const bytes = (length: number) => Uint8Array.from({ length }, () => Math.floor(random() * 256));

  const clock: FakeClock = {
    now: () => start + elapsed,
    monotonic: () => elapsed,
    after(ms, fn): Timer {
      const entry: Waiting = { at: elapsed + Math.max(ms, 0), order: order++, fn };
      waiting.add(entry);
      return { cancel: () => void waiting.delete(entry) };
    },
    sleep: (ms, signal) => sleepOn(clock, ms, signal),
    random,
    uuid() {
      const hex = Buffer.from(bytes(16)).toString("hex");
      return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20)}`;
    },
    bytes,
    pending: () => waiting.size,
    async advance(ms) {
      const until = elapsed + ms;
      await settle();
      for (let next = earliest(waiting, until); next; next = earliest(waiting, until)) {
        waiting.delete(next);
        elapsed = Math.max(elapsed, next.at);
        next.fn();
        await settle();
      }
      elapsed = until;
    },
  };
  return clock;
}

/** Lets promise chains that are ready run to their next wait. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
}

function earliest(waiting: ReadonlySet<Waiting>, until: number): Waiting | undefined {
  let best: Waiting | undefined;
  for (const entry of waiting) {
    if (entry.at > until) continue;
    if (!best || entry.at < best.at || (entry.at === best.at && entry.order < best.order)) best = entry;
  }
  return best;
}
