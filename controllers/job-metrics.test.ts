/** What is counted of Jobs: from what was there before and what was written. */
import { expect, test } from "vitest";
import type { Job, Pod } from "../machinery/objects/kinds.ts";
import { createMetrics } from "../machinery/process/metrics.ts";
import { createBatchMetrics } from "./job-metrics.ts";

const job = (spec: object, status: object): Job =>
  ({ metadata: { name: "a", namespace: "default" }, spec, status }) as unknown as Job;
const held = (phase: string, finalizers: readonly string[]): Pod =>
  ({ metadata: { name: "a-1", finalizers }, status: { phase } }) as unknown as Pod;
const TRACKING = "batch.kubernetes.io/job-tracking";

test("Jobs are counted under the names of Kubernetes' controllers", async () => {
  const metrics = createMetrics();
  const { jobs, cronJobs } = createBatchMetrics(metrics);
  const indexed = { completionMode: "Indexed", completions: 5, backoffLimitPerIndex: 1 };
  const end = { type: "Complete", status: "True", reason: "CompletionsReached" };
  const rules = [{ action: "Ignore", onPodConditions: [{ type: "DisruptionTarget" }] }];

  jobs.synced(job({}, {}), "pods_created", "success", 0.01);
  jobs.wrote(job(indexed, {}), job(indexed, { succeeded: 3, completedIndexes: "0-2", failedIndexes: "4" }), []);
  jobs.wrote(job({}, { failed: 1 }), job({}, { failed: 2, succeeded: 1, conditions: [end] }), []);
  jobs.wrote(job({}, {}), job({ podFailurePolicy: { rules } }, { failed: 1 }), [held("Failed", [])]);
  jobs.podsMade(job({}, {}), 2, 1, 0);
  jobs.podsMade(job({ podReplacementPolicy: "Failed" }, { failed: 1 }), 1, 0, 0);
  jobs.foreign("example.org/other");
  const change = { key: "default/a-1", object: held("Failed", [TRACKING]) };
  jobs.saw({ ...change, type: "updated", old: held("Running", [TRACKING]) });
  jobs.saw({ ...change, type: "updated", old: held("Failed", [TRACKING]) });
  jobs.saw({ ...change, type: "deleted", old: held("Failed", [TRACKING]) });
  const started = { metadata: { creationTimestamp: "2026-01-01T00:00:07Z" } } as Job;
  cronJobs.started({} as never, started, Date.parse("2026-01-01T00:00:00Z"));

  const text = await metrics.text();
  for (const line of [
    'job_syncs_total{completion_mode="NonIndexed",result="success",action="pods_created"} 1',
    'job_sync_duration_seconds_bucket{completion_mode="NonIndexed",result="success",action="pods_created",le="0.016"} 1',
    'jobs_finished_total{completion_mode="NonIndexed",result="succeeded",reason="CompletionsReached"} 1',
    'job_pods_finished_total{completion_mode="Indexed",result="succeeded"} 3',
    'job_pods_finished_total{completion_mode="NonIndexed",result="failed"} 2',
    'job_finished_indexes_total{status="succeeded",backoffLimit="perIndex"} 3',
    'job_finished_indexes_total{status="failed",backoffLimit="perIndex"} 1',
    'pod_failures_handled_by_failure_policy_total{action="Count"} 1',
    'job_pods_creation_total{reason="new",status="succeeded"} 2',
    'job_pods_creation_total{reason="new",status="failed"} 1',
    'job_pods_creation_total{reason="recreate_failed",status="succeeded"} 1',
    'jobs_by_external_controller_total{controller_name="example.org/other"} 1',
    'terminated_pods_tracking_finalizer_total{event="add"} 1',
    'terminated_pods_tracking_finalizer_total{event="delete"} 1',
  ])
    expect(text).toContain(`job_controller_${line}\n`);
  expect(text).toContain("cronjob_controller_job_creation_skew_duration_seconds_sum 7\n");
});
