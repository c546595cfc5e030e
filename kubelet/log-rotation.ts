/**
 * Log rotation: keeps the logs of running containers within their size and number.
 *
 * A log is put aside under a name with its time, then the runtime opens a new one: lines written in
 * between go to the old file, so none is lost. Readers follow: see container-log.ts.
 */
import { readdir, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Clock } from "../machinery/process/clock.ts";
import { limits } from "../machinery/process/limits.ts";
import type { Logger } from "../machinery/process/logging.ts";
import type { RuntimeService } from "./cri/contract.ts";

const LOOK_MS = 10_000;

export interface LogRotation {
  readonly cri: RuntimeService;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Containers that run, with their logs. */
  readonly running: () => readonly { readonly id: string; readonly logPath: string }[];
  readonly maxBytes?: number;
  readonly maxFiles?: number;
}

/** Runs until the signal aborts. */
export async function rotateLogs(rotation: LogRotation): Promise<void> {
  const { clock, signal, log } = rotation;
  while (!signal.aborted) {
    await clock.sleep(LOOK_MS, signal).catch(() => undefined);
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
  const found = path ? await stat(path).catch(() => undefined) : undefined;
  if (!found || found.size < maxBytes) return;
  const stamp = new Date(clock.now()).toISOString().slice(0, 19).replace(/[-:]/g, "").replace("T", "-");
  const aside = `${path}.${stamp}`;
  await rename(path, aside);
  try {
    await cri.reopenContainerLog({ containerId });
  } catch (error) {
    await rename(aside, path); // the runtime still writes there
    throw error;
  }
  await removeOldest(path, maxFiles);
}

async function removeOldest(path: string, maxFiles: number): Promise<void> {
  const prefix = `${basename(path)}.`;
  const rotated = (await readdir(dirname(path))).filter((name) => name.startsWith(prefix)).sort();
  for (const name of rotated.slice(0, Math.max(0, rotated.length - (maxFiles - 1)))) {
    await rm(join(dirname(path), name), { force: true });
  }
}
