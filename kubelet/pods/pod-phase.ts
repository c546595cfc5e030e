/**
 * Pod phase: from the containers' statuses to one word. Pure.
 *
 * A Pod never leaves Succeeded or Failed: pod-status.ts sees to that.
 * https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-phase
 */
import type { Container, ContainerStatus, Pod, PodStatus } from "../../machinery/objects/kinds.ts";
import { initContainers, isSidecar, regularContainers, restartsAfter } from "./pod-spec.ts";

export type Phase = "Pending" | "Running" | "Succeeded" | "Failed";

type Lists = Pick<PodStatus, "containerStatuses" | "initContainerStatuses">;

/** `over`: no container will start again, whatever the restart policy says. */
export function podPhase(pod: Pod, lists: Lists, over: boolean): Phase {
  const find = statusFinder(lists);
  const init = countInit(pod, find);
  if (init.failed > 0) return "Failed";

  const sidecars = countSidecars(pod, find);
  const counts = countRegular(pod, find);
  const begun = counts.running + counts.stopped > 0;
  if (init.pending > 0 || (sidecars.pending > 0 && !begun)) return "Pending";
  if (counts.waiting + sidecars.waiting > 0) return "Pending";
  if (counts.unknown > 0) return "Pending";
  if (counts.running + sidecars.running > 0) return "Running";
  if (counts.stopped === 0) return "Pending";
  if (!over && counts.stopped !== counts.stoppedForGood) return "Running";
  return counts.stopped === counts.succeeded ? "Succeeded" : "Failed";
}

type Find = (name: string) => ContainerStatus | undefined;

export function statusFinder(lists: Lists): Find {
  const all = [...(lists.containerStatuses ?? []), ...(lists.initContainerStatuses ?? [])];
  return (name) => all.find((status) => status.name === name);
}

/** How a container's run ended: the one shown, or the one before it while it waits. */
const lastEnd = ({ state, lastState }: ContainerStatus) =>
  state?.terminated ?? (state?.waiting ? lastState?.terminated : undefined);

function countInit(pod: Pod, find: Find) {
  const counts = { pending: 0, failed: 0 };
  for (const container of initContainers(pod)) {
    if (isSidecar(container)) continue;
    const status = find(container.name);
    const end = status && lastEnd(status);
    if (!end) counts.pending++;
    else if (end.exitCode !== 0 && !restartsAfter(pod, container, end.exitCode)) counts.failed++;
    else if (end.exitCode !== 0) counts.pending++;
  }
  return counts;
}

function countSidecars(pod: Pod, find: Find) {
  const counts = { pending: 0, waiting: 0, running: 0 };
  for (const container of initContainers(pod)) {
    if (!isSidecar(container)) continue;
    const status = find(container.name);
    if (status?.state?.running) {
      counts.running++;
      if (!status.started) counts.pending++;
    } else if (status?.state?.waiting && !status.lastState?.terminated) {
      counts.pending++;
      counts.waiting++;
    }
  }
  return counts;
}

function countRegular(pod: Pod, find: Find) {
  const counts = { running: 0, waiting: 0, stopped: 0, stoppedForGood: 0, succeeded: 0, unknown: 0 };
  for (const container of regularContainers(pod)) countOne(counts, pod, container, find(container.name));
  return counts;
}

function countOne(
  counts: ReturnType<typeof countRegular>,
  pod: Pod,
  container: Container,
  status: ContainerStatus | undefined,
) {
  const end = status && lastEnd(status);
  if (status?.state?.running) counts.running++;
  else if (end) {
    counts.stopped++;
    if (!restartsAfter(pod, container, end.exitCode)) counts.stoppedForGood++;
    if (status.state?.terminated && end.exitCode === 0) counts.succeeded++;
  } else if (status?.state?.waiting) counts.waiting++;
  else counts.unknown++;
}
