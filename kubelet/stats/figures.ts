/**
 * Figures: what the node, its Pods and their containers use, read once for whoever asks.
 *
 * CPU only ever counts up, so that a reader with two readings knows the rate; nothing here is sampled while
 * nobody asks. A container that has ended has no figures. Their forms: summary.ts and resource-metrics.ts.
 */
import type { Volume } from "../../machinery/objects/kinds.ts";
import type { Runtime } from "../cri/contract.ts";
import { type ContainerStats, nanosToMs, type PodSandboxStats } from "../cri/messages.ts";
import { CONTAINER_NAME, POD_UID } from "../pods/labels.ts";
import { latest } from "../pods/runtime-state.ts";
import type { PodWorker } from "../pods/worker.ts";
import type { PodWorkers } from "../pods/workers.ts";
import type { NodeUsage } from "./node-usage.ts";

export interface Usage {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly cpuNanoSeconds: number;
  readonly workingSetBytes: number;
  readonly usageBytes?: number | undefined;
  readonly rssBytes?: number | undefined;
  readonly availableBytes?: number | undefined;
  readonly pageFaults?: number | undefined;
  readonly majorPageFaults?: number | undefined;
}

export interface ContainerFigures {
  readonly name: string;
  readonly id: string;
  readonly startedAt: number;
  readonly usage: Usage;
  /** What it wrote into its own layer. */
  readonly layer?: { readonly at: number; readonly usedBytes?: number; readonly inodesUsed?: number } | undefined;
}

export interface PodFigures {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly startedAt: number | undefined;
  /** The sum of its containers'. */
  readonly usage: Usage;
  readonly containers: readonly ContainerFigures[];
  readonly network?: NonNullable<PodSandboxStats["linux"]>["network"];
  readonly processes?: number | undefined;
  /** Its volumes on this node's own disk. */
  readonly volumes: readonly string[];
}

export interface Figures {
  readonly node: Usage;
  readonly pods: readonly PodFigures[];
}

export interface FigureSources {
  readonly cri: Runtime;
  readonly workers: PodWorkers;
  readonly nodeUsage: NodeUsage;
}

export async function readFigures({ cri, workers, nodeUsage }: FigureSources): Promise<Figures> {
  const { stats } = await cri.listContainerStats({});
  const pods = await podFigures(cri, workers.list(), stats);
  return { node: await nodeUsage(stats), pods };
}

export async function podFigures(
  cri: Runtime,
  workers: readonly PodWorker[],
  given?: readonly ContainerStats[],
): Promise<readonly PodFigures[]> {
  const [stats, sandboxes] = await Promise.all([
    given ?? cri.listContainerStats({}).then((answer) => answer.stats),
    sandboxStats(cri),
  ]);
  const byPod = Map.groupBy(stats, ({ attributes }) => attributes.labels[POD_UID] ?? "");
  const pods: PodFigures[] = [];
  for (const worker of workers) {
    const { metadata } = worker.pod();
    const sandbox = sandboxes.get(metadata.uid)?.linux;
    const containers = containersOf(byPod.get(metadata.uid) ?? [], (name) => {
      const runtime = worker.runtime();
      return runtime && latest(runtime, name);
    });
    if (containers.length === 0) continue;
    const started = worker.status().startTime;
    pods.push({
      name: metadata.name,
      namespace: metadata.namespace ?? "",
      uid: metadata.uid,
      startedAt: started ? Date.parse(started) : undefined,
      usage: sum(containers.map(({ usage }) => usage)),
      containers,
      ...(sandbox?.network ? { network: sandbox.network } : {}),
      processes: sandbox?.process?.processCount?.value,
      volumes: (worker.pod().spec?.volumes ?? []).filter(isOnDisk).map(({ name }) => name),
    });
  }
  return pods;
}

/** Made by the kubelet for this Pod, and not in memory. */
function isOnDisk({ emptyDir, hostPath, persistentVolumeClaim, ephemeral }: Volume): boolean {
  return !hostPath && !persistentVolumeClaim && !ephemeral && emptyDir?.medium !== "Memory";
}

/** Older runtimes do not know of sandboxes' figures: then there are none. */
async function sandboxStats(cri: Runtime): Promise<ReadonlyMap<string, PodSandboxStats>> {
  const { stats } = await cri.listPodSandboxStats({}).catch(() => ({ stats: [] }));
  return new Map(stats.map((one) => [one.attributes.labels[POD_UID] ?? "", one]));
}

function containersOf(
  stats: readonly ContainerStats[],
  record: (name: string) => { readonly id: string; readonly startedAt: number; readonly state: string } | undefined,
): ContainerFigures[] {
  return stats.flatMap((one) => {
    const { attributes, writableLayer } = one;
    const name = attributes.labels[CONTAINER_NAME] ?? attributes.metadata.name;
    const known = record(name);
    const usage = usageOf(one);
    // Of earlier runs that are kept for their logs there is nothing to tell.
    if (!usage || known?.id !== attributes.id || known.state !== "running") return [];
    const layerAt = writableLayer && nanosToMs(writableLayer.timestamp);
    const { usedBytes, inodesUsed } = writableLayer ?? {};
    const layer = layerAt !== undefined && {
      at: layerAt,
      ...(usedBytes ? { usedBytes: usedBytes.value } : {}),
      ...(inodesUsed ? { inodesUsed: inodesUsed.value } : {}),
    };
    return [{ name, id: attributes.id, startedAt: known.startedAt, usage, ...(layer ? { layer } : {}) }];
  });
}

function usageOf({ cpu, memory }: ContainerStats): Usage | undefined {
  const at = nanosToMs(cpu?.timestamp ?? "0");
  if (at === undefined || !cpu?.usageCoreNanoSeconds || !memory?.workingSetBytes) return undefined;
  return {
    at,
    cpuNanoSeconds: cpu.usageCoreNanoSeconds.value,
    workingSetBytes: memory.workingSetBytes.value,
    usageBytes: memory.usageBytes?.value,
    rssBytes: memory.rssBytes?.value,
    availableBytes: memory.availableBytes?.value,
    pageFaults: memory.pageFaults?.value,
    majorPageFaults: memory.majorPageFaults?.value,
  };
}

function sum(usages: readonly Usage[]): Usage {
  const total = (of: (usage: Usage) => number | undefined) => usages.reduce((all, one) => all + (of(one) ?? 0), 0);
  return {
    at: Math.max(...usages.map(({ at }) => at)),
    cpuNanoSeconds: total(({ cpuNanoSeconds }) => cpuNanoSeconds),
    workingSetBytes: total(({ workingSetBytes }) => workingSetBytes),
    usageBytes: total(({ usageBytes }) => usageBytes),
    rssBytes: total(({ rssBytes }) => rssBytes),
    pageFaults: total(({ pageFaults }) => pageFaults),
    majorPageFaults: total(({ majorPageFaults }) => majorPageFaults),
  };
}
