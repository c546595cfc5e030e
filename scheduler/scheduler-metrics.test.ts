/** What a scheduler counts: attempts by result, and the Pods that wait. */
import { expect, test } from "vitest";
import { nodeDraft, podDraft, startScheduled } from "../e2e/harness/scheduled.ts";
import { systemClock } from "../machinery/process/clock.ts";
import { silent } from "../machinery/process/logging.ts";
import { createMetrics } from "../machinery/process/metrics.ts";
import { runScheduler, SCHEDULER_USER } from "./scheduler.ts";

test("Pods that are placed and Pods that fit nowhere", async () => {
  const { client, pipeline, nodeOf, condition, close } = await startScheduled(nodeDraft("a"));
  const metrics = createMetrics();
  const stop = new AbortController();
  const ended = runScheduler({
    client: pipeline.client(SCHEDULER_USER, []),
    clock: systemClock,
    log: silent,
    signal: stop.signal,
    leadership: "none",
    metrics,
  });
  const fitsNowhere = podDraft("large");
  await client.create("pods", podDraft("one"));
  await client.create("pods", {
    ...fitsNowhere,
    spec: { ...fitsNowhere.spec, nodeSelector: { there: "is-none" } } as never,
  });
  await expect.poll(() => nodeOf("one")).toBe("a");
  await expect.poll(async () => (await condition("large"))?.reason).toBe("Unschedulable");
  await expect.poll(() => metrics.text()).toContain('scheduler_pending_pods{queue="unschedulable"} 1\n');
  const text = await metrics.text();
  for (const result of ["scheduled", "unschedulable"]) {
    const labels = `{result="${result}",profile="default-scheduler"}`;
    expect(text).toContain(`scheduler_schedule_attempts_total${labels} 1\n`);
    expect(text).toContain(`scheduler_scheduling_attempt_duration_seconds_count${labels} 1\n`);
  }
  expect(text).toContain("scheduler_scheduling_algorithm_duration_seconds_count 2\n");
  stop.abort(new Error("stopped"));
  await ended;
  await close();
});
