/**
 * Turns: those who have much to do take turns, one in each round of the event loop.
 *
 * Without them every one of a hundred long answers would take its slice of time in the same round, and whoever
 * has a short question would wait for all of them.
 */
import type { Clock } from "../../machinery/process/clock.ts";

/** The clock, with pauses (`sleep(0)`) that end one after the other. */
export function turnTaking(clock: Clock): Clock {
  const waiting: (() => void)[] = [];
  let going = false;

  const go = async (): Promise<void> => {
    going = true;
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      await clock.sleep(0);
      next();
    }
    going = false;
  };

  return {
    ...clock,
    sleep(ms, signal) {
      if (ms > 0) return clock.sleep(ms, signal);
      return new Promise((resolve) => {
        waiting.push(resolve);
        if (!going) void go();
      });
    },
  };
}
