/**
 * Pacing: long work gives the event loop its turn every few milliseconds.
 *
 * Only for loops over data whose meaning does not change meanwhile (frozen objects, a fixed revision).
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import type { Clock } from "../../machinery/process/clock.ts";
import { limits } from "../../machinery/process/limits.ts";

export interface Pacer {
  /** Cheap to ask for each item: true when the turn is over and `rest` should be awaited. */
  readonly tired: boolean;
  rest(): Promise<void>;
}

/** Items between two looks at the clock. */
const STRIDE = 64;

export function createPacer(clock: Pick<Clock, "monotonic">): Pacer {
  let began = clock.monotonic();
  let count = 0;
  return {
    get tired() {
      return ++count % STRIDE === 0 && clock.monotonic() - began >= limits.turnMs;
    },
    async rest() {
      await nextTurn();
      began = clock.monotonic();
    },
  };
}
