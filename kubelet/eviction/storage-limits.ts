/**
 * Storage limits: ends Pods that use more of the node's disk than they may, whatever is left of it.
 *
 * Three limits: of an emptyDir on disk, of a container (its layer and logs), of the whole Pod. Volumes in memory are
 * held by their tmpfs. Only Pods that have such a limit are measured, as often as the node's pressure is looked at.
 */
import type { EventRecorder } from "../../machinery/loop/controller.ts";
import type { Container, Pod } from "../../machinery/objects/kinds.ts";
import { podAmounts } from "../../machinery/objects/pod-resources.ts";
import { canonicalQuantity, formatQuantity, unitValue } from "../../machinery/objects/quantity.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import type { Logger } from "../../machinery/process/logging.ts";
import type { PodPaths } from "../pods/paths.ts";
import { initContainers, isTerminal, regularContainers } from "../pods/pod-spec.ts";
import type { PodWorker } from "../pods/worker.ts";
import { directoryUsage } from "../stats/directory-usage.ts";
import { EVICTED } from "./eviction.ts";
import { localStorage } from "./messages.ts";
import { isCritical, type PodUsage } from "./ranking.ts";

const LOOK_MS = 10_000;
const GRACE_SECONDS = 1;
const STORAGE = "ephemeral-storage";

export interface StorageLimits {
  readonly workers: () => readonly PodWorker[];
  readonly usages: (workers: readonly PodWorker[]) => Promise<ReadonlyMap<string, PodUsage>>;
  readonly paths: PodPaths;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly events: EventRecorder;
  readonly onEvicted: (limit: string) => void;
}

interface Excess {
  /** As Kubernetes' metric names it. */
  readonly limit: string;
  readonly message: string;
}

/** Runs until the signal aborts. */
export async function enforceStorageLimits(limits: StorageLimits): Promise<void> {
  const { clock, signal, log } = limits;
  while (!signal.aborted) {
    try {
      await enforceOnce(limits);
    } catch (error) {
      if (!signal.aborted) log.warn("what Pods use of the disk could not be read", { error });
    }
    await clock.sleep(LOOK_MS, signal).catch(() => undefined);
  }
}

async function enforceOnce({ workers, usages, paths, events, onEvicted }: StorageLimits): Promise<void> {
  const limited = workers().filter((worker) => !worker.ends() && !isTerminal(worker.pod()) && hasLimits(worker.pod()));
  if (limited.length === 0) return;
  const measured = await usages(limited.filter((worker) => limitsUsage(worker.pod())));
  for (const worker of limited) {
    const pod = worker.pod();
    if (isCritical(pod)) continue;
    const excess = (await emptyDirExcess(pod, paths)) ?? usageExcess(pod, measured.get(pod.metadata.uid));
    if (!excess) continue;
    events.warning(pod, EVICTED, excess.message);
    worker.terminate({ reason: EVICTED, message: excess.message, graceSeconds: GRACE_SECONDS });
    onEvicted(excess.limit);
  }
}

const limitedDirs = (pod: Pod) =>
  (pod.spec?.volumes ?? []).filter(
    ({ emptyDir }) => emptyDir?.sizeLimit && emptyDir.medium !== "Memory" && unitValue(emptyDir.sizeLimit) > 0,
  );

const storageLimit = (container: Container): number => unitValue(container.resources?.limits?.[STORAGE]);

const limitsUsage = (pod: Pod): boolean => [...regularContainers(pod), ...initContainers(pod)].some(storageLimit);

const hasLimits = (pod: Pod): boolean => limitsUsage(pod) || limitedDirs(pod).length > 0;

export async function emptyDirExcess(pod: Pod, paths: PodPaths): Promise<Excess | undefined> {
  for (const { name, emptyDir } of limitedDirs(pod)) {
    const limit = emptyDir?.sizeLimit ?? "0";
    const { bytes } = await directoryUsage(paths.volume(pod.metadata.uid, name));
    if (bytes <= unitValue(limit)) continue;
    return { limit: "emptydirfs.limit", message: localStorage.emptyDir(name, canonicalQuantity(limit)) };
  }
  return undefined;
}

/** The whole Pod is limited to the sum of its containers' limits, as soon as one has any. */
export function usageExcess(pod: Pod, usage: PodUsage | undefined): Excess | undefined {
  if (!usage) return undefined;
  const limit = podAmounts(pod.spec ?? { containers: [] }, "limits", { overhead: false })[STORAGE];
  if (limit && usage.disk > unitValue(formatQuantity(limit)))
    return { limit: "ephemeralpodfs.limit", message: localStorage.pod(formatQuantity(limit)) };
  for (const container of regularContainers(pod)) {
    const most = storageLimit(container);
    if (most === 0 || (usage.containers.get(container.name)?.disk ?? 0) <= most) continue;
    const text = canonicalQuantity(container.resources?.limits?.[STORAGE] ?? "0");
    return { limit: "ephemeralcontainerfs.limit", message: localStorage.container(container.name, text) };
  }
  return undefined;
}
