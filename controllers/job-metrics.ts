/**
 * Metrics of Jobs and CronJobs, under the names of Kubernetes' controllers, which dashboards and alerts know.
 *
 * One for the life of a process. What is counted follows from what was written: nothing is counted for a write that failed.
 */
import type { Change } from "../machinery/client/informer.ts";
import { findCondition, isTrue } from "../machinery/objects/conditions.ts";
import type { CronJob, Job, Pod } from "../machinery/objects/kinds.ts";
import { createMetrics, type Metrics } from "../machinery/process/metrics.ts";
import { isIndexed, parseIndexes } from "./job-indexes.ts";
import { isTracked } from "./job-pods.ts";
import { hasLimitPerIndex, verdictOn } from "./job-policies.ts";
import { isTerminal } from "./pod-state.ts";

export type SyncAction = "reconciling" | "tracking" | "pods_created" | "pods_deleted";

export interface JobMetrics {
  /** A reconcile of a Job that is not finished. */
  synced(job: Job, action: SyncAction, result: "success" | "error", seconds: number): void;
  /** A status that was written; `failed`: Pods whose failure it counts for the first time. */
  wrote(before: Job, after: Job, failed: readonly Pod[]): void;
  podsMade(job: Job, succeeded: number, failed: number, terminating: number): void;
  /** A Pod as it comes, changes and goes. */
  saw(change: Change<Pod>): void;
  /** A Job that somebody else looks after. */
  foreign(managedBy: string): void;
}

export interface CronJobMetrics {
  /** A Job that was started for this time. */
  started(cronJob: CronJob, job: Job, due: number): void;
}

export interface BatchMetrics {
  readonly jobs: JobMetrics;
  readonly cronJobs: CronJobMetrics;
}

const exponential = (first: number, factor: number, count: number): number[] =>
  Array.from({ length: count }, (_, power) => first * factor ** power);

const SYNC = ["completion_mode", "result", "action"];

/** Without `metrics` nobody reads them. */
export function createBatchMetrics(metrics: Metrics = createMetrics()): BatchMetrics {
  const { counter, histogram } = metrics;
  const named = (name: string, help: string, ...labels: string[]) => counter(`job_controller_${name}`, help, labels);
  const syncs = named("job_syncs_total", "The number of job syncs", ...SYNC);
  const seconds = histogram(
    "job_controller_job_sync_duration_seconds",
    "The time it took to sync a job",
    SYNC,
    exponential(0.004, 2, 15),
  );
  const finished = named("jobs_finished_total", "The number of finished jobs", "completion_mode", "result", "reason");
  const pods = named(
    "job_pods_finished_total",
    "The number of finished Pods that are fully tracked",
    "completion_mode",
    "result",
  );
  const handled = named(
    "pod_failures_handled_by_failure_policy_total",
    "The number of failed Pods by the action of the failure policy's rule that matched",
    "action",
  );
  const tracking = named(
    "terminated_pods_tracking_finalizer_total",
    "The number of terminated Pods that have the finalizer batch.kubernetes.io/job-tracking, as they come and go",
    "event",
  );
  const indexes = named("job_finished_indexes_total", "The number of finished indexes", "status", "backoffLimit");
  const created = named("job_pods_creation_total", "The number of Pods created, by the reason", "reason", "status");
  const external = named(
    "jobs_by_external_controller_total",
    "The number of Jobs managed by an external controller",
    "controller_name",
  );
  const skew = histogram(
    "cronjob_controller_job_creation_skew_duration_seconds",
    "Time between when a cronjob is scheduled to be run, and when the corresponding job is created",
    [],
    exponential(1, 2, 10),
  );

  return {
    jobs: {
      synced(job, action, result, took) {
        syncs.of(modeOf(job), result, action).value++;
        seconds.of(modeOf(job), result, action).observe(took);
      },
      wrote(before, after, failed) {
        const mode = modeOf(after);
        for (const [type, result] of ENDS)
          if (!isTrue(before.status?.conditions, type) && isTrue(after.status?.conditions, type))
            finished.of(mode, result, findCondition(after.status?.conditions, type)?.reason ?? "").value++;
        for (const result of ["succeeded", "failed"] as const) {
          const more = (after.status?.[result] ?? 0) - (before.status?.[result] ?? 0);
          if (more > 0) pods.of(mode, result).value += more;
        }
        if (isIndexed(after)) countIndexes(before, after);
        if (after.spec?.podFailurePolicy) for (const pod of failed) handled.of(verdictOn(after, pod).action).value++;
      },
      podsMade(job, succeeded, failed, terminating) {
        const reason = reasonOf(job, terminating);
        created.of(reason, "succeeded").value += succeeded;
        created.of(reason, "failed").value += failed;
      },
      saw({ type, object, old }) {
        const was = old !== undefined && isHeldAtEnd(old);
        const is = type !== "deleted" && isHeldAtEnd(object);
        if (was !== is) tracking.of(is ? "add" : "delete").value++;
      },
      foreign: (managedBy) => void external.of(managedBy).value++,
    },
    cronJobs: {
      started(_cronJob, job, due) {
        skew.of().observe((Date.parse(job.metadata.creationTimestamp ?? "") - due) / 1000);
      },
    },
  };

  function countIndexes(before: Job, after: Job): void {
    const limit = hasLimitPerIndex(after) ? "perIndex" : "global";
    const count = (text: string | undefined) => parseIndexes(text, after.spec?.completions).size;
    for (const [status, field] of INDEXES) {
      const more = count(after.status?.[field]) - count(before.status?.[field]);
      if (more > 0) indexes.of(status, limit).value += more;
    }
  }
}

const ENDS = [
  ["Complete", "succeeded"],
  ["Failed", "failed"],
] as const;
const INDEXES = [
  ["succeeded", "completedIndexes"],
  ["failed", "failedIndexes"],
] as const;

const modeOf = (job: Job): string => (isIndexed(job) ? "Indexed" : "NonIndexed");
const isHeldAtEnd = (pod: Pod): boolean => isTerminal(pod) && isTracked(pod);

/** Why a Job needs Pods: for the first time, or in the place of others. */
function reasonOf({ spec, status }: Job, terminating: number): string {
  const failed = (status?.failed ?? 0) > 0;
  if (spec?.podReplacementPolicy === "Failed") return failed ? "recreate_failed" : "new";
  return failed || terminating > 0 ? "recreate_terminating_or_failed" : "new";
}
