/**
 * Status of a DaemonSet: on how many nodes it should run, does, and is ready. Pure.
 *
 * Of several Pods on a node the oldest counts. `kubectl rollout status` reads this.
 */
import type { DaemonSet } from "../machinery/objects/kinds.ts";
import { isUpdated, type View } from "./daemonset-plan.ts";
import { isAvailable, isReady, timeToAvailable } from "./pod-state.ts";

export type DaemonSetStatus = NonNullable<DaemonSet["status"]>;

/** `observed`: whether the set as it is now was acted on. */
export function statusOf(
  { set, nodes, pods, hashes, now }: View,
  collisionCount: number,
  observed: boolean,
): DaemonSetStatus {
  const wanted = [...nodes].filter(([, { run }]) => run).map(([node]) => pods.get(node)?.[0]);
  const running = wanted.filter((pod) => pod !== undefined);
  const minReadySeconds = set.spec?.minReadySeconds ?? 0;
  const available = running.filter((pod) => isAvailable(pod, minReadySeconds, now)).length;
  const { conditions, observedGeneration } = set.status ?? {};
  const counts = {
    updatedNumberScheduled: running.filter((pod) => isUpdated(pod, hashes)).length,
    numberAvailable: available,
    numberUnavailable: wanted.length - available,
    collisionCount,
    observedGeneration: observed ? (set.metadata.generation ?? 0) : (observedGeneration ?? 0),
  };
  return {
    currentNumberScheduled: running.length,
    numberMisscheduled: [...nodes].filter(([node, { run }]) => !run && pods.has(node)).length,
    desiredNumberScheduled: wanted.length,
    numberReady: running.filter(isReady).length,
    ...Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0)),
    ...(conditions?.length ? { conditions } : {}),
  };
}

/** Milliseconds until the next ready Pod becomes available, where one waits. */
export function nextAvailable({ set, pods, now }: View): number | undefined {
  const waits = [...pods.values()]
    .flat()
    .map((pod) => timeToAvailable(pod, set.spec?.minReadySeconds ?? 0, now))
    .filter((ms) => ms !== undefined && ms > 0) as number[];
  return waits.length > 0 ? waits.reduce((a, b) => Math.min(a, b)) : undefined;
}
