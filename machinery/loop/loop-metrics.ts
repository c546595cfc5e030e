/**
 * Loop metrics: what controllers do, under the names that client-go's queues and controller-runtime use.
 *
 * One for the life of a process: controllers that begin anew after a lost leadership go on counting in it.
 */
import type { Counter, Histogram, Metrics } from "../process/metrics.ts";

export type ReconcileResult = "success" | "error" | "requeue_after";

export interface ControllerMetrics {
  /** Keys that came into the queue; the queue itself counts. */
  readonly adds: Counter;
  readonly retries: Counter;
  readonly waited: Histogram;
  done(result: ReconcileResult, seconds: number): void;
}

/** What a queue has anyway, asked when somebody reads. */
export interface Watched {
  readonly length: number;
  readonly active: number;
  working(): readonly number[];
}

export interface LoopMetrics {
  of(controller: string): ControllerMetrics;
  /** The queue that the controller works on from now. */
  watch(controller: string, queue: Watched, workers: number): void;
}

const QUEUE_SECONDS = [1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1, 10];
const RECONCILE_SECONDS = [
  0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.25, 1.5, 1.75, 2,
  2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9, 10, 15, 20, 25, 30, 40, 50, 60,
];
const RESULTS = ["success", "error", "requeue_after"] as const;

export function createLoopMetrics(metrics: Metrics): LoopMetrics {
  const queues = new Map<string, Watched>();
  const depth = metrics.gauge("workqueue_depth", "Current depth of workqueue", ["name"]);
  const adds = metrics.counter("workqueue_adds_total", "Total number of adds handled by workqueue", ["name"]);
  const retries = metrics.counter("workqueue_retries_total", "Total number of retries handled by workqueue", ["name"]);
  const waited = metrics.histogram(
    "workqueue_queue_duration_seconds",
    "How long in seconds an item stays in workqueue before being requested.",
    ["name"],
    QUEUE_SECONDS,
  );
  const worked = metrics.histogram(
    "workqueue_work_duration_seconds",
    "How long in seconds processing an item from workqueue takes.",
    ["name"],
    QUEUE_SECONDS,
  );
  const totals = metrics.counter(
    "controller_runtime_reconcile_total",
    "Total number of reconciliations per controller",
    ["controller", "result"],
  );
  const errors = metrics.counter(
    "controller_runtime_reconcile_errors_total",
    "Total number of reconciliation errors per controller",
    ["controller"],
  );
  const times = metrics.histogram(
    "controller_runtime_reconcile_time_seconds",
    "Length of time per reconciliation per controller",
    ["controller"],
    RECONCILE_SECONDS,
  );
  const active = metrics.gauge("controller_runtime_active_workers", "Number of currently used workers per controller", [
    "controller",
  ]);
  const most = metrics.gauge(
    "controller_runtime_max_concurrent_reconciles",
    "Maximum number of concurrent reconciles per controller",
    ["controller"],
  );
  const unfinished = metrics.gauge(
    "workqueue_unfinished_work_seconds",
    "How many seconds of work has been done that is in progress and hasn't been observed by work_duration.",
    ["name"],
  );
  const longest = metrics.gauge(
    "workqueue_longest_running_processor_seconds",
    "How many seconds has the longest running processor for workqueue been running.",
    ["name"],
  );
  metrics.onRead(() => {
    for (const [name, queue] of queues) {
      depth.of(name).value = queue.length;
      active.of(name).value = queue.active;
      const working = queue.working();
      unfinished.of(name).value = working.reduce((sum, ms) => sum + ms, 0) / 1000;
      longest.of(name).value = Math.max(0, ...working) / 1000;
    }
  });
  return {
    of(name) {
      const [success, error, after] = RESULTS.map((result) => totals.of(name, result)) as [Counter, Counter, Counter];
      const byResult = { success, error, requeue_after: after };
      const [failed, time, work] = [errors.of(name), times.of(name), worked.of(name)];
      return {
        adds: adds.of(name),
        retries: retries.of(name),
        waited: waited.of(name),
        done(result, seconds) {
          byResult[result].value++;
          if (result === "error") failed.value++;
          time.observe(seconds);
          work.observe(seconds);
        },
      };
    },
    watch(name, queue, workers) {
      queues.set(name, queue);
      most.of(name).value = workers;
    },
  };
}
