/**
 * Observations: what the signals say now. Cheap enough to be read every few seconds: no Pod is looked at.
 *
 * Memory is what the node's summary tells as available. Images have a file system of their own only where they lie
 * on another device than the kubelet's directory. A simulated node feels only what its own containers use.
 */
import { readFile, stat, statfs } from "node:fs/promises";
import type { Runtime } from "../cri/contract.ts";
import type { NodeUsage } from "../stats/node-usage.ts";
import type { Observation, Observations, Signal } from "./thresholds.ts";

export interface ObservationSources {
  readonly cri: Runtime;
  /** The kubelet's directory. */
  readonly directory: string;
  readonly memoryBytes: number;
  readonly nodeUsage: NodeUsage;
}

export function machineObservations(sources: ObservationSources): () => Promise<Observations> {
  let images: string | undefined; // it does not move while the runtime runs
  return async () => {
    images ??= await imageDirectory(sources.cri);
    const [memory, disks, pids] = await Promise.all([memoryOf(sources), disksOf(sources, images), processes()]);
    return new Map([...memory, ...disks, ...pids]);
  };
}

/** `using`: whether any Pod of the node says what memory it uses. Otherwise nothing is read. */
export function simulatedObservations(
  { cri, memoryBytes, nodeUsage }: Omit<ObservationSources, "directory">,
  using: () => boolean,
): () => Promise<Observations> {
  return async () => {
    if (!using()) return new Map();
    const { stats } = await cri.listContainerStats({});
    const { availableBytes = memoryBytes } = await nodeUsage(stats);
    return new Map([["memory.available", { available: availableBytes, capacity: memoryBytes }]]);
  };
}

type Entries = readonly (readonly [Signal, Observation])[];

async function memoryOf({ nodeUsage, memoryBytes }: ObservationSources): Promise<Entries> {
  const { availableBytes } = await nodeUsage([]);
  if (availableBytes === undefined) return [];
  return [["memory.available", { available: availableBytes, capacity: memoryBytes }]];
}

async function disksOf({ directory }: ObservationSources, images: string | undefined): Promise<Entries> {
  const [own, theirs] = await Promise.all([stat(directory), images && stat(images).catch(() => undefined)]);
  const shared = images === undefined || !theirs || theirs.dev === own.dev;
  const node = await diskOf(directory);
  const image = shared ? node : await diskOf(images);
  return [
    ["nodefs.available", node.bytes],
    ["imagefs.available", image.bytes],
    ...(node.inodes.capacity > 0 ? [["nodefs.inodesFree", node.inodes] as const] : []),
    ...(image.inodes.capacity > 0 ? [["imagefs.inodesFree", image.inodes] as const] : []),
  ];
}

/** Where the runtime keeps images; undefined where it does not say. */
export async function imageDirectory(cri: Pick<Runtime, "imageFsInfo">): Promise<string | undefined> {
  const { imageFilesystems } = await cri.imageFsInfo({}).catch(() => ({ imageFilesystems: [] }));
  return imageFilesystems[0]?.fsId?.mountpoint || undefined;
}

async function diskOf(path: string): Promise<{ readonly bytes: Observation; readonly inodes: Observation }> {
  const { blocks, bsize, bavail, files, ffree } = await statfs(path);
  return {
    bytes: { available: bavail * bsize, capacity: blocks * bsize },
    inodes: { available: ffree, capacity: files },
  };
}

async function processes(): Promise<Entries> {
  const [load, most] = await Promise.all(
    ["loadavg", "sys/kernel/pid_max"].map((name) => readFile(`/proc/${name}`, "utf8").catch(() => "")),
  );
  const running = Number((load ?? "").split(" ")[3]?.split("/")[1]);
  const capacity = Number((most ?? "").trim());
  return running && capacity ? [["pid.available", { available: capacity - running, capacity }]] : [];
}
