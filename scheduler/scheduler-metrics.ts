/**
 * Scheduler metrics: Pods that wait, and what became of each attempt, under the names of Kubernetes' scheduler.
 *
 * One for the life of a process: a scheduler that leads again goes on counting in it.
 */
import type { Metrics } from "../machinery/process/metrics.ts";
import type { PendingPods } from "./queue.ts";

export type AttemptResult = "scheduled" | "unschedulable" | "error";

export interface SchedulerMetrics {
  /** The queue that is worked on from now. */
  watch(queue: { pending(): PendingPods }): void;
  /** How long the decision took alone. */
  decided(seconds: number): void;
  /** An attempt with everything that it wrote. */
  attempted(result: AttemptResult, seconds: number, profile: string): void;
}

/** From a millisecond to sixteen seconds. */
const SECONDS = Array.from({ length: 15 }, (_, power) => 0.001 * 2 ** power);

export function createSchedulerMetrics(metrics: Metrics): SchedulerMetrics {
  let queue: { pending(): PendingPods } | undefined;
  const pending = metrics.gauge("scheduler_pending_pods", "Number of pending pods, by the queue type.", ["queue"]);
  const attempts = metrics.counter(
    "scheduler_schedule_attempts_total",
    "Number of attempts to schedule pods, by the result.",
    ["result", "profile"],
  );
  const latency = metrics.histogram(
    "scheduler_scheduling_attempt_duration_seconds",
    "Scheduling attempt latency in seconds (scheduling algorithm + binding)",
    ["result", "profile"],
    SECONDS,
  );
  const algorithm = metrics
    .histogram(
      "scheduler_scheduling_algorithm_duration_seconds",
      "Scheduling algorithm latency in seconds",
      [],
      SECONDS,
    )
    .of();
  metrics.onRead(() => {
    for (const [name, count] of Object.entries(queue?.pending() ?? {})) pending.of(name).value = count;
  });
  return {
    watch(current) {
      queue = current;
    },
    decided: (seconds) => algorithm.observe(seconds),
    attempted(result, seconds, profile) {
      attempts.of(result, profile).value++;
      latency.of(result, profile).observe(seconds);
    },
  };
}
