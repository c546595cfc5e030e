/**
 * Columns of Pods, with the one word that says how a Pod is doing.
 *
 * The word comes from the phase, overruled by what the containers report, overruled by deletion.
 * Only shown: nobody may decide anything by it. The phase itself is the kubelet's.
 */
import { findCondition, isTrue } from "../../../machinery/objects/conditions.ts";
import { humanDuration } from "../../../machinery/objects/duration.ts";
import type { Container, ContainerState, ContainerStatus, Pod, PodStatus } from "../../../machinery/objects/kinds.ts";
import { ageColumn, columns, nameColumn, none, text, wideText } from "./column.ts";

interface Summary {
  ready: number;
  total: number;
  status: string;
  restarts: number;
  /** ms; 0 when nothing ever ended. */
  lastRestart: number;
}

export const podColumns = columns<Pod>(
  nameColumn,
  text<Pod>("Ready", "Containers that are ready, of all", (pod) => {
    const { ready, total } = summarize(pod);
    return `${ready}/${total}`;
  }),
  text<Pod>("Status", "How the Pod is doing, in one word", (pod) => summarize(pod).status),
  text<Pod>("Restarts", "How often containers were started again, and when last", (pod, now) => {
    const { restarts, lastRestart } = summarize(pod);
    return restarts > 0 && lastRestart > 0 ? `${restarts} (${humanDuration(now - lastRestart)} ago)` : String(restarts);
  }),
  ageColumn,
  wideText<Pod>("IP", "First address", ({ status }) => status?.podIPs?.[0]?.ip || none),
  wideText<Pod>("Node", "Node that it is bound to", ({ spec }) => spec?.nodeName || none),
  wideText<Pod>(
    "Nominated Node",
    "Node where room is being made for it",
    ({ status }) => status?.nominatedNodeName || none,
  ),
  wideText<Pod>("Readiness Gates", "Readiness gates that are true, of all", readinessGates),
);

export function summarize(pod: Pod): Summary {
  const status: PodStatus = pod.status ?? {};
  const initContainers = new Map((pod.spec?.initContainers ?? []).map((container) => [container.name, container]));
  const sidecars = [...initContainers.values()].filter(isSidecar).length;
  const summary: Summary = {
    ready: 0,
    total: (pod.spec?.containers.length ?? 0) + sidecars,
    status: phaseWord(status),
    restarts: 0,
    lastRestart: 0,
  };
  const afterSidecars = summarizeInit(summary, status, initContainers);
  if (afterSidecars) summarizeContainers(Object.assign(summary, afterSidecars), status);

  if (pod.metadata.deletionTimestamp) {
    if (status.reason === "NodeLost") summary.status = "Unknown";
    else if (status.phase !== "Succeeded" && status.phase !== "Failed") summary.status = "Terminating";
  }
  return summary;
}

function phaseWord(status: PodStatus): string {
  if (findCondition(status.conditions, "PodScheduled")?.reason === "SchedulingGated") return "SchedulingGated";
  return status.reason || status.phase || "";
}

/**
 * Goes through the init containers up to the first that is not done. Answers undefined while the Pod
 * initializes, else what counts of them from then on: the restarts of sidecars.
 */
function summarizeInit(
  summary: Summary,
  status: PodStatus,
  specs: ReadonlyMap<string, Container>,
): Pick<Summary, "restarts" | "lastRestart"> | undefined {
  const sidecars = { restarts: 0, lastRestart: 0 };
  for (const [index, container] of (status.initContainerStatuses ?? []).entries()) {
    const sidecar = isSidecar(specs.get(container.name));
    countRestarts(summary, container);
    if (sidecar) countRestarts(sidecars, container);

    if (container.state?.terminated?.exitCode === 0) continue;
    if (sidecar && container.started) {
      if (container.ready) summary.ready += 1;
      continue;
    }
    summary.status = `Init:${initWord(container.state) ?? `${index}/${specs.size}`}`;
    return isTrue(status.conditions, "Initialized") ? sidecars : undefined;
  }
  return sidecars;
}

function initWord(state: ContainerState | undefined): string | undefined {
  if (state?.terminated) return endWord(state.terminated);
  const waiting = state?.waiting?.reason;
  return waiting && waiting !== "PodInitializing" ? waiting : undefined;
}

function summarizeContainers(summary: Summary, status: PodStatus): void {
  let running = false;
  for (const container of (status.containerStatuses ?? []).toReversed()) {
    countRestarts(summary, container);
    const { state } = container;
    if (state?.waiting?.reason) summary.status = state.waiting.reason;
    else if (state?.terminated) summary.status = endWord(state.terminated);
    else if (container.ready && state?.running) {
      running = true;
      summary.ready += 1;
    }
  }
  if (summary.status === "Completed" && running) {
    summary.status = isTrue(status.conditions, "Ready") ? "Running" : "NotReady";
  }
}

function endWord({ reason, signal, exitCode }: NonNullable<ContainerState["terminated"]>): string {
  return reason || (signal ? `Signal:${signal}` : `ExitCode:${exitCode}`);
}

function countRestarts(sum: Pick<Summary, "restarts" | "lastRestart">, container: ContainerStatus): void {
  sum.restarts += container.restartCount;
  const ended = container.lastState?.terminated?.finishedAt;
  if (ended) sum.lastRestart = Math.max(sum.lastRestart, Date.parse(ended));
}

const isSidecar = (container: Container | undefined): boolean => container?.restartPolicy === "Always";

function readinessGates({ spec, status }: Pod): string {
  const gates = spec?.readinessGates ?? [];
  if (gates.length === 0) return none;
  const open = gates.filter(({ conditionType }) => isTrue(status?.conditions, conditionType));
  return `${open.length}/${gates.length}`;
}
