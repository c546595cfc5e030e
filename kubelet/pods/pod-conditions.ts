/**
 * Pod conditions that the kubelet owns: PodReadyToStartContainers, Initialized, Ready, ContainersReady, PodScheduled.
 *
 * Pure. Conditions of others (readiness gates, DisruptionTarget) are kept as they are and only read.
 * https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-conditions
 */
import type { ContainerStatus, Pod, PodCondition, PodStatus } from "../../machinery/objects/kinds.ts";
import { type Phase, statusFinder } from "./pod-phase.ts";
import { initContainers, isSidecar, regularContainers } from "./pod-spec.ts";
import { RESIZE_CONDITIONS, type ResizeState, resizeConditions } from "./resize-status.ts";

type Lists = Pick<PodStatus, "containerStatuses" | "initContainerStatuses">;
type Verdict = Pick<PodCondition, "status" | "reason" | "message" | "observedGeneration">;

const TRUE: Verdict = { status: "True" };

const OWNED: readonly string[] = [
  "PodReadyToStartContainers",
  "Initialized",
  "Ready",
  "ContainersReady",
  "PodScheduled",
  ...RESIZE_CONDITIONS,
];

export interface ConditionsInput {
  readonly pod: Pod;
  readonly lists: Lists;
  readonly phase: Phase;
  /** A sandbox with its network is there. */
  readonly hasSandbox: boolean;
  readonly resize: ResizeState;
  readonly old: readonly PodCondition[];
  /** In the wire's form. */
  readonly now: string;
}

export function podConditions(input: ConditionsInput): PodCondition[] {
  const { pod, lists, phase, hasSandbox, resize, old, now } = input;
  const foreign = (pod.status?.conditions ?? []).filter(({ type }) => !OWNED.includes(type));
  const containers = containersReady(pod, lists, phase);
  const verdicts: Readonly<Record<string, Verdict>> = {
    PodReadyToStartContainers: hasSandbox ? TRUE : { status: "False" },
    Initialized: initialized(pod, lists, phase),
    Ready: containers.status === "True" ? readinessGates(pod, foreign) : containers,
    ContainersReady: containers,
    PodScheduled: TRUE,
    ...resizeConditions(pod, resize),
  };
  const own = Object.entries(verdicts).map(([type, verdict]) => settle(pod, type, verdict, old, now));
  return [...foreign, ...own];
}

/** lastTransitionTime moves only with the status. */
function settle(pod: Pod, type: string, verdict: Verdict, old: readonly PodCondition[], now: string): PodCondition {
  const before = old.find((condition) => condition.type === type);
  const since = before && before.status === verdict.status ? before.lastTransitionTime : undefined;
  const { generation } = pod.metadata;
  return {
    type,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    lastTransitionTime: since ?? now,
    ...verdict,
  };
}

function containersReady(pod: Pod, lists: Lists, phase: Phase): Verdict {
  const find = statusFinder(lists);
  const names = [...initContainers(pod).filter(isSidecar), ...regularContainers(pod)].map(({ name }) => name);
  const unknown = names.filter((name) => !find(name));
  const unready = names.filter((name) => find(name)?.ready === false);
  if (phase === "Succeeded" && unknown.length === 0) return { status: "False", reason: "PodCompleted" };
  if (phase === "Failed") return { status: "False", reason: "PodFailed" };
  const message = listing(["unknown", unknown], ["unready", unready]);
  return message ? { status: "False", reason: "ContainersNotReady", message } : TRUE;
}

function readinessGates(pod: Pod, conditions: readonly PodCondition[]): Verdict {
  const messages = (pod.spec?.readinessGates ?? []).flatMap(({ conditionType }) => {
    const condition = conditions.find(({ type }) => type === conditionType);
    if (!condition) return [`corresponding condition of pod readiness gate "${conditionType}" does not exist.`];
    if (condition.status === "True") return [];
    return [`the status of pod readiness gate "${conditionType}" is not "True", but ${condition.status}`];
  });
  return messages.length === 0
    ? TRUE
    : { status: "False", reason: "ReadinessGatesNotReady", message: messages.join(", ") };
}

function initialized(pod: Pod, lists: Lists, phase: Phase): Verdict {
  const find = statusFinder(lists);
  const names = initContainers(pod).map(({ name }) => name);
  const unknown = names.filter((name) => !find(name));
  const incomplete = initContainers(pod)
    .filter(({ name }) => find(name))
    .filter((container) => !initialisedBy(isSidecar(container), find(container.name)))
    .map(({ name }) => name);
  if (phase === "Succeeded" && unknown.length === 0) return { status: "True", reason: "PodCompleted" };
  if (regularContainers(pod).some(({ name }) => hasStarted(find(name)))) return TRUE;
  const message = listing(["unknown", unknown], ["incomplete", incomplete]);
  return message ? { status: "False", reason: "ContainersNotInitialized", message } : TRUE;
}

const initialisedBy = (sidecar: boolean, status: ContainerStatus | undefined): boolean =>
  sidecar ? status?.started === true : status?.ready === true;

const hasStarted = (status: ContainerStatus | undefined): boolean =>
  Boolean(status?.started || status?.state?.running || status?.state?.terminated || status?.lastState?.terminated);

/** "containers with unready status: [a b], …". */
function listing(...groups: readonly (readonly [word: string, names: readonly string[]])[]): string {
  return groups
    .filter(([, names]) => names.length > 0)
    .map(([word, names]) => `containers with ${word} status: [${names.join(" ")}]`)
    .join(", ");
}
