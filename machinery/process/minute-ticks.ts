/**
 * Minute ticks: a call at each minute of the wall clock, in a real process.
 *
 * Nothing is decided here, and what is due is never read from it: a tick only makes whoever waits look again, for
 * timers know nothing of a clock that was set or a machine that slept. Under virtual time there are none.
 */
import { schedule } from "node-cron";

/** Ticks until the function that it returns is called; does not keep the process alive. */
export function minuteTicks(tick: () => void): () => void {
  const task = schedule("* * * * *", tick, { unref: true, suppressMissedWarning: true, timezone: "UTC" });
  return () => void task.destroy();
}
