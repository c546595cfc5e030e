/**
 * CronJob: starts a Job at set times.
 *
 * One time never starts two Jobs: a Job is named after its time, and the time started last stands in the status.
 * A restart in between finds the Job by its name or its annotation. Which time is due: cronjob-times.ts; how Jobs
 * look and which are tidied away: cronjob-jobs.ts; the Jobs themselves: job.ts.
 * https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/
 */
import type { Change, Lister, ObjectKey } from "../machinery/client/informer.ts";
import {
  again,
  type Controller,
  defineController,
  done,
  type Outcome,
  type Services,
  type Ticks,
} from "../machinery/loop/controller.ts";
import { createOwnWrites } from "../machinery/loop/own-writes.ts";
import type { CronJob, Job } from "../machinery/objects/kinds.ts";
import { controllerOf, isControlledBy } from "../machinery/objects/owners.ts";
import { isAlreadyExists, isNotFound } from "../machinery/objects/status.ts";
import { type Clock, wireTime } from "../machinery/process/clock.ts";
import { sameJson } from "./canonical-json.ts";
import { type ActiveJob, draftJob, endOf, jobName, pastHistory, referenceTo, scheduledTime } from "./cronjob-jobs.ts";
import { type Times, timesOf } from "./cronjob-times.ts";
import { type CronJobMetrics, createBatchMetrics } from "./job-metrics.ts";
import { isTerminatingNamespace } from "./replicaset.ts";

type Context = {
  readonly cronjobs: Lister<CronJob>;
  readonly jobs: Lister<Job>;
  readonly metrics: CronJobMetrics;
} & Services;
type CronStatus = NonNullable<CronJob["status"]>;

/** `ticks` looks after them now and then: a clock that was set, or a machine that slept, must not delay what is due. */
export function cronJobController(
  { clock, ticks }: { readonly clock: Clock; readonly ticks?: Ticks },
  metrics: CronJobMetrics = createBatchMetrics().cronJobs,
): Controller {
  const writes = createOwnWrites();
  /** Since when the schedule is what it is, where it changed while this process looked. */
  const changed = new Map<ObjectKey, number>();
  /** When each is due next, by the wall clock. */
  const awaited = new Map<ObjectKey, number>();
  const ticking = onDemand(ticks);
  const overdue = () => [...awaited].filter(([, at]) => at <= clock.now()).map(([key]) => key);
  return defineController({
    name: "cronjob-controller",
    workers: 5,
    onTick: { ticks: ticking.ticks, keys: overdue },
    watches: {
      cronjobs: (change) => {
        if (change.type === "deleted") changed.delete(change.key);
        else if (change.old && !sameSchedule(change.object, change.old)) changed.set(change.key, clock.now());
        return [change.key];
      },
      jobs: ({ object }: Change<Job>) => {
        const owner = controllerOf(object);
        return owner?.kind === "CronJob" ? [`${object.metadata.namespace}/${owner.name}`] : [];
      },
    },

    async reconcile(key, services): Promise<Outcome> {
      const context = { ...services, metrics };
      const cronJob = context.cronjobs.get(key);
      awaited.delete(key);
      if (!cronJob) {
        writes.forget(key);
        return done;
      }
      if (writes.behind(key, cronJob)) return done;

      const jobs = context.jobs.ownedBy(cronJob.metadata.uid);
      let status = await followJobs(cronJob, jobs, context);
      await tidy(cronJob, jobs, context);
      const started = await startDue(cronJob, status, context, changed.get(key));
      status = started.status;

      if (!sameJson(status, cronJob.status)) {
        const written = await context.client.updateStatus("cronjobs", { ...cronJob, status });
        writes.wrote(key, written);
      }
      if (started.error) throw started.error;
      if (started.wait === undefined) return done;
      awaited.set(key, clock.now() + started.wait);
      ticking.begin();
      return again(started.wait);
    },
  });
}

/** Ticks that cost nothing before the first CronJob waits. */
function onDemand(ticks: Ticks | undefined): { readonly ticks: Ticks; begin(): void } {
  let begin: (() => void) | undefined;
  return {
    ticks(tick) {
      let stop: (() => void) | undefined;
      begin = () => {
        stop ??= ticks?.(tick);
      };
      return () => {
        begin = undefined;
        stop?.();
      };
    },
    begin: () => begin?.(),
  };
}

const sameSchedule = ({ spec: a }: CronJob, { spec: b }: CronJob): boolean =>
  a?.schedule === b?.schedule && a?.timeZone === b?.timeZone;

/** The status after what became of the Jobs: which run still, when one was started and succeeded last. */
async function followJobs(cronJob: CronJob, jobs: readonly Job[], { client, events }: Context): Promise<CronStatus> {
  const before = cronJob.status ?? {};
  const active: ActiveJob[] = [];
  for (const reference of before.active ?? []) {
    const job = jobs.find(({ metadata }) => metadata.uid === reference.uid);
    const end = job && endOf(job);
    if (end) events.normal(cronJob, "SawCompletedJob", `Saw completed job: ${reference.name}, condition: ${end}`);
    else if (job || (await isThere(reference, client))) active.push(reference);
    else events.normal(cronJob, "MissingJob", `Active job went missing: ${reference.name}`);
  }

  let { lastScheduleTime, lastSuccessfulTime } = before;
  for (const job of jobs) {
    const time = scheduledTime(job, cronJob);
    if (time !== undefined) lastScheduleTime = later(lastScheduleTime, wireTime(time));
    if (endOf(job) === "Complete") lastSuccessfulTime = later(lastSuccessfulTime, job.status?.completionTime);
    if (endOf(job) || active.some(({ uid }) => uid === job.metadata.uid)) continue;
    // started just before a restart, so that it did not get into the status
    if (time !== undefined && !job.metadata.deletionTimestamp) active.push(referenceTo(job));
    else if (time === undefined) {
      const message = `Saw a job that the controller did not create or forgot: ${job.metadata.name}`;
      events.warning(cronJob, "UnexpectedJob", message);
    }
  }
  return statusOf({ active, lastScheduleTime, lastSuccessfulTime });
}

/** The cache may not show a Job yet that was just started. */
async function isThere({ namespace, name = "", uid }: ActiveJob, client: Context["client"]): Promise<boolean> {
  return (await client.find("jobs", { namespace, name }))?.metadata.uid === uid;
}

function later(one: string | undefined, other: string | undefined): string | undefined {
  if (!one || !other) return one ?? other;
  return Date.parse(other) > Date.parse(one) ? other : one;
}

function statusOf({
  active = [],
  lastScheduleTime,
  lastSuccessfulTime,
}: Partial<Record<keyof CronStatus, unknown>> & {
  readonly active?: readonly ActiveJob[];
}): CronStatus {
  return {
    ...(active.length > 0 ? { active } : {}),
    ...(lastScheduleTime ? { lastScheduleTime } : {}),
    ...(lastSuccessfulTime ? { lastSuccessfulTime } : {}),
  } as CronStatus;
}

/** Deletes ended Jobs that are more than the history keeps. */
async function tidy(cronJob: CronJob, jobs: readonly Job[], context: Context): Promise<void> {
  for (const job of pastHistory(cronJob, jobs)) await deleteJob(cronJob, job.metadata, context);
}

interface Started {
  readonly status: CronStatus;
  /** Milliseconds until the next time. */
  readonly wait?: number | undefined;
  readonly error?: unknown;
}

async function startDue(
  cronJob: CronJob,
  status: CronStatus,
  context: Context,
  since: number | undefined,
): Promise<Started> {
  const { clock, events } = context;
  const { suspend, schedule = "", concurrencyPolicy } = cronJob.spec ?? {};
  if (cronJob.metadata.deletionTimestamp) return { status };
  const current = { ...cronJob, status };
  const times = timesOf(current, clock.now(), since);
  if ("reason" in times && times.reason === "UnknownTimeZone") {
    events.warning(cronJob, times.reason, times.message);
    return { status };
  }
  if (suspend) return { status };
  if (schedule.includes("TZ")) {
    const message = `CRON_TZ or TZ used in schedule "${schedule}" is not officially supported, see https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details`;
    events.warning(cronJob, "UnsupportedSchedule", message);
  }
  if ("reason" in times) {
    events.warning(cronJob, times.reason, times.message);
    return { status };
  }

  const { due, wait } = times;
  if (due === undefined || isTooLate(cronJob, times, context)) return { status, wait };
  const running = status.active ?? [];
  if (running.some(({ name }) => name === jobName(cronJob, due))) return { status, wait };
  if (concurrencyPolicy === "Forbid" && running.length > 0) {
    const message = "Not starting job because prior execution is running and concurrency policy is Forbid";
    events.normal(cronJob, "JobAlreadyActive", message);
    return { status, wait };
  }
  return { ...(await start(cronJob, status, due, context)), wait };
}

function isTooLate(cronJob: CronJob, { due = 0, tooLate, tooMany }: Times, { events }: Context): boolean {
  if (tooLate) {
    const when = new Date(due).toUTCString().replace("GMT", "+0000");
    events.warning(cronJob, "MissSchedule", `Missed scheduled time to start a job: ${when}`);
  } else if (tooMany) {
    const message = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew";
    events.warning(cronJob, "TooManyMissedTimes", message);
  }
  return tooLate;
}

/** Makes the Job of a time. What was done counts in the status, also where something failed after it. */
async function start(cronJob: CronJob, status: CronStatus, due: number, context: Context): Promise<Started> {
  const { events, metrics } = context;
  let { active = [] } = status;
  try {
    if (cronJob.spec?.concurrencyPolicy === "Replace")
      for (const reference of active) {
        await deleteJob(cronJob, reference, context);
        active = active.filter((one) => one !== reference);
      }
    const { job, made } = await create(cronJob, due, context);
    if (made) {
      events.normal(cronJob, "SuccessfulCreate", `Created job ${job.metadata.name}`);
      metrics.started(cronJob, job, due);
    }
    if (isControlledBy(job, cronJob)) {
      if (!endOf(job)) active = [...active, referenceTo(job)];
      return { status: statusOf({ ...status, active, lastScheduleTime: wireTime(due) }) };
    }
    // the name is somebody else's: what was due counts as started, as far as this CronJob can
    return { status: statusOf({ ...status, active }) };
  } catch (error) {
    const so = { status: statusOf({ ...status, active }) };
    if (isTerminatingNamespace(error)) return so;
    events.warning(cronJob, "FailedCreate", `Error creating job: ${(error as Error).message}`);
    return { ...so, error };
  }
}

/** A Job of this name that is there already was made for the same time. */
async function create(cronJob: CronJob, due: number, { client }: Pick<Context, "client">) {
  const draft = draftJob(cronJob, due);
  try {
    return { job: await client.create("jobs", draft), made: true };
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
    const { namespace } = cronJob.metadata;
    const job = await client.find("jobs", { namespace, name: jobName(cronJob, due) });
    if (!job) throw error;
    return { job, made: false };
  }
}

/** Deletes a Job with its Pods; one that is gone is well. */
async function deleteJob(
  cronJob: CronJob,
  { namespace, name = "", uid }: Pick<ActiveJob, "namespace" | "name" | "uid">,
  { client, events }: Context,
): Promise<void> {
  try {
    const preconditions = uid ? { preconditions: { uid } } : {};
    await client.delete("jobs", { namespace, name }, { ...preconditions, propagation: "Background" });
    events.normal(cronJob, "SuccessfulDelete", `Deleted job ${name}`);
  } catch (error) {
    if (isNotFound(error)) return;
    events.warning(cronJob, "FailedDelete", `Deleted job: ${(error as Error).message}`);
    throw error;
  }
}
