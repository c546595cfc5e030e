/**
 * Cgroups: all our containers lie under one top-level cgroup of ours, in every hierarchy.
 *
 * The kubelet makes and removes a pod's cgroup, with the pod's limits, and names it as the sandbox's parent.
 * A sandbox without a parent gets one here, which goes with it, since runc makes parents but never
 * removes them. Containers' own limits are runc's concern.
 */
import { existsSync, readdirSync, readFileSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import type { PodSandboxConfig } from "../../cri/messages.ts";

const CGROUP = "/sys/fs/cgroup";

/** The same configuration with a cgroup under our root. */
export function underRoot(config: PodSandboxConfig, root: string): PodSandboxConfig {
  const parent = join("/", config.linux?.cgroupParent || ownParent(config, root));
  const cgroupParent = parent === root || parent.startsWith(`${root}/`) ? parent : join(root, parent);
  return { ...config, linux: { ...config.linux, cgroupParent } };
}

/** The parent of a sandbox whose kubelet names none. */
export function ownParent({ metadata }: Pick<PodSandboxConfig, "metadata">, root: string): string {
  return join(root, `pod${metadata.uid}`);
}

/** Directories of a cgroup in each hierarchy that has it. Symbolic links (cpu,cpuacct) are one hierarchy. */
export function cgroupDirectories(cgroup: string): readonly string[] {
  const unified = existsSync(`${CGROUP}/cgroup.controllers`);
  const hierarchies = unified
    ? [CGROUP]
    : readdirSync(CGROUP, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map(({ name }) => `${CGROUP}/${name}`);
  return hierarchies.map((hierarchy) => join(hierarchy, cgroup)).filter((directory) => existsSync(directory));
}

/** Removes a cgroup, if nothing is left in it. */
export function removeCgroup(cgroup: string): void {
  for (const directory of cgroupDirectories(cgroup)) removeEmpty(directory);
}

/** Removes a cgroup with all below it. False when processes are left in it. */
export function removeTree(directory: string): boolean {
  const below = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const emptied = below.map(({ name }) => removeTree(join(directory, name)));
  return emptied.every(Boolean) && removeEmpty(directory);
}

/** Processes in a cgroup and below. */
export function processesIn(directory: string): readonly number[] {
  if (!existsSync(directory)) return [];
  const own = readFileSync(join(directory, "cgroup.procs"), "utf8").split("\n").filter(Boolean).map(Number);
  const below = readdirSync(directory, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return [...own, ...below.flatMap(({ name }) => processesIn(join(directory, name)))];
}

const NOT_EMPTY: readonly (string | undefined)[] = ["EBUSY", "ENOTEMPTY"];

function removeEmpty(directory: string): boolean {
  try {
    rmdirSync(directory);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return true;
    if (NOT_EMPTY.includes(code)) return false;
    throw error;
  }
}
