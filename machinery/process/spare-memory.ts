/**
 * Spare memory: gives back what a busy time left in the heap, once the process is quiet again.
 *
 * V8 collects when it needs room. A process that was busy for a minute and then hardly allocates would keep what that
 * minute left for hours. Collecting holds it up for some hundredths of a second: it happens only while nothing else
 * does, and only when enough has gathered. The server's heap is too large for such a pause.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { Clock } from "./clock.ts";

type Collect = (how: { readonly type: "major"; readonly flavor: "last-resort" }) => void;

const LOOK_MS = 10_000;
/** Of a core: less is quiet. */
const QUIET_SHARE = 0.05;
/** Less is not worth it. */
const WORTH_BYTES = 16 * 1024 * 1024;

/** Until it is cancelled. */
export function giveBackWhenQuiet(clock: Clock): { cancel(): void } {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as Collect;
  let cpu = process.cpuUsage();
  let at = clock.monotonic();
  let left = process.memoryUsage().heapTotal;
  const look = () => {
    const used = process.cpuUsage(cpu);
    const share = (used.user + used.system) / 1000 / (clock.monotonic() - at);
    if (share < QUIET_SHARE && process.memoryUsage().heapTotal - left >= WORTH_BYTES) {
      collect({ type: "major", flavor: "last-resort" });
      left = process.memoryUsage().heapTotal;
    }
    cpu = process.cpuUsage();
    at = clock.monotonic();
    timer = clock.after(LOOK_MS, look, { background: true });
  };
  let timer = clock.after(LOOK_MS, look, { background: true });
  return { cancel: () => timer.cancel() };
}
