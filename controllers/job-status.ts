/**
 * Status of a Job: counts of what has ended, and how the Job ends. Pure.
 *
 * A Pod's end is counted exactly once: first its uid stands in uncountedTerminatedPods, then its
 * finalizer goes, then the count grows and the uid leaves. A restart at any point goes on from there.
 */
import { findCondition, isTrue, withCondition } from "../machinery/objects/conditions.ts";
import type { Job, JobCondition, Pod } from "../machinery/objects/kinds.ts";
import { wireTime } from "../machinery/process/clock.ts";
import {
  formatIndexes,
  indexOf,
  isFailed,
  isIndexed,
  isSucceeded,
  isTracked,
  parseIndexes,
  tooManyRestarts,
} from "./job-pods.ts";
import { isActive, isReady, isTerminating } from "./pod-state.ts";

export type JobStatus = NonNullable<Job["status"]>;

/** How the Pods of a Job stand, what was counted before included. */
export interface Tally {
  readonly active: readonly Pod[];
  readonly ready: number;
  readonly terminating: number;
  /** Ended, not counted yet, still held by the finalizer. */
  readonly newlySucceeded: readonly Pod[];
  readonly newlyFailed: readonly Pod[];
  readonly succeeded: number;
  readonly failed: number;
  /** Indexed Jobs: the indexes that are done. */
  readonly completedIndexes: ReadonlySet<number>;
}

export function tally(job: Job, pods: readonly Pod[]): Tally {
  const { succeeded = 0, failed = 0, uncountedTerminatedPods: waiting, completedIndexes } = job.status ?? {};
  const known = new Set([...(waiting?.succeeded ?? []), ...(waiting?.failed ?? [])]);
  const fresh = pods.filter((pod) => isTracked(pod) && !known.has(pod.metadata.uid));
  const done = parseIndexes(completedIndexes);
  const valid = (pod: Pod) =>
    !isIndexed(job) || (indexOf(pod) ?? Number.POSITIVE_INFINITY) < (job.spec?.completions ?? 0);
  const newlySucceeded = fresh.filter((pod) => isSucceeded(pod) && valid(pod));
  const newlyFailed = fresh.filter((pod) => isFailed(pod, job) && valid(pod));
  const indexes = new Set(done);
  for (const pod of newlySucceeded) if (isIndexed(job)) indexes.add(indexOf(pod)!);
  const active = pods.filter(isActive);
  return {
    active,
    ready: active.filter(isReady).length,
    terminating: pods.filter(isTerminating).length,
    newlySucceeded,
    newlyFailed,
    succeeded: isIndexed(job) ? indexes.size : succeeded + (waiting?.succeeded?.length ?? 0) + newlySucceeded.length,
    failed: failed + (waiting?.failed?.length ?? 0) + newlyFailed.length,
    completedIndexes: indexes,
  };
}

export interface Ending {
  /** FailureTarget and SuccessCriteriaMet are followed by Failed and Complete once every Pod has ended. */
  readonly type: "SuccessCriteriaMet" | "FailureTarget";
  readonly reason: string;
  readonly message: string;
}

const FAILURES = {
  BackoffLimitExceeded: "Job has reached the specified backoff limit",
  DeadlineExceeded: "Job was active longer than specified deadline",
} as const;

export const isFinished = ({ status }: Job): boolean =>
  isTrue(status?.conditions, "Complete") || isTrue(status?.conditions, "Failed");
export const isSuspended = ({ spec }: Job): boolean => spec?.suspend === true;

/** How the Job ends, when it does: once decided it stays decided. */
export function endingOf(job: Job, counts: Tally, now: number): Ending | undefined {
  const decided = ["SuccessCriteriaMet", "FailureTarget"] as const;
  for (const type of decided) {
    const condition = findCondition(job.status?.conditions, type);
    if (condition?.status === "True") return { type, reason: condition.reason ?? "", message: condition.message ?? "" };
  }
  if (counts.failed > (job.spec?.backoffLimit ?? 6) || tooManyRestarts(job, counts.active))
    return failure("BackoffLimitExceeded");
  if (timeToDeadline(job, now) === 0) return failure("DeadlineExceeded");
  const { completions } = job.spec ?? {};
  const complete =
    completions === undefined ? counts.succeeded > 0 && counts.active.length === 0 : counts.succeeded >= completions;
  if (!complete || isSuspended(job)) return undefined;
  const message = "Reached expected number of succeeded pods";
  return { type: "SuccessCriteriaMet", reason: "CompletionsReached", message };
}

const failure = (reason: keyof typeof FAILURES): Ending => ({
  type: "FailureTarget",
  reason,
  message: FAILURES[reason],
});

/** Milliseconds until activeDeadlineSeconds has passed: 0 when it has, undefined where none runs. */
export function timeToDeadline({ spec, status }: Job, now: number): number | undefined {
  if (spec?.activeDeadlineSeconds === undefined || !status?.startTime || spec.suspend) return undefined;
  return Math.max(0, Date.parse(status.startTime) + spec.activeDeadlineSeconds * 1000 - now);
}

/** How many Pods should run now. */
export function wantedActive(job: Job, counts: Tally): number {
  const { parallelism = 1, completions } = job.spec ?? {};
  if (completions === undefined)
    return counts.succeeded > 0 ? Math.min(counts.active.length, parallelism) : parallelism;
  return Math.min(parallelism, Math.max(0, completions - counts.succeeded));
}

export interface StatusParts {
  readonly job: Job;
  readonly pods: readonly Pod[];
  readonly counts: Tally;
  readonly active: number;
  readonly ending: Ending | undefined;
  /** False while Pods that were asked for may not be in the cache yet. */
  readonly settled: boolean;
  readonly now: number;
}

/** The status to write: counts what has lost its finalizer, and notes what has ended since. */
export function statusOf({ job, pods, counts, active, ending, settled, now }: StatusParts): JobStatus {
  const before = job.status ?? {};
  const held = new Set(pods.filter(isTracked).map(({ metadata }) => metadata.uid));
  const count = (waiting: readonly string[] | undefined, fresh: readonly Pod[]) => {
    const left = (waiting ?? []).filter((uid) => held.has(uid));
    return {
      counted: (waiting?.length ?? 0) - left.length,
      left: [...left, ...fresh.map(({ metadata }) => metadata.uid)],
    };
  };
  const good = count(before.uncountedTerminatedPods?.succeeded, counts.newlySucceeded);
  const bad = count(before.uncountedTerminatedPods?.failed, counts.newlyFailed);
  const succeeded = isIndexed(job) ? counts.completedIndexes.size : (before.succeeded ?? 0) + good.counted;
  const failed = (before.failed ?? 0) + bad.counted;
  const allCounted = good.left.length === 0 && bad.left.length === 0;
  const uncounted = {
    ...(good.left.length > 0 ? { succeeded: good.left } : {}),
    ...(bad.left.length > 0 ? { failed: bad.left } : {}),
  };
  const ended = ending !== undefined && settled && allCounted && active === 0 && counts.terminating === 0;
  const { startTime, completionTime, conditions } = timesAndConditions(job, ending, ended, now);
  return {
    ...(startTime ? { startTime } : {}),
    ...(completionTime ? { completionTime } : {}),
    ...(active > 0 ? { active } : {}),
    ...(succeeded > 0 ? { succeeded } : {}),
    ...(failed > 0 ? { failed } : {}),
    ready: Math.min(counts.ready, active),
    terminating: counts.terminating,
    uncountedTerminatedPods: uncounted,
    ...(isIndexed(job) && counts.completedIndexes.size > 0
      ? { completedIndexes: formatIndexes(counts.completedIndexes) }
      : {}),
    ...(conditions.length > 0 ? { conditions } : {}),
  };
}

function timesAndConditions(job: Job, ending: Ending | undefined, ended: boolean, now: number) {
  const time = wireTime(now);
  let conditions: JobCondition[] = job.status?.conditions ?? [];
  const set = (type: string, status: string, reason: string, message: string) => {
    const before = findCondition(conditions, type);
    if (before?.status === status && before.reason === reason) return;
    conditions = withCondition(conditions, { type, status, reason, message, lastProbeTime: time }, time);
  };
  const suspended = isTrue(conditions, "Suspended");
  if (isSuspended(job)) set("Suspended", "True", "JobSuspended", "Job suspended");
  else if (suspended) set("Suspended", "False", "JobResumed", "Job resumed");
  if (ending) set(ending.type, "True", ending.reason, ending.message);
  if (ending && ended)
    set(ending.type === "FailureTarget" ? "Failed" : "Complete", "True", ending.reason, ending.message);

  const startTime = isSuspended(job) ? undefined : suspended ? time : (job.status?.startTime ?? time);
  const completionTime =
    job.status?.completionTime ?? (ending?.type === "SuccessCriteriaMet" && ended ? time : undefined);
  return { startTime, completionTime, conditions };
}
