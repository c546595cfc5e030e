/**
 * Pods of a Job: which count as failed, when they ended, how long to wait after failures, how a new one looks. Pure.
 *
 * Their indexes: job-indexes.ts. What a failure means: job-policies.ts.
 * https://kubernetes.io/docs/concepts/workloads/controllers/job/
 */
import { findCondition } from "../machinery/objects/conditions.ts";
import { type Job, kinds, type Pod } from "../machinery/objects/kinds.ts";
import type { Draft } from "../machinery/objects/wire.ts";
import { INDEX } from "./job-indexes.ts";
import { failureAnnotations, failuresBefore, hasLimitPerIndex } from "./job-policies.ts";
import { podFromTemplate } from "./pod-from-template.ts";
import { isTerminal, restarts } from "./pod-state.ts";

/** Keeps a Pod until the Job has counted it. */
export const TRACKING = "batch.kubernetes.io/job-tracking";

export const isTracked = ({ metadata }: Pod): boolean => metadata.finalizers?.includes(TRACKING) ?? false;
export const isSucceeded = ({ status }: Pod): boolean => status?.phase === "Succeeded";

/** A new Pod is made only when the one before has ended, not when it begins to. */
export const replacesEnded = ({ spec }: Job): boolean =>
  spec?.podReplacementPolicy === "Failed" || spec?.podFailurePolicy !== undefined;

/** A Pod that is on its way out before it ended counts as failed, unless the Job waits for it to end. */
export function isFailed(pod: Pod, job: Job): boolean {
  if (isTerminal(pod)) return pod.status?.phase === "Failed";
  return pod.metadata.deletionTimestamp !== undefined && !replacesEnded(job);
}

const MAX_PREFIX = 58;

/** Where the Job's name is too long, it is cut, and not the index. */
export function podNamePrefix({ metadata: { name } }: Job, index: number | undefined): string {
  const suffix = index === undefined ? "-" : `-${index}-`;
  return name.slice(0, MAX_PREFIX - suffix.length) + suffix;
}

/** `replaced`: the failed Pod in whose place the new one comes, where failures count for each index. */
export function draftPod(job: Job, index: number | undefined, name: string, replaced?: Pod): Draft<Pod> {
  const { generateName: _generateName, ...metadata } = podFromTemplate(
    job.spec?.template ?? {},
    job,
    kinds.jobs,
  ).metadata;
  const finalizers = [...(metadata.finalizers ?? []).filter((one) => one !== TRACKING), TRACKING];
  const spec = job.spec?.template?.spec;
  if (index === undefined) return { metadata: { ...metadata, name, finalizers }, ...(spec ? { spec } : {}) };
  const own = { [INDEX]: String(index) };
  const failures = hasLimitPerIndex(job) ? failureAnnotations(job, replaced) : {};
  return {
    metadata: {
      ...metadata,
      name,
      finalizers,
      annotations: { ...metadata.annotations, ...own, ...failures },
      labels: { ...metadata.labels, ...own },
    },
    ...(spec ? { spec: { ...withIndexVariable(spec), hostname: `${job.metadata.name}-${index}` } } : {}),
  };
}

function withIndexVariable(spec: NonNullable<Pod["spec"]>): NonNullable<Pod["spec"]> {
  const variable = {
    name: "JOB_COMPLETION_INDEX",
    valueFrom: { fieldRef: { apiVersion: "v1", fieldPath: `metadata.labels['${INDEX}']` } },
  };
  const add = <C extends { env?: { name: string }[] }>(container: C): C =>
    container.env?.some(({ name }) => name === variable.name)
      ? container
      : { ...container, env: [...(container.env ?? []), variable] };
  return {
    ...spec,
    containers: spec.containers.map(add),
    ...(spec.initContainers ? { initContainers: spec.initContainers.map(add) } : {}),
  };
}

/** With restartPolicy OnFailure the kubelet restarts in place, and its restarts count against the limit. */
export function tooManyRestarts(job: Job, pods: readonly Pod[]): boolean {
  if (job.spec?.template?.spec?.restartPolicy !== "OnFailure") return false;
  const sum = pods.filter((pod) => !isTerminal(pod)).reduce((total, pod) => total + restarts(pod), 0);
  const limit = job.spec.backoffLimit ?? 6;
  return limit === 0 ? sum > 0 : sum >= limit;
}

/** Clocks of a cluster may differ by this much. */
const AHEAD_MS = 10_000;

/**
 * When a Pod ended, as far as its status tells: by its containers, its readiness, its deletion, or its creation. What
 * says that it ends later than now was written by a clock that was wrong, and may never be put right: it does not count.
 */
export function endOf(pod: Pod, now: number): number {
  const { metadata, status, spec } = pod;
  const ready = findCondition(status?.conditions, "Ready");
  const deleted = Date.parse(metadata.deletionTimestamp ?? "") - (metadata.deletionGracePeriodSeconds ?? 0) * 1000;
  const sidecars = new Set((spec?.initContainers ?? []).filter(isSidecar).map(({ name }) => name));
  const statuses = [
    ...(status?.containerStatuses ?? []),
    ...(status?.initContainerStatuses ?? []).filter(({ name }) => sidecars.has(name)),
  ];
  const ends = statuses.map(({ state }) => Date.parse(state?.terminated?.finishedAt ?? ""));
  const times = [
    ends.length > 0 ? Math.max(...ends) : Number.NaN,
    ready?.status === "False" ? Date.parse(ready.lastTransitionTime ?? "") : Number.NaN,
    deleted,
  ];
  return times.find((time) => time <= now + AHEAD_MS) ?? Date.parse(metadata.creationTimestamp);
}

const isSidecar = ({ restartPolicy }: { readonly restartPolicy?: string }): boolean => restartPolicy === "Always";

const BACKOFF_MS = 10_000;
const MAX_BACKOFF_MS = 600_000;

/** Milliseconds to wait before the next Pod, after failures in a row that no success has interrupted. */
export function backoffLeft(failed: readonly number[], succeeded: readonly number[], now: number): number {
  const lastSuccess = succeeded.reduce((last, at) => Math.max(last, at), Number.NEGATIVE_INFINITY);
  const failures = failed.filter((at) => at > lastSuccess);
  return failures.length === 0 ? 0 : waitAfter(failures.length, Math.max(...failures), now);
}

/** Milliseconds to wait before an index gets its next Pod. */
export const backoffOfIndex = (failed: Pod | undefined, now: number): number =>
  failed ? waitAfter(failuresBefore(failed) + 1, endOf(failed, now), now) : 0;

function waitAfter(failures: number, last: number, now: number): number {
  const wait = Math.min(BACKOFF_MS * 2 ** (failures - 1), MAX_BACKOFF_MS);
  // a failure of the future is the word of another clock: look again before that comes
  return Math.min(wait, Math.max(0, last + wait - now));
}
