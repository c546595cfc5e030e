/**
 * Back-off: growing, jittered waits between attempts of the same thing.
 *
 * Each wait lies between half and the whole of the current step, so that many clients which
 * lost the same server do not come back together. Per-key back-off of queues: work-queue.ts.
 */
import type { Clock } from "../process/clock.ts";

export interface Backoff {
  /** Milliseconds to wait before the next attempt; each call makes the step longer, up to the maximum. */
  next(): number;
  /** The thing worked: start over. */
  reset(): void;
}

/** `growth` 2 waits about as long as the failure has lasted already, 1.5 about a third of that. */
export function createBackoff(clock: Pick<Clock, "random">, firstMs: number, maxMs: number, growth = 2): Backoff {
  let step = firstMs;
  return {
    next() {
      const wait = step * (0.5 + clock.random() / 2);
      step = Math.min(step * growth, maxMs);
      return wait;
    },
    reset() {
      step = firstMs;
    },
  };
}
