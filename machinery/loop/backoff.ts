/**
 * Back-off: growing, jittered waits between attempts of the same thing.
 *
 * Each wait lies between half and the whole of the current step, so that many clients which
 * lost the same server do not come back together. Per-key back-off of queues: work-queue.ts.
 */
import type { Clock } from "../process/clock.ts";

export interface Backoff {
  /** Milliseconds to wait before the next attempt; each call doubles the step, up to the maximum. */
  next(): number;
  /** The thing worked: start over. */
  reset(): void;
}

export function createBackoff(clock: Pick<Clock, "random">, firstMs: number, maxMs: number): Backoff {
  let step = firstMs;
  return {
    next() {
      const wait = step * (0.5 + clock.random() / 2);
      step = Math.min(step * 2, maxMs);
      return wait;
    },
    reset() {
      step = firstMs;
    },
  };
}
