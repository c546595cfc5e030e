/**
 * Tasks at rest: every Job has ended as its Pods did and its policies say, and CronJobs keep what they should.
 */
import type { CronJob, Job } from "../../../machinery/objects/kinds.ts";
import { controllerOf } from "../../../machinery/objects/owners.ts";
import { indexesOf } from "../indexes.ts";
import { active, isTrue, owned, type Scene } from "./scene.ts";

export function jobs(scene: Scene): string | undefined {
  for (const job of scene.objects.of("jobs")) {
    const why = jobUnrest(job, scene);
    if (why) return `Job ${job.metadata.name} ${why}`;
  }
  return undefined;
}

function jobUnrest(job: Job, scene: Scene): string | undefined {
  const mine = owned(job, scene);
  const { conditions, active: reported = 0 } = job.status ?? {};
  const complete = isTrue(conditions, "Complete");
  if (!complete && !isTrue(conditions, "Failed"))
    return active(mine).some((pod) => !pod.spec?.nodeName) ? undefined : "has not ended";
  if (active(mine).length > 0) return `has ended and still has ${active(mine)[0]?.metadata.name}`;
  if (complete && !isWhole(job) && !isEnough(job))
    return `is Complete with ${job.status?.succeeded ?? 0} of ${job.spec?.completions}`;
  if (!complete) {
    const why = unfounded(job);
    if (why) return why;
  }
  const kept = mine.find(({ metadata }) => metadata.finalizers?.includes("batch.kubernetes.io/job-tracking"));
  if (kept) return `has ended and still tracks ${kept.metadata.name}`;
  return reported > 0 ? "has ended and reports active Pods" : undefined;
}

const isWhole = ({ spec, status }: Job) => (status?.succeeded ?? 0) === (spec?.completions ?? 1);

/** The indexes that succeeded are what some rule of its success policy asks for. */
function isEnough({ spec, status }: Job): boolean {
  const succeeded = indexesOf(status?.completedIndexes);
  return (spec?.successPolicy?.rules ?? []).some(({ succeededIndexes, succeededCount }) => {
    if (succeededIndexes === undefined) return succeeded.size >= (succeededCount ?? 1);
    const asked = indexesOf(succeededIndexes);
    const there = [...asked].filter((index) => succeeded.has(index)).length;
    return there >= (succeededCount ?? asked.size);
  });
}

/** A failure that its own numbers do not tell. */
function unfounded({ spec, status }: Job): string | undefined {
  const reason = status?.conditions?.find(({ type, status: is }) => type === "Failed" && is === "True")?.reason;
  const failed = indexesOf(status?.failedIndexes);
  const ended = indexesOf(status?.completedIndexes).size + failed.size;
  switch (reason) {
    case "BackoffLimitExceeded":
      return (status?.failed ?? 0) > (spec?.backoffLimit ?? 6) ? undefined : `gave up after ${status?.failed} failures`;
    case "PodFailurePolicy":
      return spec?.podFailurePolicy ? undefined : "failed by a policy that it does not have";
    case "MaxFailedIndexesExceeded":
      return failed.size > (spec?.maxFailedIndexes ?? Number.POSITIVE_INFINITY) ? undefined : "has few failed indexes";
    case "FailedIndexes":
      return ended === spec?.completions && failed.size > 0 ? undefined : `failed with ${ended} indexes that ended`;
    default:
      return `failed for ${reason}`;
  }
}

export function cronJobs(scene: Scene): string | undefined {
  for (const cronJob of scene.objects.of("cronjobs")) {
    const why = cronJobUnrest(cronJob, scene);
    if (why) return `CronJob ${cronJob.metadata.name} ${why}`;
  }
  return undefined;
}

function cronJobUnrest({ metadata, spec, status }: CronJob, { objects }: Scene): string | undefined {
  const mine = objects.of("jobs").filter((job) => controllerOf(job)?.uid === metadata.uid);
  const ended = (type: string) => mine.filter((job) => isTrue(job.status?.conditions, type)).length;
  const { successfulJobsHistoryLimit: kept = 3, failedJobsHistoryLimit: keptFailed = 1 } = spec ?? {};
  if (ended("Complete") > kept) return `keeps ${ended("Complete")} Jobs that succeeded, of ${kept}`;
  if (ended("Failed") > keptFailed) return `keeps ${ended("Failed")} Jobs that failed, of ${keptFailed}`;
  const running = mine.filter(
    ({ status: of }) => !isTrue(of?.conditions, "Complete") && !isTrue(of?.conditions, "Failed"),
  );
  const told = (status?.active ?? []).map(({ uid }) => uid).sort();
  if (
    told.join() !==
    running
      .map((job) => job.metadata.uid)
      .sort()
      .join()
  )
    return `tells of ${told.length} running Jobs, there are ${running.length}`;
  return mine.length > 0 && !status?.lastScheduleTime ? "does not say when it last started a Job" : undefined;
}
