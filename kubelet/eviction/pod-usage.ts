/**
 * Pod usage: what each Pod takes of memory, disk and processes, read only when somebody must go or has limits.
 *
 * On disk a Pod has its containers' layers, its logs and the volumes that the kubelet made for it; volumes in memory
 * stand in its memory, volumes of claims are nobody's.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Runtime } from "../cri/contract.ts";
import type { PodCgroups } from "../pods/cgroups.ts";
import type { PodPaths } from "../pods/paths.ts";
import { identity } from "../pods/start-container.ts";
import type { PodWorker } from "../pods/worker.ts";
import { directoryUsage } from "../stats/directory-usage.ts";
import { type ContainerFigures, type PodFigures, podFigures } from "../stats/figures.ts";
import type { PodUsage } from "./ranking.ts";

export interface UsageSources {
  readonly cri: Runtime;
  readonly paths: PodPaths;
  readonly cgroups: Pick<PodCgroups, "parent">;
}

/** By the Pods' uids; a Pod of which nothing runs is missing. */
export async function podUsages(
  workers: readonly PodWorker[],
  sources: UsageSources,
): Promise<ReadonlyMap<string, PodUsage>> {
  const figures = new Map((await podFigures(sources.cri, workers)).map((one) => [one.uid, one]));
  const usages = new Map<string, PodUsage>();
  for (const worker of workers) {
    const one = figures.get(worker.pod().metadata.uid);
    if (one) usages.set(one.uid, await usageOf(worker, one, sources));
  }
  return usages;
}

async function usageOf(worker: PodWorker, figures: PodFigures, sources: UsageSources): Promise<PodUsage> {
  const { paths } = sources;
  const pod = worker.pod();
  const logs = paths.logDirectory(identity(pod));
  const containers = new Map<string, { memory: number; disk: number }>();
  for (const one of figures.containers) containers.set(one.name, await containerUsage(one, logs));
  const volumes = await volumesUsage(worker, sources);
  const sum = (of: (one: ContainerFigures) => number) => figures.containers.reduce((all, one) => all + of(one), 0);
  const inodes = sum(({ layer }) => layer?.inodesUsed ?? 0) + volumes.inodes;
  return {
    memory: figures.usage.workingSetBytes,
    processes: figures.processes ?? (await processesIn(sources.cgroups.parent(pod))),
    disk: [...containers.values()].reduce((all, { disk }) => all + disk, 0) + volumes.bytes,
    inodes,
    containers,
  };
}

async function containerUsage({ name, usage, layer }: ContainerFigures, logs: string) {
  const { bytes } = await directoryUsage(join(logs, name));
  return { memory: usage.workingSetBytes, disk: (layer?.usedBytes ?? 0) + bytes };
}

/** Each on its own: what is mounted there is another file system. */
async function volumesUsage(worker: PodWorker, { paths }: UsageSources) {
  const { metadata, spec } = worker.pod();
  const total = { bytes: 0, inodes: 0 };
  for (const volume of spec?.volumes ?? []) {
    if (volume.emptyDir?.medium === "Memory") continue;
    const { bytes, inodes } = await directoryUsage(paths.volume(metadata.uid, volume.name));
    total.bytes += bytes;
    total.inodes += inodes;
  }
  return total;
}

/** Where the runtime does not count a sandbox's processes, its cgroup does. */
async function processesIn(cgroup: string | undefined): Promise<number> {
  if (cgroup === undefined) return 0;
  for (const root of ["/sys/fs/cgroup/pids", "/sys/fs/cgroup"]) {
    const count = await readFile(join(root, cgroup, "pids.current"), "utf8").catch(() => "");
    if (count !== "") return Number(count);
  }
  return 0;
}
