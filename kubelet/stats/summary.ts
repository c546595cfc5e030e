/**
 * Summary: the figures as the JSON of /stats/summary, with disks and rates.
 *
 * A rate is what was used since the reading before, where there is one that is not too fresh; at most one earlier
 * reading is kept of each container that runs. `?only_cpu_and_memory=true` leaves out what must be read from disks.
 */
import { type Clock, wireTime } from "../../machinery/process/clock.ts";
import { nanosToMs } from "../cri/messages.ts";
import type { DirectoryUsage } from "./directory-usage.ts";
import type { ContainerFigures, Figures, PodFigures, Usage } from "./figures.ts";
import type { FileSystems } from "./file-systems.ts";

export interface SummaryOptions {
  readonly nodeName: string;
  readonly clock: Pick<Clock, "now">;
  /** When the node's kubelet or machine started: the counters' beginning. */
  readonly bootedAt: number;
  readonly disks: FileSystems;
}

export type Summary = (figures: Figures, onlyCpuAndMemory: boolean) => Promise<unknown>;

/** Readings that are closer to each other tell of noise. */
const LEAST_MS = 1_000;

export function createSummary({ nodeName, clock, bootedAt, disks }: SummaryOptions): Summary {
  let before = new Map<string, Usage>();
  let rates = new Map<string, number>();

  /** Nanocores by id, from this reading and the one before. */
  function rated(usages: ReadonlyMap<string, Usage>): ReadonlyMap<string, number> {
    const nextRates = new Map<string, number>();
    const nextBefore = new Map<string, Usage>();
    for (const [id, usage] of usages) {
      const earlier = before.get(id);
      const elapsed = earlier ? usage.at - earlier.at : 0;
      const fresh = earlier && elapsed < LEAST_MS;
      nextBefore.set(id, fresh ? earlier : usage);
      const used = earlier ? usage.cpuNanoSeconds - earlier.cpuNanoSeconds : -1;
      const rate = earlier && !fresh && used >= 0 ? Math.round((used * 1000) / elapsed) : rates.get(id);
      if (rate !== undefined) nextRates.set(id, rate);
    }
    before = nextBefore;
    rates = nextRates;
    return rates;
  }

  return async (figures, onlyCpuAndMemory) => {
    const { node, pods } = figures;
    const known = rated(usagesOf(figures));
    const disk = onlyCpuAndMemory ? undefined : await disks.read();
    return {
      node: {
        nodeName,
        startTime: wireTime(bootedAt),
        ...usage(node, known.get(NODE)),
        ...(disk && {
          network: disk.network,
          fs: disk.node,
          runtime: { imageFs: disk.images, containerFs: disk.images },
          rlimit: disk.processes,
        }),
      },
      pods: await Promise.all(pods.map((pod) => podSummary(pod, onlyCpuAndMemory))),
    };

    async function podSummary(pod: PodFigures, plain: boolean) {
      const { name, namespace, uid, startedAt, containers, network, processes } = pod;
      const logs = plain ? undefined : await disks.logs(pod);
      const volumes = plain ? undefined : await disks.volumes(uid, pod.volumes);
      return {
        podRef: { name, namespace, uid },
        startTime: wireTime(startedAt ?? Math.min(...containers.map((one) => one.startedAt))),
        containers: containers.map((one) => containerSummary(one, logs)),
        ...usage(pod.usage, sumOf(containers.map(({ id }) => known.get(id)))),
        ...(network && !plain && { network: networkOf(network, clock.now()) }),
        ...(volumes && { volume: [...volumes].map(([name, used]) => volumeSummary(name, used)) }),
        ...(!plain && { "ephemeral-storage": ephemeral(containers, logs, volumes) }),
        ...(processes !== undefined && { process_stats: { process_count: processes } }),
      };
    }

    function containerSummary(one: ContainerFigures, logs: ReadonlyMap<string, number> | undefined) {
      const { name, id, startedAt, layer } = one;
      const whole = disk?.images;
      const shared = whole && {
        availableBytes: whole.availableBytes,
        capacityBytes: whole.capacityBytes,
        inodesFree: whole.inodesFree,
        inodes: whole.inodes,
      };
      const { at, ...used } = layer ?? { at: one.usage.at };
      return {
        name,
        startTime: wireTime(startedAt),
        ...usage(one.usage, known.get(id)),
        ...(disk && { rootfs: { time: wireTime(at), ...shared, ...used } }),
        ...(logs && { logs: { time: wireTime(clock.now()), ...shared, usedBytes: logs.get(name) ?? 0 } }),
      };
    }

    /** It lies on the node's disk, and has all of that. */
    function volumeSummary(name: string, { bytes, inodes }: DirectoryUsage) {
      return { name, ...disk?.node, usedBytes: bytes, inodesUsed: inodes };
    }

    function ephemeral(
      containers: readonly ContainerFigures[],
      logs: ReadonlyMap<string, number> | undefined,
      volumes: ReadonlyMap<string, DirectoryUsage> | undefined,
    ) {
      const held = [...(volumes?.values() ?? [])].reduce((all, { bytes }) => all + bytes, 0);
      const written = containers.reduce((all, { layer }) => all + (layer?.usedBytes ?? 0), 0);
      const logged = [...(logs?.values() ?? [])].reduce((all, one) => all + one, 0);
      const inodes = containers.reduce((all, { layer }) => all + (layer?.inodesUsed ?? 0), 0);
      return { ...disk?.node, usedBytes: written + logged + held, inodesUsed: inodes };
    }
  };
}

const NODE = "";

function usagesOf({ node, pods }: Figures): ReadonlyMap<string, Usage> {
  const containers = pods.flatMap((pod) => pod.containers.map(({ id, usage: of }) => [id, of] as const));
  return new Map([[NODE, node] as const, ...containers]);
}

function usage(of: Usage, nanoCores: number | undefined) {
  const time = wireTime(of.at);
  return {
    cpu: {
      time,
      ...(nanoCores !== undefined && { usageNanoCores: nanoCores }),
      usageCoreNanoSeconds: of.cpuNanoSeconds,
    },
    memory: {
      time,
      ...known({
        availableBytes: of.availableBytes,
        usageBytes: of.usageBytes,
        workingSetBytes: of.workingSetBytes,
        rssBytes: of.rssBytes,
        pageFaults: of.pageFaults,
        majorPageFaults: of.majorPageFaults,
      }),
    },
  };
}

/** A runtime that does not say when it read them has read them now. */
function networkOf({ timestamp, defaultInterface, interfaces }: NonNullable<PodFigures["network"]>, now: number) {
  const counters = (one: (typeof interfaces)[number]) => ({
    name: one.name,
    ...known({
      rxBytes: one.rxBytes?.value,
      rxErrors: one.rxErrors?.value,
      txBytes: one.txBytes?.value,
      txErrors: one.txErrors?.value,
    }),
  });
  return {
    time: wireTime(nanosToMs(timestamp) ?? now),
    ...(defaultInterface && counters(defaultInterface)),
    interfaces: interfaces.map(counters),
  };
}

function sumOf(rates: readonly (number | undefined)[]): number | undefined {
  return rates.every((rate) => rate !== undefined)
    ? rates.reduce<number>((all, one) => all + (one ?? 0), 0)
    : undefined;
}

const known = (fields: Readonly<Record<string, number | undefined>>): Record<string, number> =>
  Object.fromEntries(Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
