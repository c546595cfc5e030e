/**
 * Stats: /stats/summary for people and tools, /metrics/resource for metrics.k8s.io, /metrics/cadvisor for dashboards,
 * /metrics/probes, and /metrics of the kubelet itself.
 *
 * Nothing is measured while nobody asks. What is told: stats/.
 */
import { uptime } from "node:os";
import { ApiError } from "../machinery/objects/status.ts";
import type { Clock } from "../machinery/process/clock.ts";
import type { Logger } from "../machinery/process/logging.ts";
import type { Metrics } from "../machinery/process/metrics.ts";
import type { Runtime } from "./cri/contract.ts";
import type { PodPaths } from "./pods/paths.ts";
import type { PodWorkers } from "./pods/workers.ts";
import { cadvisorMetrics } from "./stats/cadvisor-metrics.ts";
import { type Figures, readFigures } from "./stats/figures.ts";
import { createFileSystems } from "./stats/file-systems.ts";
import { machineUsage, simulatedUsage } from "./stats/node-usage.ts";
import { resourceMetrics } from "./stats/resource-metrics.ts";
import { createSummary } from "./stats/summary.ts";

export interface NodeStats {
  summary(onlyCpuAndMemory: boolean): Promise<unknown>;
  resourceMetrics(): Promise<string>;
  cadvisorMetrics(): Promise<string>;
  probeMetrics(): Promise<string>;
  kubeletMetrics(): Promise<string>;
}

export interface NodeStatsOptions {
  readonly cri: Runtime;
  readonly workers: PodWorkers;
  readonly clock: Clock;
  readonly log: Logger;
  readonly nodeName: string;
  /** The kubelet's directory, for the node's file system. */
  readonly directory: string;
  readonly paths: PodPaths;
  readonly simulated: boolean;
  readonly memoryBytes: number;
  /** What the kubelet counts of its own work. */
  readonly metrics: Pick<Metrics, "text">;
  readonly probeMetrics: Pick<Metrics, "text">;
  readonly cpus: number;
}

export function createNodeStats(options: NodeStatsOptions): NodeStats {
  const { clock, log, simulated, memoryBytes, cpus, workers } = options;
  const started = clock.now();
  const bootedAt = simulated ? started : started - uptime() * 1000;
  const nodeUsage = simulated ? simulatedUsage(clock, memoryBytes) : machineUsage(clock);
  const sources = { ...options, nodeUsage };
  const summary = createSummary({ ...options, bootedAt, disks: createFileSystems(options) });
  /** Never rejects: a reading that fails is told as such. */
  async function textOf(write: (figures: Figures | undefined) => string): Promise<string> {
    try {
      return write(await readFigures(sources));
    } catch (error) {
      log.warn("the containers' figures could not be read", { error });
      return write(undefined);
    }
  }
  return {
    probeMetrics: () => options.probeMetrics.text(),
    kubeletMetrics: () => options.metrics.text(),
    summary: async (onlyCpuAndMemory) => summary(await readFigures(sources), onlyCpuAndMemory),
    resourceMetrics: () => textOf(resourceMetrics),
    cadvisorMetrics() {
      const specs = new Map(workers.list().map((worker) => [worker.pod().metadata.uid, worker.pod()]));
      const more = { specs, machine: { cpus, memoryBytes }, now: clock.now() };
      return textOf((figures) => cadvisorMetrics(figures && { ...figures, ...more }));
    },
  };
}

/** Which of the paths below /stats and /metrics there are. */
export function checkPath(parts: readonly string[], known: string): void {
  if (parts.join("/") !== known) throw new ApiError("NotFound", "404 page not found");
}
