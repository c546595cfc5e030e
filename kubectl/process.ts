/**
 * Process: kubectl's streams, environment and signals where it runs as a process of its own.
 *
 * Without KUBECONFIG it works on this machine's cluster, where there is one.
 */
import { existsSync } from "node:fs";
import { systemClock } from "../machinery/process/clock.ts";
import { kubectl } from "./kubectl.ts";

/** Resolves with the exit code, when everything printed has been taken. */
export async function runKubectl(argv: readonly string[], ownKubeconfig: string): Promise<number> {
  const stop = new AbortController();
  process.once("SIGINT", () => stop.abort(new Error("interrupted")));
  process.once("SIGTERM", () => stop.abort(new Error("terminated")));
  // A reader that went away (| head) ends the command, as it does with any other.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => stop.abort(error));
  const own = !process.env["KUBECONFIG"] && existsSync(ownKubeconfig) ? { KUBECONFIG: ownKubeconfig } : {};
  const { stdin, stdout, stderr } = process;
  const env = { ...process.env, ...own };
  const code = await kubectl(argv, {
    stdin,
    stdout,
    stderr,
    env,
    cwd: process.cwd(),
    clock: systemClock,
    signal: stop.signal,
  });
  await Promise.all([flushed(stdout), flushed(stderr)]);
  return code;
}

/** Pipes are written in the background: ending the process would cut them off. */
function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed || stream.writableLength === 0) return resolve();
    stream.once("error", () => resolve());
    stream.write("", () => resolve());
  });
}
