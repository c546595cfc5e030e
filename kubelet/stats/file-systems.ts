/**
 * File systems: the parts of the summary that are read from disks and from /proc: slower, and never for metrics.
 */
import { readdir, readFile, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { type Clock, wireTime } from "../../machinery/process/clock.ts";
import type { Runtime } from "../cri/contract.ts";
import type { PodIdentity, PodPaths } from "../pods/paths.ts";
import { type DirectoryUsage, directoryUsage } from "./directory-usage.ts";

export interface FileSystem {
  readonly time: string;
  readonly availableBytes: number;
  readonly capacityBytes: number;
  readonly usedBytes: number;
  readonly inodesFree: number;
  readonly inodes: number;
  readonly inodesUsed: number;
}

interface Interface {
  readonly name: string;
  readonly rxBytes: number;
  readonly rxErrors: number;
  readonly txBytes: number;
  readonly txErrors: number;
}

export interface Disks {
  readonly node: FileSystem;
  readonly images: FileSystem;
  readonly network:
    | (Partial<Interface> & { readonly time: string; readonly interfaces: readonly Interface[] })
    | undefined;
  readonly processes: { readonly time: string; readonly maxpid: number; readonly curproc: number } | undefined;
}

export interface FileSystems {
  read(): Promise<Disks>;
  /** Bytes of logs by container. */
  logs(pod: PodIdentity): Promise<ReadonlyMap<string, number>>;
  /** What each of a Pod's volumes holds; measured at most once a minute. */
  volumes(uid: string, names: readonly string[]): Promise<ReadonlyMap<string, DirectoryUsage>>;
}

/** Of as many Pods the last measurement is remembered. */
const MAX_MEASURED = 500;
const MEASURED_MS = 60_000;

export interface FileSystemOptions {
  readonly cri: Runtime;
  readonly clock: Pick<Clock, "now">;
  readonly directory: string;
  readonly paths: PodPaths;
  /** A simulated node has no network and no processes of its own. */
  readonly simulated: boolean;
}

export function createFileSystems({ cri, clock, directory, paths, simulated }: FileSystemOptions): FileSystems {
  const measured = new Map<string, { readonly at: number; readonly usages: ReadonlyMap<string, DirectoryUsage> }>();

  return {
    async volumes(uid, names) {
      const before = measured.get(uid);
      if (before && clock.now() - before.at < MEASURED_MS) return before.usages;
      const usages = new Map<string, DirectoryUsage>();
      for (const name of names) usages.set(name, await directoryUsage(paths.volume(uid, name)));
      measured.delete(uid);
      measured.set(uid, { at: clock.now(), usages });
      for (const oldest of measured.keys()) if (measured.size > MAX_MEASURED) measured.delete(oldest);
      return usages;
    },
    async read() {
      const time = wireTime(clock.now());
      const [node, { imageFilesystems }] = await Promise.all([
        fileSystem(directory, time),
        cri.imageFsInfo({}).catch(() => ({ imageFilesystems: [] })),
      ]);
      const [first] = imageFilesystems;
      const images = { ...(await ofImages(first?.fsId?.mountpoint, node, time)) };
      const usedBytes = first?.usedBytes?.value ?? images.usedBytes;
      const inodesUsed = first?.inodesUsed?.value ?? images.inodesUsed;
      return {
        node,
        images: { ...images, usedBytes, inodesUsed },
        network: simulated ? undefined : await network(time),
        processes: simulated ? undefined : await processes(time),
      };
    },
    async logs(pod) {
      const root = paths.logDirectory(pod);
      const containers = await entries(root);
      const sizes = await Promise.all(containers.map((name) => sizeOf(join(root, name))));
      return new Map(containers.map((name, at) => [name, sizes[at] ?? 0]));
    },
  };
}

async function fileSystem(path: string, time: string): Promise<FileSystem> {
  const { blocks, bsize, bavail, bfree, files, ffree } = await statfs(path);
  return {
    time,
    availableBytes: bavail * bsize,
    capacityBytes: blocks * bsize,
    usedBytes: (blocks - bfree) * bsize,
    inodesFree: ffree,
    inodes: files,
    inodesUsed: files - ffree,
  };
}

async function ofImages(mountpoint: string | undefined, node: FileSystem, time: string): Promise<FileSystem> {
  if (!mountpoint) return node;
  return fileSystem(mountpoint, time).catch(() => node);
}

/** A log that is rotated away while it is counted counts nothing. */
async function sizeOf(directory: string): Promise<number> {
  const files = await entries(directory);
  const sizes = await Promise.all(
    files.map((name) =>
      stat(join(directory, name)).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  return sizes.reduce((all, one) => all + one, 0);
}

const entries = (directory: string): Promise<string[]> => readdir(directory).catch(() => []);

async function network(time: string): Promise<Disks["network"]> {
  const [devices, routes] = await Promise.all(
    ["net/dev", "net/route"].map((name) => readFile(`/proc/${name}`, "utf8").catch(() => "")),
  );
  const interfaces = interfacesOf(devices ?? "");
  const byDefault = (routes ?? "")
    .split("\n")
    .map((line) => line.split("\t"))
    .find(([, destination]) => destination === "00000000")?.[0];
  return { time, ...interfaces.find(({ name }) => name === byDefault), interfaces };
}

/** Of /proc/net/dev, without the machine's way to itself and the Pods' ends. */
export function interfacesOf(text: string): Interface[] {
  return text.split("\n").flatMap((line) => {
    const [, name = "", rest = ""] = /^\s*([^:\s]+):\s*(.*)$/.exec(line) ?? [];
    if (name === "" || name === "lo" || name.startsWith("veth")) return [];
    const [rxBytes = 0, , rxErrors = 0, , , , , , txBytes = 0, , txErrors = 0] = rest.split(/\s+/).map(Number);
    return [{ name, rxBytes, rxErrors, txBytes, txErrors }];
  });
}

async function processes(time: string): Promise<Disks["processes"]> {
  const [load, most] = await Promise.all(
    ["loadavg", "sys/kernel/pid_max"].map((name) => readFile(`/proc/${name}`, "utf8").catch(() => "")),
  );
  const curproc = Number((load ?? "").split(" ")[3]?.split("/")[1]);
  const maxpid = Number((most ?? "").trim());
  return curproc && maxpid ? { time, maxpid, curproc } : undefined;
}
