/**
 * Status of a Job: what is written of its Pods' tally and its ending. Pure.
 */
import { findCondition, isTrue, withCondition } from "../machinery/objects/conditions.ts";
import type { Job, JobCondition } from "../machinery/objects/kinds.ts";
import { wireTime } from "../machinery/process/clock.ts";
import { type Ending, isSuspended } from "./job-ending.ts";
import type { Account, Tally } from "./job-tally.ts";

export type JobStatus = NonNullable<Job["status"]>;

export interface StatusParts {
  readonly job: Job;
  readonly counts: Tally;
  readonly accounts: Account;
  /** After what was made and deleted just now. */
  readonly active: number;
  readonly terminating: number;
  readonly ending: Ending | undefined;
  /** All Pods were told to end, as far as is known. */
  readonly over: boolean;
  readonly now: number;
}

export function statusOf({ job, counts, accounts, active, terminating, ending, over, now }: StatusParts): JobStatus {
  const { succeeded, failed, uncountedTerminatedPods, completedIndexes, failedIndexes } = accounts;
  const ended = over && accounts.settled && terminating === 0;
  const { startTime, completionTime, conditions } = timesAndConditions(job, ending, ended, now);
  return {
    ...(startTime ? { startTime } : {}),
    ...(completionTime ? { completionTime } : {}),
    ...(active > 0 ? { active } : {}),
    ...(succeeded > 0 ? { succeeded } : {}),
    ...(failed > 0 ? { failed } : {}),
    ready: Math.min(counts.ready, active),
    terminating,
    uncountedTerminatedPods,
    ...(completedIndexes ? { completedIndexes } : {}),
    ...(failedIndexes === undefined ? {} : { failedIndexes }),
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
  const resumed = !isSuspended(job) && isTrue(conditions, "Suspended");
  // a Job that ends is not suspended any more
  if (!ending && isSuspended(job)) set("Suspended", "True", "JobSuspended", "Job suspended");
  if (resumed) set("Suspended", "False", "JobResumed", "Job resumed");
  if (ending) set(ending.type, "True", ending.reason, ending.message);
  if (ending && ended)
    set(ending.type === "FailureTarget" ? "Failed" : "Complete", "True", ending.reason, ending.message);

  let startTime = job.status?.startTime;
  if (!ending && resumed) startTime = time;
  else if (!isSuspended(job)) startTime ??= time;
  const completed = ending?.type === "SuccessCriteriaMet" && ended;
  // a clock that was set back must not let the Job end before it began
  const completionTime = job.status?.completionTime ?? (completed ? laterOf(time, startTime) : undefined);
  return { startTime, completionTime, conditions };
}

function laterOf(time: string, other: string | undefined): string {
  return other && Date.parse(other) > Date.parse(time) ? other : time;
}
