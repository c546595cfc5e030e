/**
 * Machine: whether this machine is being switched off, and stopping only after that was seen to.
 *
 * Only systemd is asked, and only when this process is told to stop: a restart of the service ends no Pod.
 */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";

const ASK_MS = 3_000;

/** False where nobody knows. */
async function machineStops(): Promise<boolean> {
  if (!existsSync("/run/systemd/system")) return false;
  return new Promise((resolve) => {
    execFile("systemctl", ["is-system-running"], { timeout: ASK_MS }, (_error, stdout) =>
      resolve(stdout.trim() === "stopping"),
    );
  });
}

/** Does nothing where only this process is to stop. */
export function whenMachineStops(work: () => Promise<void>): () => Promise<void> {
  return async () => {
    if (await machineStops()) await work();
  };
}

/** A signal that follows another one once `leave` has settled. */
export function leaveFirst(signal: AbortSignal, leave: () => Promise<void>): AbortSignal {
  const after = new AbortController();
  const follow = () => after.abort(signal.reason);
  const begin = () => void leave().then(follow, follow);
  if (signal.aborted) follow();
  else signal.addEventListener("abort", begin, { once: true });
  return after.signal;
}
