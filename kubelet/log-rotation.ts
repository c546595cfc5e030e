/**
 * Log rotation: keeps the logs of running containers within their size and number.
 *
 * A log is put aside under a name with its time, then the runtime opens a new one: lines written in
 * between go to the old file, so none is lost. A kubelet that died between the two is made up for: where
 * a running container has no log, the runtime is told to open one. Readers follow: see container-log.ts.
 */
import { readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Clock } from "../machinery/process/clock.ts";
import { limits } from "../machinery/process/limits.ts";
import type { Logger } from "../machinery/process/logging.ts";
import type { RuntimeService } from "./cri/contract.ts";

const LOOK_MS = 10_000;

export interface LogRotation {
  readonly cri: Pick<RuntimeService, "reopenContainerLog">;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Containers that run, with their logs. */
  readonly running: () => readonly { readonly id: string; readonly logPath: string }[];
  readonly lookMs?: number;
  readonly maxBytes?: number;
  readonly maxFiles?: number;
}

/** Runs until the signal aborts. */
export async function rotateLogs(rotation: LogRotation): Promise<void> {
  const { clock, signal, log, lookMs = LOOK_MS } = rotation;
  while (!signal.aborted) {
    await clock.sleep(lookMs, signal).catch(() => undefined);
    if (signal.aborted) return;
    for (const { id, logPath } of rotation.running()) {
      try {
        await rotateOne(id, logPath, rotation);
      } catch (error) {
        log.warn("a container's log could not be rotated", { container: id, error });
      }
    }
  }
}

export async function rotateOne(
  containerId: string,
  path: string,
  { cri, clock, maxBytes = limits.containerLogBytes, maxFiles = limits.containerLogFiles }: LogRotation,
): Promise<void> {
  if (!path) return;
  const found = await stat(path).catch(() => undefined);
  if (!found && (await rotated(path)).length > 0) await cri.reopenContainerLog({ containerId });
  if (!found || found.size < maxBytes) return;
  const stamp = new Date(clock.now()).toISOString().slice(0, 19).replace(/[-:]/g, "").replace("T", "-");
  const aside = await freeName(`${path}.${stamp}`);
  await rename(path, aside);
  try {
    await cri.reopenContainerLog({ containerId });
  } catch (error) {
    // the runtime still writes there, unless it opened a new one before it failed
    if (!(await stat(path).catch(() => undefined))) await rename(aside, path);
    throw error;
  }
  await removeOldest(path, maxFiles);
}

/** Two rotations within a second must not overwrite each other. */
async function freeName(name: string): Promise<string> {
  let free = name;
  for (let count = 1; await stat(free).catch(() => undefined); count++) free = `${name}-${count}`;
  return free;
}

/** What was put aside of a log, the oldest first. */
async function rotated(path: string): Promise<string[]> {
  const prefix = `${basename(path)}.`;
  const names = await readdir(dirname(path)).catch(() => []);
  return names.filter((name) => name.startsWith(prefix)).sort();
}

async function removeOldest(path: string, maxFiles: number): Promise<void> {
  const old = await rotated(path);
  for (const name of old.slice(0, Math.max(0, old.length - (maxFiles - 1)))) {
    await rm(join(dirname(path), name), { force: true });
  }
}
