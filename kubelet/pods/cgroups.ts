/**
 * Cgroups of Pods: <root>/kubepods/<qos>/pod<uid>, with the Pod's own limits, on cgroup v1 and v2.
 *
 * Containers' cgroups are the runtime's and lie below. Everything is under one root, so that taking
 * a cluster down can sweep it, and nothing of another kubelet on this host is touched.
 */
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Pod } from "../../machinery/objects/kinds.ts";
import type { Logger } from "../../machinery/process/logging.ts";
import { qosClass } from "./qos.ts";
import { type PodLimits, podLimits } from "./resources.ts";

export interface PodCgroups {
  /** What the sandbox gets as its parent; undefined where none are kept. */
  parent(pod: Pod): string | undefined;
  /** Makes the Pod's cgroup with its limits. */
  ensure(pod: Pod): Promise<void>;
  remove(uid: string): Promise<void>;
}

/** For runtimes that start no processes. */
export const noCgroups: PodCgroups = { parent: () => undefined, async ensure() {}, async remove() {} };

const MOUNT = "/sys/fs/cgroup";
const V1_CONTROLLERS = ["cpu", "memory", "pids"];
const V2_CONTROLLERS = ["cpu", "memory", "pids", "io", "cpuset"];

/** File ► value, by version and controller. */
function settings(
  limits: PodLimits,
  v2: boolean,
): readonly (readonly [controller: string, file: string, value: string])[] {
  const { cpuShares, cpuQuota, cpuPeriod, memory } = limits;
  if (v2) {
    const weight = Math.max(1, Math.floor(1 + ((cpuShares - 2) * 9999) / 262142));
    return [
      ["", "cpu.weight", String(weight)],
      ["", "cpu.max", `${cpuQuota ?? "max"} ${cpuPeriod}`],
      ["", "memory.max", memory === undefined ? "max" : String(memory)],
    ];
  }
  return [
    ["cpu", "cpu.shares", String(cpuShares)],
    ["cpu", "cpu.cfs_period_us", String(cpuPeriod)],
    ["cpu", "cpu.cfs_quota_us", String(cpuQuota ?? -1)],
    ["memory", "memory.limit_in_bytes", memory === undefined ? "-1" : String(memory)],
  ];
}

/** `root` as "/k8ts". */
export function createCgroups(root: string, log: Logger): PodCgroups {
  const v2 = existsSync(join(MOUNT, "cgroup.controllers"));

  const parent = (pod: Pod) => {
    const qos = qosClass(pod);
    const tier = qos === "Guaranteed" ? [] : [qos.toLowerCase()];
    return join(root, "kubepods", ...tier, `pod${pod.metadata.uid}`);
  };

  async function make(path: string): Promise<void> {
    if (v2) return makeV2(path);
    for (const controller of V1_CONTROLLERS) {
      if (existsSync(join(MOUNT, controller))) await mkdir(join(MOUNT, controller, path), { recursive: true });
    }
  }

  return {
    parent,
    async ensure(pod) {
      const path = parent(pod);
      try {
        await make(path);
        for (const [controller, file, value] of settings(podLimits(pod), v2)) {
          const target = join(MOUNT, controller, path, file);
          if (existsSync(target)) await writeFile(target, value);
        }
      } catch (error) {
        log.warn("the limits of a Pod's cgroup could not be set", { cgroup: path, error });
      }
    },
    async remove(uid) {
      const tiers = ["", "burstable", "besteffort"].map((tier) => join(root, "kubepods", tier, `pod${uid}`));
      const hierarchies = v2 ? [""] : await readdir(MOUNT);
      for (const hierarchy of hierarchies)
        for (const path of tiers) await removeTree(join(MOUNT, hierarchy, path), log);
    },
  };
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

/** Cgroups are removed from the leaves up; one that still holds a process stays, and is tried again at the next sweep. */
async function removeTree(path: string, log: Logger): Promise<void> {
  if (!existsSync(path)) return;
  for (const entry of await readdir(path, { withFileTypes: true })) {
    if (entry.isDirectory()) await removeTree(join(path, entry.name), log);
  }
  await rmdir(path).catch((error: unknown) => log.info("a cgroup is still in use", { cgroup: path, error }));
}
