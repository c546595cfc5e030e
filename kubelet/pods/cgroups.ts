/**
 * Cgroups of Pods: <root>/kubepods/<class>/pod<uid>, with the Pod's own limits, and the tree above them.
 *
 * kubepods may use all that the node has for Pods; Burstable Pods share as much cpu as they request
 * together, BestEffort ones get what nobody wants. Containers' cgroups are the runtime's and lie below.
 * Everything is under one root, so that taking a cluster down can sweep it, and nothing of another
 * kubelet on this host is touched.
 */
import { join } from "node:path";
import type { Pod } from "../../machinery/objects/kinds.ts";
import type { Logger } from "../../machinery/process/logging.ts";
import {
  type CgroupFeatures,
  type CgroupFiles,
  type CgroupLimits,
  cgroupFiles,
  noCgroupFeatures,
} from "./cgroup-files.ts";
import { qosClass } from "./qos.ts";
import { cpuShares, MIN_SHARES, type PodLimits, podLimits } from "./resources.ts";

export interface PodCgroups {
  readonly features: CgroupFeatures;
  /** What the sandbox gets as its parent; undefined where none are kept. */
  parent(pod: Pod): string | undefined;
  /** Makes the Pod's cgroup with its limits. */
  ensure(pod: Pod): Promise<void>;
  /** Gives it other limits. Throws when the kernel refuses them. */
  limit(pod: Pod, limits: PodLimits): Promise<void>;
  /** In bytes; undefined where that is not known. */
  memoryUsage(pod: Pod): Promise<number | undefined>;
  remove(uid: string): Promise<void>;
  /** What the Pods of this node request, whose class shares the cpu accordingly. */
  balance(pods: readonly Pod[]): void;
}

/** For runtimes that start no processes. */
export const noCgroups: PodCgroups = {
  features: noCgroupFeatures,
  parent: () => undefined,
  async ensure() {},
  async limit() {},
  memoryUsage: async () => undefined,
  async remove() {},
  balance() {},
};

export interface CgroupSettings {
  /** "/k8ts". */
  readonly root: string;
  /** What all Pods together may use. */
  readonly milliCpu: number;
  readonly memoryBytes: number;
  /** How many processes one Pod may have; undefined: as many as the node. */
  readonly podPids?: number | undefined;
  readonly log: Logger;
}

const TIERS = { Guaranteed: "", Burstable: "burstable", BestEffort: "besteffort" } as const;

export function createCgroups(given: CgroupSettings, files: CgroupFiles = cgroupFiles()): PodCgroups {
  const { log, podPids } = given;
  const top = join(given.root, "kubepods");
  const parent = (pod: Pod) => join(top, TIERS[qosClass(pod)], `pod${pod.metadata.uid}`);
  let tree: Promise<void> | undefined;
  let shares = MIN_SHARES;

  async function makeTree(): Promise<void> {
    const { milliCpu, memoryBytes } = given;
    const levels: readonly (readonly [string, CgroupLimits])[] = [
      [top, { cpuShares: cpuShares(milliCpu), memory: memoryBytes }],
      [join(top, TIERS.Burstable), { cpuShares: shares }],
      [join(top, TIERS.BestEffort), { cpuShares: MIN_SHARES }],
    ];
    for (const [path, limits] of levels) {
      await files.make(path);
      // the kernel refuses a limit below what Pods use already: they go on with the one before
      await files.write(path, limits).catch((error: unknown) => {
        log.warn("the limits of all Pods together could not be set", { cgroup: path, error });
      });
    }
  }

  function ensureTree(): Promise<void> {
    tree ??= makeTree();
    tree.catch(() => {
      tree = undefined;
    });
    return tree;
  }

  async function share(): Promise<void> {
    await ensureTree();
    await files.write(join(top, TIERS.Burstable), { cpuShares: shares });
  }

  return {
    features: files.features,
    parent,
    async ensure(pod) {
      const path = parent(pod);
      try {
        await ensureTree();
        await files.make(path);
        await files.write(path, { ...podLimits(pod), ...(podPids === undefined ? {} : { pids: podPids }) });
      } catch (error) {
        log.warn("the limits of a Pod's cgroup could not be set", { cgroup: path, error });
      }
    },
    limit: (pod, limits) => files.write(parent(pod), limits),
    memoryUsage: (pod) => files.memoryUsage(parent(pod)),
    async remove(uid) {
      for (const tier of Object.values(TIERS)) {
        const left = await files.remove(join(top, tier, `pod${uid}`));
        if (left.length > 0) log.info("a cgroup is still in use", { left });
      }
    },
    balance(pods) {
      const burstable = pods.filter((pod) => qosClass(pod) === "Burstable");
      const next = cpuShares(burstable.reduce((sum, pod) => sum + podLimits(pod).cpuRequest, 0));
      if (next === shares) return;
      shares = next;
      share().catch((error: unknown) => log.warn("the share of Burstable Pods could not be set", { error }));
    },
  };
}
