/**
 * Pod status: the whole of status, from what runs and what was written last. Pure.
 *
 * Never leaves a terminal phase, never moves startTime, never drops conditions of others.
 * Who writes it: status-writer.ts.
 */
import type { ContainerStatus, Pod, PodCondition, PodStatus } from "../../machinery/objects/kinds.ts";
import { wireTime } from "../../machinery/process/clock.ts";
import type { Requirements } from "./allocation.ts";
import { containerStatuses } from "./container-status.ts";
import type { Ending, Waiting } from "./plan-draft.ts";
import { podConditions } from "./pod-conditions.ts";
import { type Phase, podPhase } from "./pod-phase.ts";
import { usesHostNetwork } from "./pod-spec.ts";
import type { ProbeResults } from "./probe-results.ts";
import { qosClass } from "./qos.ts";
import { noResize, type ResizeState } from "./resize-status.ts";
import { activeSandbox, type ContainerRecord, type RuntimePod } from "./runtime-state.ts";

export interface StatusInput {
  readonly pod: Pod;
  /** The Pod with what it was granted, and what its runs have; undefined: what it asks for. */
  readonly granted?: Pod;
  readonly sizeOf?: (record: ContainerRecord) => Requirements;
  readonly whole?: Requirements | undefined;
  readonly resize?: ResizeState;
  readonly runtime: RuntimePod;
  /** What this process wrote last; undefined: the API's own. */
  readonly old: PodStatus | undefined;
  readonly waiting: ReadonlyMap<string, Waiting>;
  readonly probes: (containerId: string) => ProbeResults;
  readonly ending: Ending | undefined;
  /** Everything has stopped: the last status of this Pod. */
  readonly stopped: boolean;
  readonly hostIPs: readonly string[];
  readonly recursiveReadOnly?: boolean;
  readonly now: number;
}

export function podStatus(input: StatusInput): PodStatus {
  const { pod, runtime, ending, stopped, now } = input;
  const old = input.old ?? pod.status ?? {};
  const over = ending !== undefined;
  const counted = containerStatuses({ ...input, old, over });
  const lists = ending?.refused ? {} : stopped ? { ...counted, ...closed(counted, old) } : counted;
  const phase = settledPhase(input, old, podPhase(pod, lists, stopped));
  const { generation } = pod.metadata;
  const conditions = podConditions({
    pod,
    lists,
    phase,
    hasSandbox: activeSandbox(runtime, usesHostNetwork(pod)) !== undefined,
    resize: stopped ? noResize : (input.resize ?? noResize),
    old: old.conditions ?? [],
    now: wireTime(now),
  });
  const why = phase === "Failed" && ending?.kind === "failed" ? ending.condition : undefined;
  return {
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    phase,
    conditions: why ? withCondition(conditions, { ...why, status: "True" }, wireTime(now)) : conditions,
    ...words(input, old, phase),
    ...addresses(input, old),
    startTime: old.startTime ?? wireTime(now),
    qosClass: qosClass(pod),
    ...podResources(input),
    ...lists,
  };
}

/** Told once: a condition that stands already keeps its time. */
function withCondition(conditions: PodCondition[], added: PodCondition, now: string): PodCondition[] {
  if (conditions.some(({ type, status }) => type === added.type && status === added.status)) return conditions;
  return [...conditions.filter(({ type }) => type !== added.type), { ...added, lastTransitionTime: now }];
}

/** What the Pod has as a whole, where it asks for something as a whole. */
function podResources(input: StatusInput): Pick<PodStatus, "resources" | "allocatedResources"> {
  const { pod, granted = pod } = input;
  const { resources } = granted.spec ?? {};
  if (!resources) return {};
  const { limits, requests } = input.whole ?? resources;
  return {
    resources: { ...(limits ? { limits } : {}), ...(requests ? { requests } : {}) },
    ...(resources.requests ? { allocatedResources: resources.requests } : {}),
  };
}

/** A Pod that has ended stays as it ended; one that stopped before it ended has failed. */
function settledPhase({ pod, ending, stopped }: StatusInput, old: PodStatus, phase: Phase): Phase {
  for (const before of [pod.status?.phase, old.phase]) {
    if (before === "Succeeded" || before === "Failed") return before;
  }
  if (ending?.kind === "failed") return stopped ? "Failed" : stillStopping(old);
  if (!stopped && (phase === "Succeeded" || phase === "Failed")) return stillStopping(old);
  return stopped && (phase === "Pending" || phase === "Running") ? "Failed" : phase;
}

/** Terminal phases are told only once everything has stopped, for then the Pod's resources are free. */
function stillStopping(old: PodStatus): Phase {
  return old.phase === "Running" ? "Running" : ((old.phase as Phase | undefined) ?? "Pending");
}

/** Once a Pod has begun, a container without an end when everything has stopped counts as lost. */
function closed(lists: Pick<PodStatus, "containerStatuses" | "initContainerStatuses">, old: PodStatus) {
  const begun = (status: ContainerStatus) => Boolean(status.state?.terminated || status.lastState?.terminated);
  const initialized = old.conditions?.some(({ type, status }) => type === "Initialized" && status === "True");
  if (!lists.containerStatuses?.some(begun) && !initialized) return {};
  return {
    containerStatuses: lists.containerStatuses?.map((status) =>
      status.state?.terminated
        ? status
        : {
            ...status,
            state: {
              terminated: status.lastState?.terminated ?? {
                exitCode: 137,
                reason: "ContainerStatusUnknown",
                message: "The container could not be located when the pod was terminated",
              },
            },
            lastState: {},
          },
    ) as ContainerStatus[],
  };
}

/** status.reason and status.message belong to the phase. */
function words({ pod, ending }: StatusInput, old: PodStatus, phase: Phase): Pick<PodStatus, "reason" | "message"> {
  const failed = ending?.kind === "failed" && phase === "Failed";
  const said = failed ? ending : phase === old.phase ? (old.reason ? old : pod.status) : undefined;
  return {
    ...(said?.reason ? { reason: said.reason } : {}),
    ...(said?.message ? { message: said.message } : {}),
  };
}

function addresses({ pod, runtime, hostIPs }: StatusInput, old: PodStatus): Partial<PodStatus> {
  const [hostIP] = hostIPs;
  const found = usesHostNetwork(pod) ? hostIPs : (runtime.sandboxes.find(({ ips }) => ips.length > 0)?.ips ?? []);
  const ips = found.length > 0 ? found : (old.podIPs ?? []).map(({ ip }) => ip);
  return {
    ...(hostIP ? { hostIP, hostIPs: hostIPs.map((ip) => ({ ip })) } : {}),
    ...(ips[0] ? { podIP: ips[0], podIPs: ips.map((ip) => ({ ip })) } : {}),
  };
}
