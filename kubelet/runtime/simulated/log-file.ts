/**
 * Log file of a simulated container, in CRI's format: time, stream, "F" for a full line, text.
 *
 * A log is written when something happens, never by an open file that waits: thousands of containers
 * hold no descriptor. Rotation is the kubelet's; each line opens the file by its path again.
 */
import { appendFileSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";

/** Nothing is written where the container has no log path. */
export function appendLog(path: string, ms: number, text: string): void {
  if (path === "") return;
  mkdirSync(dirname(path), { recursive: true });
  appendFileSync(path, `${new Date(ms).toISOString().replace("Z", "000000Z")} stdout F ${text}\n`, { mode: 0o640 });
}
