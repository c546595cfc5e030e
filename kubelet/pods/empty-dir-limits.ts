/**
 * emptyDir limits: evicts Pods whose emptyDir volumes on disk outgrew their sizeLimit.
 *
 * Volumes in memory are limited by their tmpfs. What is on disk is measured once a minute, only for
 * Pods that set a limit.
 */
import { lstat, readdir } from "node:fs/promises";
import { join } from "node:path";
import { unitValue } from "../../machinery/objects/quantity.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import type { PodPaths } from "./paths.ts";
import type { PodWorker } from "./worker.ts";

const LOOK_MS = 60_000;

export interface EmptyDirLimits {
  readonly workers: () => readonly PodWorker[];
  readonly paths: PodPaths;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Runs until the signal aborts. */
export async function enforceEmptyDirLimits({ workers, paths, clock, signal }: EmptyDirLimits): Promise<void> {
  while (!signal.aborted) {
    for (const worker of workers()) {
      const message = await exceeded(worker, paths);
      if (message) worker.evict(message);
    }
    await clock.sleep(LOOK_MS, signal).catch(() => undefined);
  }
}

/** Why the Pod must go; undefined when it keeps within its limits. */
export async function exceeded(worker: Pick<PodWorker, "pod">, paths: PodPaths): Promise<string | undefined> {
  const { metadata, spec } = worker.pod();
  for (const { name, emptyDir } of spec?.volumes ?? []) {
    if (!emptyDir?.sizeLimit || emptyDir.medium === "Memory") continue;
    const limit = unitValue(emptyDir.sizeLimit);
    if (limit > 0 && (await diskUsage(paths.volume(metadata.uid, name))) > limit) {
      return `Usage of EmptyDir volume "${name}" exceeds the limit "${emptyDir.sizeLimit}". `;
    }
  }
  return undefined;
}

/** Bytes on disk; files that go away meanwhile count nothing. */
async function diskUsage(directory: string): Promise<number> {
  let bytes = 0;
  for (const entry of await readdir(directory, { withFileTypes: true }).catch(() => [])) {
    const path = join(directory, entry.name);
    bytes += entry.isDirectory()
      ? await diskUsage(path)
      : ((await lstat(path).catch(() => undefined))?.blocks ?? 0) * 512;
  }
  return bytes;
}
