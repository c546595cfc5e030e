/**
 * Deletion order: which Pods go first when there are too many. Pure.
 *
 * https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/#scaling-down-a-replicaset
 */
import type { Pod } from "../machinery/objects/kinds.ts";
import { isReady, mostRestarts, readySince } from "./pod-state.ts";

const PHASES: Readonly<Record<string, number>> = { Pending: 0, Unknown: 1, Running: 2 };

/** The `count` Pods to delete. `related` are all Pods whose crowding on a node counts. */
export function podsToDelete(
  pods: readonly Pod[],
  related: readonly Pod[],
  count: number,
  now: number,
): readonly Pod[] {
  if (count >= pods.length) return pods;
  const crowd = new Map<string, number>();
  for (const { spec } of related) if (spec?.nodeName) crowd.set(spec.nodeName, (crowd.get(spec.nodeName) ?? 0) + 1);
  const crowding = (pod: Pod) => crowd.get(pod.spec?.nodeName ?? "") ?? 0;
  return [...pods].sort((a, b) => compare(a, b, crowding, now)).slice(0, count);
}

/** Negative when `a` goes before `b`. */
function compare(a: Pod, b: Pod, crowding: (pod: Pod) => number, now: number): number {
  const assigned = (pod: Pod) => (pod.spec?.nodeName ? 1 : 0);
  const phase = (pod: Pod) => PHASES[pod.status?.phase ?? "Pending"] ?? 0;
  const ready = (pod: Pod) => (isReady(pod) ? 1 : 0);
  return (
    assigned(a) - assigned(b) ||
    phase(a) - phase(b) ||
    ready(a) - ready(b) ||
    deletionCost(a) - deletionCost(b) ||
    crowding(b) - crowding(a) ||
    (isReady(a) ? younger(readySince(a), readySince(b), now) || spread(readySince(a), readySince(b), a, b) : 0) ||
    mostRestarts(b).regular - mostRestarts(a).regular ||
    mostRestarts(b).sidecar - mostRestarts(a).sidecar ||
    younger(Date.parse(a.metadata.creationTimestamp), Date.parse(b.metadata.creationTimestamp), now) ||
    spread(1, 0, a, b)
  );
}

function deletionCost({ metadata }: Pod): number {
  const text = metadata.annotations?.["controller.kubernetes.io/pod-deletion-cost"];
  return text !== undefined && /^(0|-?[1-9][0-9]*)$/.test(text) ? Number(text) : 0;
}

/** By age in powers of two: what is of about the same age is equal. */
function younger(a: number | undefined, b: number | undefined, now: number): number {
  return magnitude(a, now) - magnitude(b, now);
}

function magnitude(since: number | undefined, now: number): number {
  const ns = (now - (since ?? now)) * 1e6;
  return ns < 1 ? -1 : Math.floor(Math.log2(ns));
}

/** Of Pods that are about, but not exactly, as old, the uid decides, so that no moment loses all its Pods. */
const spread = (one: number | undefined, other: number | undefined, a: Pod, b: Pod): number =>
  one === other ? 0 : a.metadata.uid < b.metadata.uid ? -1 : 1;
