/**
 * Cgroup files: limits as the kernel's files take them, on cgroup v1 and v2, and the directories they lie in.
 *
 * The only file of the kubelet that knows the two versions apart. Whose cgroups there are: cgroups.ts.
 */
import { existsSync, readdirSync } from "node:fs";
import { mkdir, readdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { PodLimits } from "./resources.ts";

export type CgroupLimits = Partial<PodLimits>;

export interface CgroupFiles {
  readonly features: CgroupFeatures;
  make(path: string): Promise<void>;
  /** Writes what is given; a field that is left out stays as it is. */
  write(path: string, limits: CgroupLimits): Promise<void>;
  /** In bytes; undefined where there is no such cgroup. */
  memoryUsage(path: string): Promise<number | undefined>;
  /** Removes it with all below it. The directories in which a process is left. */
  remove(path: string): Promise<readonly string[]>;
}

export interface CgroupFeatures {
  /** v2: one hierarchy. */
  readonly unified: boolean;
  /** Whether swap is accounted for, so that it can be kept from containers. */
  readonly swap: boolean;
}

export const noCgroupFeatures: CgroupFeatures = { unified: false, swap: false };

const MOUNT = "/sys/fs/cgroup";
const V1_CONTROLLERS = ["cpu", "memory", "pids"];
const V2_CONTROLLERS = ["cpu", "memory", "pids", "io", "cpuset"];

type Setting = readonly [controller: string, file: string, value: string];

/** In the order in which they are written. Unlimited is Infinity. */
export function settings(limits: CgroupLimits, unified: boolean): readonly Setting[] {
  const { cpuShares, cpuQuota, cpuPeriod, memory, pids } = limits;
  const rows: readonly (Setting | undefined)[] = unified
    ? [
        cpuShares === undefined ? undefined : ["", "cpu.weight", String(cpuWeight(cpuShares))],
        cpuQuota === undefined ? undefined : ["", "cpu.max", `${orMax(cpuQuota)} ${cpuPeriod ?? PERIOD_US}`],
        memory === undefined ? undefined : ["", "memory.max", orMax(memory)],
        pids === undefined ? undefined : ["", "pids.max", orMax(pids)],
      ]
    : [
        cpuShares === undefined ? undefined : ["cpu", "cpu.shares", String(cpuShares)],
        cpuPeriod === undefined ? undefined : ["cpu", "cpu.cfs_period_us", String(cpuPeriod)],
        cpuQuota === undefined ? undefined : ["cpu", "cpu.cfs_quota_us", orMinusOne(cpuQuota)],
        memory === undefined ? undefined : ["memory", "memory.limit_in_bytes", orMinusOne(memory)],
        pids === undefined ? undefined : ["pids", "pids.max", orMax(pids)],
      ];
  return rows.filter((row) => row !== undefined);
}

const PERIOD_US = 100_000;
const orMax = (value: number) => (value === Number.POSITIVE_INFINITY ? "max" : String(value));
const orMinusOne = (value: number) => (value === Number.POSITIVE_INFINITY ? "-1" : String(value));

/** Shares of v1 (2 to 262,144) as a weight of v2 (1 to 10,000). */
export function cpuWeight(shares: number): number {
  return Math.max(1, Math.floor(1 + ((shares - 2) * 9999) / 262142));
}

export function cgroupFiles(): CgroupFiles {
  const unified = existsSync(join(MOUNT, "cgroup.controllers"));
  const features = { unified, swap: existsSync(swapFile(unified)) };
  return {
    features,
    async make(path) {
      if (unified) return makeV2(path);
      for (const controller of V1_CONTROLLERS) {
        if (existsSync(join(MOUNT, controller))) await mkdir(join(MOUNT, controller, path), { recursive: true });
      }
    },
    async write(path, limits) {
      for (const [controller, file, value] of settings(limits, unified)) {
        const target = join(MOUNT, controller, path, file);
        if (existsSync(target)) await writeFile(target, value);
      }
    },
    async memoryUsage(path) {
      const file = unified ? join(MOUNT, path, "memory.current") : join(MOUNT, "memory", path, "memory.usage_in_bytes");
      const text = await readFile(file, "utf8").catch(() => undefined);
      return text === undefined ? undefined : Number(text);
    },
    async remove(path) {
      const hierarchies = unified ? [""] : await readdir(MOUNT);
      const left = await Promise.all(hierarchies.map((hierarchy) => removeTree(join(MOUNT, hierarchy, path))));
      return left.flat();
    },
  };
}

/** The root of v2 has no limits of its own: any cgroup below shows which there are. */
function swapFile(unified: boolean): string {
  if (!unified) return join(MOUNT, "memory", "memory.memsw.limit_in_bytes");
  const below = readdirSync(MOUNT, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const files = below.map(({ name }) => join(MOUNT, name, "memory.swap.max"));
  return files.find((file) => existsSync(file)) ?? "";
}

/** On v2 each level must hand its controllers down before the next one can use them. */
async function makeV2(path: string): Promise<void> {
  let at = MOUNT;
  const available = (await readFile(join(MOUNT, "cgroup.controllers"), "utf8")).trim().split(" ");
  const wanted = V2_CONTROLLERS.filter((name) => available.includes(name)).map((name) => `+${name}`);
  for (const part of path.split("/").filter(Boolean)) {
    await writeFile(join(at, "cgroup.subtree_control"), wanted.join(" "));
    at = join(at, part);
    await mkdir(at, { recursive: true });
  }
}

/** From the leaves up; one that still holds a process stays. */
async function removeTree(path: string): Promise<readonly string[]> {
  if (!existsSync(path)) return [];
  const entries = await readdir(path, { withFileTypes: true });
  const below = entries.filter((entry) => entry.isDirectory());
  const left = (await Promise.all(below.map(({ name }) => removeTree(join(path, name))))).flat();
  const removed = await rmdir(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code === "ENOENT",
  );
  return removed ? left : [...left, path];
}
