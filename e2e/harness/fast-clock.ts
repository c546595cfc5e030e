/** Fast clock: the system's, going so many times faster, for loops whose pauses are longer than a test's patience. */
import { type Clock, sleepOn, systemClock } from "../../machinery/process/clock.ts";

export function fastClock(speed: number): Clock {
  const clock: Clock = {
    ...systemClock,
    monotonic: () => systemClock.monotonic() * speed,
    after: (ms, fn, options) => systemClock.after(ms / speed, fn, options),
    sleep: (ms, signal) => sleepOn(clock, ms, signal),
  };
  return clock;
}
