/**
 * Resources: requests and limits as the kernel takes them, for containers and for whole Pods. Pure.
 *
 * Who creates the Pod's cgroup: cgroups.ts.
 */
import type { Container, Pod } from "../../machinery/objects/kinds.ts";
import { milliValue, unitValue } from "../../machinery/objects/quantity.ts";
import type { LinuxContainerResources } from "../cri/messages.ts";
import { initContainers, isSidecar, regularContainers } from "./pod-spec.ts";
import { qosClass } from "./qos.ts";

const PERIOD_US = 100_000;
const MIN_QUOTA_US = 1_000;
const MIN_SHARES = 2;
const MAX_SHARES = 262_144;
const GUARANTEED_OOM_SCORE = -997;
const BEST_EFFORT_OOM_SCORE = 1_000;
/** Pods from this priority on are the node's own. */
const NODE_CRITICAL_PRIORITY = 2_000_000_000;

export function cpuShares(milli: number): number {
  return Math.min(MAX_SHARES, Math.max(MIN_SHARES, Math.floor((milli * 1024) / 1000)));
}

export function cpuQuota(milli: number): number {
  return Math.max(MIN_QUOTA_US, Math.floor((milli * PERIOD_US) / 1000));
}

export function containerResources(pod: Pod, container: Container, nodeMemory: number): LinuxContainerResources {
  const { requests = {}, limits = {} } = container.resources ?? {};
  const cpuLimit = milliValue(limits["cpu"]);
  const memoryLimit = unitValue(limits["memory"]);
  const cpuRequest = requests["cpu"] === undefined ? cpuLimit : milliValue(requests["cpu"]);
  return {
    cpuPeriod: PERIOD_US,
    cpuShares: cpuShares(cpuRequest),
    ...(cpuLimit > 0 ? { cpuQuota: cpuQuota(cpuLimit) } : {}),
    ...(memoryLimit > 0 ? { memoryLimitInBytes: memoryLimit } : {}),
    oomScoreAdj: oomScore(pod, container, nodeMemory),
  };
}

function oomScore(pod: Pod, container: Container, nodeMemory: number): number {
  if ((pod.spec?.priority ?? 0) >= NODE_CRITICAL_PRIORITY) return GUARANTEED_OOM_SCORE;
  const qos = qosClass(pod);
  if (qos === "Guaranteed") return GUARANTEED_OOM_SCORE;
  if (qos === "BestEffort") return BEST_EFFORT_OOM_SCORE;
  const requested = unitValue(container.resources?.requests?.["memory"]);
  const score = 1000 - Math.floor((1000 * requested) / Math.max(nodeMemory, 1));
  return Math.min(Math.max(score, 1000 + GUARANTEED_OOM_SCORE), BEST_EFFORT_OOM_SCORE - 1);
}

/** What the Pod's own cgroup gets; a limit only where every container has one. */
export interface PodLimits {
  readonly cpuShares: number;
  readonly cpuQuota?: number;
  readonly cpuPeriod: number;
  readonly memory?: number;
}

export function podLimits(pod: Pod): PodLimits {
  const cpuLimit = total(pod, "limits", "cpu", milliValue);
  const memory = total(pod, "limits", "memory", unitValue);
  const cpuRequest = total(pod, "requests", "cpu", milliValue).sum;
  return {
    cpuPeriod: PERIOD_US,
    cpuShares: cpuShares(cpuRequest),
    ...(cpuLimit.complete ? { cpuQuota: cpuQuota(cpuLimit.sum) } : {}),
    ...(memory.complete ? { memory: memory.sum } : {}),
  };
}

/** Sidecars run beside everything that starts after them; a plain init container runs alone with the sidecars before it. */
function total(pod: Pod, list: "limits" | "requests", name: string, parse: (text: string | undefined) => number) {
  const own = pod.spec?.resources?.[list]?.[name];
  if (own !== undefined) return { sum: parse(own), complete: true };
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
  const overhead = parse(pod.spec?.overhead?.[name]);
  return { sum: Math.max(running, peak) + overhead, complete };
}
