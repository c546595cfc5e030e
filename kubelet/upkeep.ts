/**
 * Upkeep: everything that keeps a node from filling up, wired together: eviction, limits of Pods, images, logs.
 *
 * A simulated node has no disk of its own: it only feels what its containers say that they use of its memory.
 */
import type { EventRecorder } from "../machinery/loop/controller.ts";
import type { Node, Pod } from "../machinery/objects/kinds.ts";
import type { Clock } from "../machinery/process/clock.ts";
import type { Logger } from "../machinery/process/logging.ts";
import type { KubeletSettings } from "./configuration.ts";
import type { Runtime } from "./cri/contract.ts";
import { createEviction, type Eviction } from "./eviction/eviction.ts";
import { machineObservations, simulatedObservations } from "./eviction/observations.ts";
import { podUsages } from "./eviction/pod-usage.ts";
import { enforceStorageLimits } from "./eviction/storage-limits.ts";
import { type Observations, SIGNALS, type Threshold, thresholdsOf } from "./eviction/thresholds.ts";
import { createImageCollection } from "./image-collection.ts";
import { rotateLogs } from "./log-rotation.ts";
import type { PodCgroups } from "./pods/cgroups.ts";
import type { PodPaths } from "./pods/paths.ts";
import type { PodWorker } from "./pods/worker.ts";
import { machineUsage, simulatedUsage } from "./stats/node-usage.ts";

export interface UpkeepContext {
  readonly settings: KubeletSettings;
  readonly cri: Runtime;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly events: EventRecorder;
  readonly directory: string;
  readonly memoryBytes: number;
  readonly simulated: boolean;
  readonly paths: PodPaths;
  readonly cgroups: PodCgroups;
  readonly workers: () => readonly PodWorker[];
  readonly node: () => Node | undefined;
  readonly onChange: () => void;
  readonly onEvicted: (signal: string) => void;
  readonly onImageRemoved: (id: string) => Promise<void>;
  /** What the signals say, where it is not read from the machine. */
  readonly observe?: (() => Promise<Observations>) | undefined;
}

export interface Upkeep extends Pick<Eviction, "conditions" | "refuses"> {
  /** Until the signal aborts. */
  run(): Promise<void>;
}

const SIMULATED_MEMORY = "simulated.k8ts.dev/memory-mebibytes";

export function createUpkeep(context: UpkeepContext): Upkeep {
  const { settings, cri, clock, log, signal, simulated, workers } = context;
  const usages = (of: readonly PodWorker[]) => podUsages(of, context);
  const images = createImageCollection({
    ...context,
    onRemoved: context.onImageRemoved,
    volumes: () => workers().flatMap((worker) => imagesAsVolumes(worker.pod())),
  });
  const eviction = createEviction({
    ...context,
    thresholds: thresholdsOf(settings),
    transitionMs: settings.evictionPressureTransitionPeriod,
    maxGraceSeconds: settings.evictionMaxPodGracePeriod,
    observe: context.observe ?? observer(context),
    usages,
    reclaim: (threshold) => reclaim(threshold),
  });

  /** Only images are worth removing: what containers left goes with their Pods. */
  async function reclaim({ signal: of }: Threshold): Promise<void> {
    if (SIGNALS[of].condition !== "DiskPressure" || simulated) return;
    await images.removeUnused();
  }

  return {
    conditions: eviction.conditions,
    refuses: eviction.refuses,
    async run() {
      const limited = settings.localStorageCapacityIsolation && !simulated;
      await Promise.all([
        eviction.run(),
        limited ? enforceStorageLimits({ ...context, usages }) : undefined,
        simulated ? undefined : images.run(),
        rotateLogs({
          cri,
          clock,
          log,
          signal,
          running: () => runningContainers(workers()),
          lookMs: settings.containerLogMonitorInterval,
          ...(settings.containerLogMaxSize === undefined ? {} : { maxBytes: settings.containerLogMaxSize }),
          ...(settings.containerLogMaxFiles === undefined ? {} : { maxFiles: settings.containerLogMaxFiles }),
        }),
      ]);
    },
  };

  function observer({ memoryBytes, directory }: UpkeepContext): () => Promise<Observations> {
    if (!simulated) return machineObservations({ cri, directory, memoryBytes, nodeUsage: machineUsage(clock) });
    const using = () => workers().some((worker) => worker.pod().metadata.annotations?.[SIMULATED_MEMORY]);
    return simulatedObservations({ cri, memoryBytes, nodeUsage: simulatedUsage(clock, memoryBytes) }, using);
  }
}

const imagesAsVolumes = ({ spec }: Pod): readonly string[] =>
  (spec?.volumes ?? []).flatMap(({ image }) => image?.reference ?? []);

function runningContainers(workers: readonly PodWorker[]) {
  return workers.flatMap((worker) => worker.runtime()?.containers.filter(({ state }) => state === "running") ?? []);
}
