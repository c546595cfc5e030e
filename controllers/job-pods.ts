/**
 * Pods of a Job: which count as what, which indexes are missing, how a new one looks. Pure.
 *
 * https://kubernetes.io/docs/concepts/workloads/controllers/job/
 */
import { type Job, kinds, type Pod } from "../machinery/objects/kinds.ts";
import type { Draft } from "../machinery/objects/wire.ts";
import { podFromTemplate } from "./pod-from-template.ts";
import { isActive, isTerminal, restarts } from "./pod-state.ts";

/** Keeps a Pod until the Job has counted it. */
export const TRACKING = "batch.kubernetes.io/job-tracking";
const INDEX = "batch.kubernetes.io/job-completion-index";

export const isIndexed = ({ spec }: Job): boolean => spec?.completionMode === "Indexed";
export const isTracked = ({ metadata }: Pod): boolean => metadata.finalizers?.includes(TRACKING) ?? false;
export const isSucceeded = ({ status }: Pod): boolean => status?.phase === "Succeeded";

/** A Pod that is on its way out before it ended counts as failed, unless the Job waits for it to end. */
export function isFailed(pod: Pod, job: Job): boolean {
  if (isTerminal(pod)) return pod.status?.phase === "Failed";
  return pod.metadata.deletionTimestamp !== undefined && job.spec?.podReplacementPolicy !== "Failed";
}

export function indexOf({ metadata }: Pod): number | undefined {
  const text = metadata.annotations?.[INDEX] ?? metadata.labels?.[INDEX];
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

/** "1,3-5" ► {1, 3, 4, 5} */
export function parseIndexes(text: string | undefined): Set<number> {
  const all = new Set<number>();
  for (const part of (text ?? "").split(",")) {
    const match = /^(\d+)(?:-(\d+))?$/.exec(part);
    if (!match) continue;
    const first = Number(match[1]);
    for (let index = first; index <= Number(match[2] ?? first); index++) all.add(index);
  }
  return all;
}

/** {1, 3, 4, 5} ► "1,3-5" */
export function formatIndexes(indexes: Iterable<number>): string {
  const runs: [number, number][] = [];
  for (const index of [...indexes].sort((a, b) => a - b)) {
    const last = runs.at(-1);
    if (last && index === last[1] + 1) last[1] = index;
    else runs.push([index, index]);
  }
  return runs
    .map(([from, to]) => (from === to ? `${from}` : to === from + 1 ? `${from},${to}` : `${from}-${to}`))
    .join(",");
}

/** The indexes that need a Pod: lowest first, without those done, failed for good or running. */
export function missingIndexes(
  job: Job,
  active: readonly Pod[],
  settled: ReadonlySet<number>,
  count: number,
): number[] {
  const taken = new Set(active.map(indexOf));
  const missing: number[] = [];
  for (let index = 0; index < (job.spec?.completions ?? 0) && missing.length < count; index++)
    if (!settled.has(index) && !taken.has(index)) missing.push(index);
  return missing;
}

export const podNamePrefix = ({ metadata: { name } }: Job, index: number | undefined): string =>
  index === undefined ? `${name}-` : `${name}-${index}-`;

export function draftPod(job: Job, index: number | undefined, name: string): Draft<Pod> {
  const draft = podFromTemplate(job.spec?.template ?? {}, job, kinds.jobs);
  const finalizers = [...(draft.metadata.finalizers ?? []), TRACKING];
  if (index === undefined) return { ...draft, metadata: { ...draft.metadata, name, finalizers } };
  const { generateName: _generateName, ...metadata } = draft.metadata;
  const own = { [INDEX]: String(index) };
  return {
    metadata: {
      ...metadata,
      name,
      finalizers,
      annotations: { ...metadata.annotations, ...own },
      labels: { ...metadata.labels, ...own },
    },
    spec: { ...withIndexVariable(draft.spec!), hostname: `${job.metadata.name}-${index}` },
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
  const sum = pods.filter((pod) => isActive(pod)).reduce((total, pod) => total + restarts(pod), 0);
  const limit = job.spec.backoffLimit ?? 6;
  return limit === 0 ? sum > 0 : sum >= limit;
}

/** When a Pod ended, as far as its status tells. */
export function endOf(pod: Pod): number | undefined {
  const times = (pod.status?.containerStatuses ?? [])
    .map(({ state }) => Date.parse(state?.terminated?.finishedAt ?? ""))
    .filter((time) => !Number.isNaN(time));
  if (times.length > 0) return Math.max(...times);
  const fallback = Date.parse(pod.metadata.deletionTimestamp ?? pod.metadata.creationTimestamp);
  return Number.isNaN(fallback) ? undefined : fallback;
}

const BACKOFF_MS = 10_000;
const MAX_BACKOFF_MS = 600_000;

/** Milliseconds to wait before the next Pod, after failures in a row that no success has interrupted. */
export function backoffLeft(failedPods: readonly Pod[], succeededPods: readonly Pod[], now: number): number {
  const lastSuccess = Math.max(Number.NEGATIVE_INFINITY, ...succeededPods.map((pod) => endOf(pod) ?? 0));
  const failures = failedPods.map((pod) => endOf(pod) ?? 0).filter((at) => at > lastSuccess);
  if (failures.length === 0) return 0;
  const wait = Math.min(BACKOFF_MS * 2 ** (failures.length - 1), MAX_BACKOFF_MS);
  return Math.max(0, Math.max(...failures) + wait - now);
}
