/**
 * Ending of a Job: when it has succeeded or failed, and why. Pure.
 *
 * Once decided it stays decided: SuccessCriteriaMet and FailureTarget are followed by Complete and Failed when every
 * Pod has ended and is counted.
 */
import { findCondition, isTrue } from "../machinery/objects/conditions.ts";
import type { Job, Pod } from "../machinery/objects/kinds.ts";
import { isFailed, tooManyRestarts } from "./job-pods.ts";
import { successRule, verdictOn } from "./job-policies.ts";
import type { Tally } from "./job-tally.ts";

export interface Ending {
  readonly type: "SuccessCriteriaMet" | "FailureTarget";
  readonly reason: string;
  readonly message: string;
}

const FAILURES = {
  BackoffLimitExceeded: "Job has reached the specified backoff limit",
  DeadlineExceeded: "Job was active longer than specified deadline",
  MaxFailedIndexesExceeded: "Job has exceeded the specified maximal number of failed indexes",
  FailedIndexes: "Job has failed indexes",
} as const;

export const isFinished = ({ status }: Job): boolean =>
  isTrue(status?.conditions, "Complete") || isTrue(status?.conditions, "Failed");
export const isSuspended = ({ spec }: Job): boolean => spec?.suspend === true;

/** How the Job ends, when it does. */
export function endingOf(job: Job, pods: readonly Pod[], counts: Tally, now: number): Ending | undefined {
  for (const type of ["SuccessCriteriaMet", "FailureTarget"] as const) {
    const condition = findCondition(job.status?.conditions, type);
    if (condition?.status === "True") return { type, reason: condition.reason ?? "", message: condition.message ?? "" };
  }
  return failureOf(job, pods, counts, now) ?? successOf(job, counts);
}

function failureOf(job: Job, pods: readonly Pod[], counts: Tally, now: number): Ending | undefined {
  const { backoffLimit = 6, maxFailedIndexes, completions = 0 } = job.spec ?? {};
  for (const pod of job.spec?.podFailurePolicy ? pods : []) {
    const message = isFailed(pod, job) ? verdictOn(job, pod).message : undefined;
    if (message) return { type: "FailureTarget", reason: "PodFailurePolicy", message };
  }
  if (counts.failed > backoffLimit || tooManyRestarts(job, pods)) return failure("BackoffLimitExceeded");
  if (timeToDeadline(job, now) === 0) return failure("DeadlineExceeded");
  const failed = counts.failedIndexes?.size ?? 0;
  if (failed > (maxFailedIndexes ?? Number.POSITIVE_INFINITY)) return failure("MaxFailedIndexesExceeded");
  if (failed > 0 && failed + counts.completedIndexes.size >= completions) return failure("FailedIndexes");
  return undefined;
}

const failure = (reason: keyof typeof FAILURES): Ending => ({
  type: "FailureTarget",
  reason,
  message: FAILURES[reason],
});

function successOf(job: Job, counts: Tally): Ending | undefined {
  const type = "SuccessCriteriaMet";
  const rule = successRule(job, counts.completedIndexes);
  if (rule) return { type, reason: "SuccessPolicy", message: rule };
  const { completions } = job.spec ?? {};
  const complete =
    completions === undefined ? counts.succeeded > 0 && counts.active.length === 0 : counts.succeeded >= completions;
  const message = "Reached expected number of succeeded pods";
  return complete ? { type, reason: "CompletionsReached", message } : undefined;
}

/** Milliseconds until activeDeadlineSeconds has passed: 0 when it has, undefined where none runs. */
export function timeToDeadline({ spec, status }: Job, now: number): number | undefined {
  if (spec?.activeDeadlineSeconds === undefined || !status?.startTime || spec.suspend) return undefined;
  return Math.max(0, Date.parse(status.startTime) + spec.activeDeadlineSeconds * 1000 - now);
}

/** How many Pods should run now. */
export function wantedActive(job: Job, counts: Tally): number {
  const { parallelism = 1, completions } = job.spec ?? {};
  if (completions === undefined) return counts.succeeded > 0 ? counts.active.length : parallelism;
  return Math.min(parallelism, Math.max(0, completions - counts.succeeded));
}
