/**
 * Status of a StatefulSet: what there is of it, and of which revision. Pure.
 *
 * `kubectl rollout status` reads it. The current revision becomes the new one when every Pod is.
 */
import type { ControllerRevision, Pod, StatefulSet } from "../machinery/objects/kinds.ts";
import { isAvailable, isReady, timeToAvailable } from "./pod-state.ts";
import { replicasOf, revisionOfPod } from "./statefulset-pods.ts";

export type StatefulSetStatus = NonNullable<StatefulSet["status"]>;

export interface Revisions {
  readonly current: ControllerRevision;
  readonly update: ControllerRevision;
  readonly collisionCount: number;
}

/** `deleted` are Pods whose deletion the cache may not show yet. */
export function statusOf(
  set: StatefulSet,
  pods: readonly Pod[],
  { current, update, collisionCount }: Revisions,
  deleted: ReadonlySet<string>,
  now: number,
): StatefulSetStatus {
  const staying = pods.filter(({ metadata }) => !metadata.deletionTimestamp && !deleted.has(metadata.uid));
  const ofRevision = ({ metadata }: ControllerRevision) =>
    staying.filter((pod) => revisionOfPod(pod) === metadata.name).length;
  const counts = {
    ...readiness(set, pods, now),
    currentReplicas: ofRevision(current),
    updatedReplicas: ofRevision(update),
  };
  const complete = isComplete(set, counts);
  const conditions = set.status?.conditions;
  return {
    observedGeneration: set.metadata.generation ?? 0,
    ...withoutZeros(complete ? { ...counts, currentReplicas: counts.updatedReplicas } : counts),
    currentRevision: complete ? update.metadata.name : current.metadata.name,
    updateRevision: update.metadata.name,
    collisionCount,
    ...(conditions?.length ? { conditions } : {}),
  };
}

/** Of a set that is being deleted: only what there still is. */
export function leavingStatus(set: StatefulSet, pods: readonly Pod[], now: number): StatefulSetStatus {
  const { currentRevision, updateRevision, collisionCount, conditions } = set.status ?? {};
  const ofRevision = (name: string | undefined) =>
    pods.filter((pod) => !pod.metadata.deletionTimestamp && revisionOfPod(pod) === name).length;
  return {
    observedGeneration: set.metadata.generation ?? 0,
    ...withoutZeros({
      ...readiness(set, pods, now),
      currentReplicas: ofRevision(currentRevision),
      updatedReplicas: ofRevision(updateRevision),
    }),
    ...(currentRevision ? { currentRevision } : {}),
    ...(updateRevision ? { updateRevision } : {}),
    ...(collisionCount === undefined ? {} : { collisionCount }),
    ...(conditions?.length ? { conditions } : {}),
  };
}

/** Milliseconds until the next ready Pod becomes available, where one waits. */
export function nextAvailable(set: StatefulSet, pods: readonly Pod[], now: number): number | undefined {
  const waits = pods
    .map((pod) => timeToAvailable(pod, set.spec?.minReadySeconds ?? 0, now))
    .filter((ms) => ms !== undefined && ms > 0);
  return waits.length > 0 ? Math.min(...(waits as number[])) : undefined;
}

type Counts = Pick<
  StatefulSetStatus,
  "replicas" | "readyReplicas" | "availableReplicas" | "currentReplicas" | "updatedReplicas"
>;

function readiness(set: StatefulSet, pods: readonly Pod[], now: number) {
  const ready = pods.filter((pod) => pod.status?.phase === "Running" && isReady(pod));
  return {
    replicas: pods.length,
    readyReplicas: ready.length,
    availableReplicas: ready.filter((pod) => isAvailable(pod, set.spec?.minReadySeconds ?? 0, now)).length,
  };
}

function isComplete(set: StatefulSet, { replicas, readyReplicas, updatedReplicas }: Counts): boolean {
  const wanted = replicasOf(set);
  const rolling = set.spec?.updateStrategy?.type !== "OnDelete";
  return rolling && replicas === wanted && readyReplicas === wanted && updatedReplicas === wanted;
}

/** Two of the counts are there even when they are zero. */
function withoutZeros(counts: Counts): Counts {
  const { replicas, availableReplicas = 0, ...others } = counts;
  return { replicas, availableReplicas, ...Object.fromEntries(Object.entries(others).filter(([, count]) => count)) };
}
