/**
 * Supervised process: keeps one process of the table running.
 *
 * Starts it detached (it outlives the supervisor), adopts it when another supervisor had started
 * it, and restarts it with back-off when it ends. Never two at a time: the record is checked first, and a process
 * that could not be recorded, as on a full disk, runs on here alone until it is.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { promisify } from "node:util";
import type { Clock } from "../process/clock.ts";
import type { HomePaths } from "../process/home.ts";
import type { Logger } from "../process/logging.ts";
import {
  isAlive,
  livingRecord,
  type ProcessRecord,
  removeRecord,
  signalRecord,
  writeRecord,
} from "./process-record.ts";
import type { ProcessSpec } from "./process-table.ts";

/** Back-off between restarts: doubles from the first to the last, and starts again after a good while. */
const BACKOFF_MS = { first: 200, last: 30_000, forgetAfter: 10_000 };
/** How often an adopted process, which is no child of ours, is looked at. */
const ADOPTED_POLL_MS = 500;
const RECORD_RETRY_MS = 1_000;

/** How long a process may take to stop. */
export const USUAL_STOP_MS = 20_000;

export interface SuperviseOptions {
  readonly spec: ProcessSpec;
  readonly paths: HomePaths;
  readonly clock: Clock;
  readonly log: Logger;
  /** Ends the watching. The process itself is stopped by `stopProcess`. */
  readonly signal: AbortSignal;
}

export const recordPath = (paths: HomePaths, name: string) => `${paths.run}/${name}.pid`;

/** Resolves when the signal aborts. */
export async function superviseProcess({ spec, paths, clock, log, signal }: SuperviseOptions): Promise<void> {
  let delay = BACKOFF_MS.first;
  while (!signal.aborted) {
    const began = clock.monotonic();
    try {
      const how = await runOnce(spec, paths, clock, log, signal);
      if (signal.aborted) return;
      log.warn("process ended", { process: spec.name, how });
    } catch (error) {
      if (signal.aborted) return;
      log.error("process could not be started", { process: spec.name, error });
    }
    if (clock.monotonic() - began > BACKOFF_MS.forgetAfter) delay = BACKOFF_MS.first;
    await clock.sleep(delay, signal).catch(() => undefined); // aborted: the loop's condition ends it
    delay = Math.min(delay * 2, BACKOFF_MS.last);
  }
}

/** Adopts or starts the process and resolves when it ended, with how it did. */
async function runOnce(spec: ProcessSpec, paths: HomePaths, clock: Clock, log: Logger, signal: AbortSignal) {
  const path = recordPath(paths, spec.name);
  const command = commandLine(spec);
  const living = livingRecord(path);
  if (living && living.command === command) {
    log.info("process adopted", { process: spec.name, pid: living.pid });
    return await untilGone(living, clock, signal);
  }
  if (living) await stopRecord(living, clock, { spec });
  if (spec.prepare) await promisify(execFile)(spec.prepare.command, [...spec.prepare.args]);
  if (signal.aborted) return "stopped before it started";
  const child = await startDetached(spec, paths);
  log.info("process started", { process: spec.name, pid: child.pid });
  const ended = exitOf(child, signal);
  await recordUntilDone(child, { path, command, clock, log, signal });
  const how = await ended;
  if (!signal.aborted) removeRecord(path);
  return how;
}

interface Recording extends Pick<SuperviseOptions, "clock" | "log" | "signal"> {
  readonly path: string;
  readonly command: string;
}

/** It makes room itself, perhaps. Nobody would find it later without a record: then it ends with its supervisor. */
async function recordUntilDone(child: ChildProcess, { path, command, clock, log, signal }: Recording): Promise<void> {
  for (let said = false; child.exitCode === null && child.signalCode === null; said = true) {
    try {
      writeRecord(path, child.pid as number, command);
      return;
    } catch (error) {
      if (!said) log.error("a process runs that cannot be recorded yet", { pid: child.pid, error });
    }
    await clock.sleep(RECORD_RETRY_MS, signal).catch(() => undefined); // aborted: below
    if (signal.aborted) return void child.kill("SIGTERM");
  }
}

/** Its standard streams go to a file of its own: components log elsewhere, so only crashes and foreign programs write there. */
async function startDetached(spec: ProcessSpec, paths: HomePaths): Promise<ChildProcess> {
  const output = openSync(`${paths.logs}/${spec.name}.out`, "a", 0o600);
  try {
    const child = spawn(spec.command, spec.args, {
      detached: true,
      stdio: ["ignore", output, output],
      cwd: paths.root,
    });
    await new Promise<void>((resolve, reject) => {
      child.once("spawn", resolve);
      child.once("error", reject);
    });
    return child;
  } finally {
    closeSync(output);
  }
}

function exitOf(child: ChildProcess, signal: AbortSignal): Promise<string> {
  return new Promise((resolve) => {
    const finish = (how: string) => {
      signal.removeEventListener("abort", onAbort);
      resolve(how);
    };
    const onAbort = () => {
      child.unref();
      finish("no longer watched");
    };
    child.once("exit", (code, by) => finish(by ? `killed by ${by}` : `exit code ${code}`));
    signal.addEventListener("abort", onAbort, { once: true });
  });
}

async function untilGone(record: ProcessRecord, clock: Clock, signal: AbortSignal): Promise<string> {
  while (isAlive(record)) await clock.sleep(ADOPTED_POLL_MS, signal);
  return "an adopted process ended";
}

export interface StopOptions {
  readonly graceMs?: number;
  /** What the process is, where it is known: it may have its own way to be asked. */
  readonly spec?: ProcessSpec | undefined;
}

/** Asks the process to stop, and kills it when it does not in time. Resolves when it is gone. */
export async function stopRecord(
  record: ProcessRecord,
  clock: Clock,
  { spec, graceMs = spec?.stopMs ?? USUAL_STOP_MS }: StopOptions = {},
): Promise<void> {
  if (spec?.ends && isAlive(record)) {
    const [command = "", ...args] = spec.ends(record.pid);
    await promisify(execFile)(command, args).catch(() => undefined); // it ends with what it ends
  } else signalRecord(record, "SIGTERM");
  const deadline = clock.monotonic() + graceMs;
  while (isAlive(record) && clock.monotonic() < deadline) await clock.sleep(20);
  signalRecord(record, "SIGKILL");
  while (isAlive(record)) await clock.sleep(20);
}

function commandLine(spec: ProcessSpec): string {
  return [spec.command, ...spec.args].join(" ");
}
