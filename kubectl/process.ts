/**
 * Process: kubectl on this process's streams, environment and signals.
 *
 * Nothing else under kubectl/ touches `process`. The cluster of this machine is the one that is meant
 * when neither --kubeconfig nor $KUBECONFIG says another.
 */
import { existsSync } from "node:fs";
import { systemClock } from "../machinery/process/clock.ts";
import { kubectl } from "./kubectl.ts";

/** Resolves with the exit code. */
export async function runKubectl(argv: readonly string[], defaultKubeconfig: string): Promise<number> {
  const interrupted = new AbortController();
  const stop = () => interrupted.abort(new Error("interrupted"));
  process.once("SIGINT", stop).once("SIGTERM", stop);
  // A reader that leaves early (`| head`) ends the run without a word.
  const onPipe = (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    stop();
  };
  process.stdout.on("error", onPipe);
  process.stderr.on("error", onPipe);
  try {
    return await kubectl(argv, {
      stdin: process.stdin,
      stdout: process.stdout,
      stderr: process.stderr,
      env: withDefault(process.env, defaultKubeconfig),
      cwd: process.cwd(),
      clock: systemClock,
      signal: interrupted.signal,
    });
  } finally {
    process.off("SIGINT", stop).off("SIGTERM", stop);
    await flushed();
  }
}

function withDefault(env: NodeJS.ProcessEnv, kubeconfig: string): NodeJS.ProcessEnv {
  return env["KUBECONFIG"] || !existsSync(kubeconfig) ? env : { ...env, KUBECONFIG: kubeconfig };
}

/** What was written to a pipe is out before the process ends. */
async function flushed(): Promise<void> {
  await Promise.all(
    [process.stdout, process.stderr].map(
      (stream) =>
        new Promise<void>((resolve) => (stream.writableLength === 0 ? resolve() : stream.write("", () => resolve()))),
    ),
  );
}
