/**
 * Jobs of a CronJob: how one looks, which the CronJob started itself, which have had their time. Pure.
 *
 * A Job's name and annotation tell the time for which it was started, so one time never makes two Jobs.
 */
import { isTrue } from "../machinery/objects/conditions.ts";
import { localTime } from "../machinery/objects/cron.ts";
import { type CronJob, type Job, kinds } from "../machinery/objects/kinds.ts";
import { ownerReferenceTo } from "../machinery/objects/owners.ts";
import type { Draft } from "../machinery/objects/wire.ts";
import { wireTime } from "../machinery/process/clock.ts";

export type ActiveJob = NonNullable<NonNullable<CronJob["status"]>["active"]>[number];

const SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp";

export const jobName = ({ metadata }: CronJob, time: number): string => `${metadata.name}-${Math.floor(time / 60_000)}`;

export function draftJob(cronJob: CronJob, time: number): Draft<Job> {
  const { jobTemplate, timeZone } = cronJob.spec ?? {};
  const { labels, annotations } = jobTemplate?.metadata ?? {};
  const { namespace } = cronJob.metadata;
  return {
    metadata: {
      name: jobName(cronJob, time),
      ...(namespace ? { namespace } : {}),
      ...(labels ? { labels } : {}),
      annotations: { ...annotations, [SCHEDULED]: localTime(timeZone, time) },
      creationTimestamp: wireTime(time),
      ownerReferences: [ownerReferenceTo(cronJob, kinds.cronjobs)],
    },
    ...(jobTemplate?.spec ? { spec: jobTemplate.spec } : {}),
  };
}

/** The time for which this CronJob started the Job; undefined for one that somebody else made. */
export function scheduledTime(job: Job, cronJob: CronJob): number | undefined {
  const time = Date.parse(job.metadata.annotations?.[SCHEDULED] ?? "");
  return Number.isNaN(time) || job.metadata.name !== jobName(cronJob, time) ? undefined : time;
}

export function endOf({ status }: Job): "Complete" | "Failed" | undefined {
  if (isTrue(status?.conditions, "Complete")) return "Complete";
  return isTrue(status?.conditions, "Failed") ? "Failed" : undefined;
}

export function referenceTo({ metadata }: Job): ActiveJob {
  const { namespace, name, uid, resourceVersion } = metadata;
  return {
    kind: "Job",
    ...(namespace ? { namespace } : {}),
    name,
    uid,
    apiVersion: "batch/v1",
    ...(resourceVersion ? { resourceVersion } : {}),
  };
}

/** Those that ended and are more than the history keeps, oldest first. */
export function pastHistory({ spec }: CronJob, jobs: readonly Job[]): readonly Job[] {
  const { successfulJobsHistoryLimit: successful, failedJobsHistoryLimit: failed } = spec ?? {};
  const more = (end: "Complete" | "Failed", limit: number | undefined): readonly Job[] => {
    const ended = jobs.filter((job) => endOf(job) === end && !job.metadata.deletionTimestamp).sort(byStart);
    return limit === undefined ? [] : ended.slice(0, Math.max(0, ended.length - limit));
  };
  return [...more("Complete", successful), ...more("Failed", failed)];
}

/** Those without a start count as the latest. */
function byStart(a: Job, b: Job): number {
  const start = ({ status }: Job) => (status?.startTime ? Date.parse(status.startTime) : Number.MAX_SAFE_INTEGER);
  return start(a) - start(b) || (a.metadata.name < b.metadata.name ? -1 : 1);
}
