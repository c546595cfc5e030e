/**
 * Machine pool: workers of vitest on machines of their own, so that files which use this computer's containers run side by side.
 *
 * A machine is booted for each file and ends with it, and so does all that its tests have started. It reaches nothing
 * outside: what tests need is made before (images-built.ts). Where there can be no machines, they are processes as usual.
 */
import { type ChildProcess, fork } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { PoolOptions, PoolRunnerInitializer, PoolWorker, WorkerRequest } from "vitest/node";
import { bootCommand, boundTo } from "../../machinery/machines/boot.ts";

/** How long a worker may take to end by itself, when its tests are done. */
const END_MS = 2_000;

export const machinePool: PoolRunnerInitializer | "forks" =
  process.platform === "linux" && process.getuid?.() === 0 && existsSync("/usr/bin/unshare")
    ? { name: "machines", createPoolWorker }
    : "forks";

function createPoolWorker({ distPath, project, env, execArgv }: PoolOptions): PoolWorker {
  const { outputStream, errorStream } = project.vitest.logger;
  const directory = mkdtempSync(join(tmpdir(), "k8ts-machine-"));
  let worker: ChildProcess | undefined;
  const running = (): ChildProcess => {
    if (!worker) throw new Error("the machine has not been booted");
    return worker;
  };
  return {
    name: "machines",
    cacheFs: true,
    on: (event, callback) => void running().on(event, callback),
    off: (event, callback) => void running().off(event, callback),
    send: (message: WorkerRequest) => void running().send(message),
    deserialize: (data) => data,
    async start() {
      const boot = bootCommand({
        name: "machine",
        directory,
        address: "10.99.0.11/24",
        gateway: "10.99.0.1",
        once: { directory: process.cwd(), command: [process.execPath, ...execArgv] },
      });
      const [execPath = "", ...args] = boundTo(boot);
      const entry = join(distPath, "workers", "forks.js");
      worker = fork(entry, [], { execPath, execArgv: args, env, stdio: "pipe", serialization: "advanced" });
      worker.stdout?.pipe(outputStream, { end: false });
      worker.stderr?.pipe(errorStream, { end: false });
    },
    async stop() {
      const { exitCode, signalCode } = running();
      if (exitCode === null && signalCode === null) await ended(running());
      worker = undefined;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Without its channel a worker ends by itself, and its machine with it; its process here is gone when all of that is. */
async function ended(worker: ChildProcess): Promise<void> {
  const gone = new Promise((resolve) => worker.once("exit", resolve));
  const late = setTimeout(() => worker.kill("SIGKILL"), END_MS);
  worker.disconnect();
  await gone;
  clearTimeout(late);
}
