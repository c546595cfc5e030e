/**
 * Breathe: lets long loops share the process with everything else that runs in it.
 *
 * `await breath()` in each turn costs nothing until 5 ms have passed without a pause.
 */
import { setImmediate as immediate } from "node:timers/promises";
import type { Clock } from "../process/clock.ts";
import { limits } from "../process/limits.ts";

/** Resolves when everyone else whose turn it is has run. */
export const nextTurn = (): Promise<void> => immediate();

/** A function to await in each turn of a long loop; use one for each loop. */
export function breather(clock: Pick<Clock, "monotonic" | "nextTurn">): () => Promise<void> | undefined {
  let since = clock.monotonic();
  return () => {
    if (clock.monotonic() - since < limits.turnMs) return undefined;
    return (clock.nextTurn ?? nextTurn)().then(() => {
      since = clock.monotonic();
    });
  };
}
