/**
 * Stats: /stats/summary for people and tools, /metrics/resource for metrics.k8s.io, /metrics of the kubelet itself.
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
import { readFigures } from "./stats/figures.ts";
import { createFileSystems } from "./stats/file-systems.ts";
import { machineUsage, simulatedUsage } from "./stats/node-usage.ts";
import { resourceMetrics } from "./stats/resource-metrics.ts";
import { createSummary } from "./stats/summary.ts";

export interface NodeStats {
  summary(onlyCpuAndMemory: boolean): Promise<unknown>;
  /** Never rejects: a reading that fails is told as such. */
  resourceMetrics(): Promise<string>;
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
}

export function createNodeStats(options: NodeStatsOptions): NodeStats {
  const { clock, log, simulated, memoryBytes } = options;
  const started = clock.now();
  const bootedAt = simulated ? started : started - uptime() * 1000;
  const nodeUsage = simulated ? simulatedUsage(clock, memoryBytes) : machineUsage(clock);
  const sources = { ...options, nodeUsage };
  const summary = createSummary({ ...options, bootedAt, disks: createFileSystems(options) });
  return {
    kubeletMetrics: () => options.metrics.text(),
    summary: async (onlyCpuAndMemory) => summary(await readFigures(sources), onlyCpuAndMemory),
    async resourceMetrics() {
      try {
        return resourceMetrics(await readFigures(sources));
      } catch (error) {
        log.warn("the containers' figures could not be read", { error });
        return resourceMetrics(undefined);
      }
    },
  };
}

/** Which of the paths below /stats and /metrics there are. */
export function checkPath(parts: readonly string[], known: string): void {
  if (parts.join("/") !== known) throw new ApiError("NotFound", "404 page not found");
}
