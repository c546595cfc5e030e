/**
 * Resources: requests and limits as the kernel takes them, for containers and for whole Pods. Pure.
 *
 * Who creates the Pod's cgroup: cgroups.ts. Which Pods are killed first when memory runs out: oom-score.ts.
 */
import type { Container, Pod } from "../../machinery/objects/kinds.ts";
import { milliValue, unitValue } from "../../machinery/objects/quantity.ts";
import type { LinuxContainerResources } from "../cri/messages.ts";
import { type HugePages, hugePageLimits, noHugePages } from "../huge-pages.ts";
import type { CgroupFeatures } from "./cgroup-files.ts";
import { oomScore } from "./oom-score.ts";
import { initContainers, isSidecar, regularContainers } from "./pod-spec.ts";

const PERIOD_US = 100_000;
const MIN_QUOTA_US = 1_000;
export const MIN_SHARES = 2;
const MAX_SHARES = 262_144;

/** What the machine adds to a container's limits. */
export interface Machine {
  readonly memoryBytes: number;
  readonly cgroups: CgroupFeatures;
  readonly hugePages?: HugePages | undefined;
}

export function cpuShares(milli: number): number {
  return Math.min(MAX_SHARES, Math.max(MIN_SHARES, Math.floor((milli * 1024) / 1000)));
}

export function cpuQuota(milli: number): number {
  return Math.max(MIN_QUOTA_US, Math.floor((milli * PERIOD_US) / 1000));
}

/** A container without a limit of its own has the Pod's. */
export function containerResources(pod: Pod, container: Container, machine: Machine): LinuxContainerResources {
  const { requests = {}, limits = {} } = container.resources ?? {};
  const whole = pod.spec?.resources?.limits ?? {};
  const cpuLimit = milliValue(limits["cpu"]) || milliValue(whole["cpu"]);
  const memoryLimit = unitValue(limits["memory"]) || unitValue(whole["memory"]);
  const cpuRequest = requests["cpu"] === undefined ? cpuLimit : milliValue(requests["cpu"]);
  return {
    cpuPeriod: PERIOD_US,
    cpuShares: cpuShares(cpuRequest),
    ...(cpuLimit > 0 ? { cpuQuota: cpuQuota(cpuLimit) } : {}),
    ...(memoryLimit > 0 ? { memoryLimitInBytes: memoryLimit } : {}),
    ...withoutSwap(memoryLimit, machine.cgroups),
    ...hugePageLimits(container, machine.hugePages ?? noHugePages),
    oomScoreAdj: oomScore(pod, container, machine.memoryBytes),
  };
}

/** Swap is the node's, never a container's; and on v2 a container that runs out of memory ends as a whole. */
function withoutSwap(memoryLimit: number, { unified, swap }: CgroupFeatures): Partial<LinuxContainerResources> {
  if (unified) return { unified: { "memory.oom.group": "1", ...(swap ? { "memory.swap.max": "0" } : {}) } };
  return swap && memoryLimit > 0 ? { memorySwapLimitInBytes: memoryLimit } : {};
}

/** What the Pod's own cgroup gets; unlimited is Infinity, and a limit only stands where every container has one. */
export interface PodLimits {
  readonly cpuRequest: number;
  readonly cpuShares: number;
  readonly cpuQuota: number;
  readonly cpuPeriod: number;
  readonly memory: number;
  readonly pids?: number;
}

export function podLimits(pod: Pod): PodLimits {
  const cpuLimit = total(pod, "limits", "cpu", milliValue);
  const memory = total(pod, "limits", "memory", unitValue);
  const cpuRequest = total(pod, "requests", "cpu", milliValue).sum;
  return {
    cpuRequest,
    cpuPeriod: PERIOD_US,
    cpuShares: cpuShares(cpuRequest),
    cpuQuota: cpuLimit.complete ? cpuQuota(cpuLimit.sum) : Number.POSITIVE_INFINITY,
    memory: memory.complete ? memory.sum : Number.POSITIVE_INFINITY,
  };
}

/** Sidecars run beside everything that starts after them; a plain init container runs alone with the sidecars before it. */
function total(pod: Pod, list: "limits" | "requests", name: string, parse: (text: string | undefined) => number) {
  const overhead = parse(pod.spec?.overhead?.[name]);
  const own = pod.spec?.resources?.[list]?.[name];
  if (own !== undefined) return { sum: parse(own) + overhead, complete: true };
  const value = (container: Container) => parse(container.resources?.[list]?.[name]);
  let complete = regularContainers(pod).every((container) => value(container) > 0);
  let sidecars = 0;
  let peak = 0;
  for (const container of initContainers(pod)) {
    complete &&= value(container) > 0;
    if (isSidecar(container)) sidecars += value(container);
    else peak = Math.max(peak, sidecars + value(container));
  }
  const running = regularContainers(pod).reduce((sum, container) => sum + value(container), sidecars);
  return { sum: Math.max(running, peak) + overhead, complete };
}
