/**
 * Kubelet metrics: what /metrics tells of the kubelet itself, under Kubernetes' names.
 *
 * Counting costs an addition; what runs is counted only when somebody asks. What Pods use is told elsewhere: stats/.
 * https://kubernetes.io/docs/reference/instrumentation/metrics/
 */
import type { Clock } from "../machinery/process/clock.ts";
import { createMetrics, type Metrics } from "../machinery/process/metrics.ts";
import { addProcessMetrics } from "../machinery/process/process-metrics.ts";
import type { Runtime } from "./cri/contract.ts";
import type { StatusWriter } from "./pods/status-writer.ts";
import type { PodWorker } from "./pods/worker.ts";

export interface KubeletMetricsContext {
  readonly clock: Clock;
  readonly nodeName: string;
  readonly workers: () => readonly PodWorker[];
}

export interface KubeletMetrics extends Pick<Metrics, "text"> {
  /** The runtime, each call of which is counted. */
  counted(cri: Runtime): Runtime;
  /** The writer, through which each Pod's start is seen. */
  timed<W extends StatusWriter>(statuses: W): W;
  evicted(signal: string): void;
}

const OPERATION_BUCKETS = [0.005, 0.0125, 0.03, 0.08, 0.2, 0.5, 1.2, 3, 7.5, 20, 50, 120, 300, 600];
const START_BUCKETS = [0.5, 1, 2, 3, 4, 5, 6, 8, 10, 20, 30, 45, 60, 120, 180, 240, 300, 360, 480, 600, 900, 1200];
/** These go on as long as the kubelet does. */
const UNCOUNTED: ReadonlySet<PropertyKey> = new Set(["getContainerEvents", "close"]);

export function createKubeletMetrics({ clock, nodeName, workers }: KubeletMetricsContext): KubeletMetrics {
  const metrics = createMetrics();
  addProcessMetrics(metrics, clock);
  metrics.gauge("kubelet_node_name", "The node's name. The count is always 1.", ["node"]).of(nodeName).value = 1;
  const pods = metrics.gauge("kubelet_running_pods", "Number of pods that have a running pod sandbox").of();
  const containers = metrics.gauge("kubelet_running_containers", "Number of containers currently running", [
    "container_state",
  ]);
  const evictions = metrics.counter("kubelet_evictions", "Cumulative number of pod evictions by eviction signal", [
    "eviction_signal",
  ]);
  const labels = ["operation_type"];
  const operations = metrics.counter(
    "kubelet_runtime_operations_total",
    "Cumulative number of runtime operations by operation type.",
    labels,
  );
  const errors = metrics.counter(
    "kubelet_runtime_operations_errors_total",
    "Cumulative number of runtime operation errors by operation type.",
    labels,
  );
  const durations = metrics.histogram(
    "kubelet_runtime_operations_duration_seconds",
    "Duration in seconds of runtime operations. Broken down by operation type.",
    labels,
    OPERATION_BUCKETS,
  );
  const starts = metrics
    .histogram(
      "kubelet_pod_start_duration_seconds",
      "Duration in seconds from kubelet seeing a pod for the first time to the pod starting to run",
      [],
      START_BUCKETS,
    )
    .of();

  metrics.onRead(() => {
    const states = new Map<string, number>(["created", "running", "exited", "unknown"].map((state) => [state, 0]));
    let running = 0;
    for (const worker of workers()) {
      const runtime = worker.runtime();
      if (runtime?.sandboxes.some(({ ready }) => ready)) running++;
      for (const { state } of runtime?.containers ?? []) {
        states.set(state, (states.get(state) ?? 0) + 1);
      }
    }
    pods.value = running;
    for (const [state, count] of states) containers.of(state).value = count;
  });

  async function count(name: string, call: () => Promise<unknown>): Promise<unknown> {
    const operation = operationOf(name);
    const began = clock.monotonic();
    operations.of(operation).value++;
    try {
      return await call();
    } catch (error) {
      errors.of(operation).value++;
      throw error;
    } finally {
      durations.of(operation).observe((clock.monotonic() - began) / 1000);
    }
  }

  /** Uids of Pods that were seen and do not run yet, with when they were seen. */
  const waiting = new Map<string, number>();

  return {
    text: metrics.text,
    evicted: (signal) => void evictions.of(signal).value++,
    counted: (cri) =>
      new Proxy(cri, {
        get(target, name) {
          const member: unknown = Reflect.get(target, name);
          if (typeof member !== "function" || UNCOUNTED.has(name)) return member;
          return (...args: unknown[]) =>
            count(String(name), () => Reflect.apply(member, target, args) as Promise<unknown>);
        },
      }),
    timed: (statuses) => ({
      ...statuses,
      set(pod, status) {
        const { uid } = pod.metadata;
        if (status.phase === "Pending" && !waiting.has(uid)) waiting.set(uid, clock.monotonic());
        const since = waiting.get(uid);
        if (status.phase !== "Pending" && since !== undefined) {
          waiting.delete(uid);
          if (status.phase === "Running") starts.observe((clock.monotonic() - since) / 1000);
        }
        statuses.set(pod, status);
      },
      forget(uid) {
        waiting.delete(uid);
        statuses.forget(uid);
      },
    }),
  };
}

/** "runPodSandbox" ► "run_podsandbox". */
export function operationOf(name: string): string {
  return name
    .replace("PodSandbox", "Podsandbox")
    .replace(/^podSandbox/, "podsandbox")
    .replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
