/**
 * Node usage: what the whole machine uses, or a node without one.
 *
 * A real node tells what the kernel counts, of everything that runs on the machine. A simulated node has no
 * machine: its containers' use is added up, and its counter never goes back when one of them ends.
 */
import { readFile } from "node:fs/promises";
import type { Clock } from "../../machinery/process/clock.ts";
import type { ContainerStats } from "../cri/messages.ts";
import type { Usage } from "./figures.ts";

export type NodeUsage = (containers: readonly ContainerStats[]) => Promise<Usage>;

/** Of what the simulated operating system keeps for itself. */
const SIMULATED_SYSTEM = { nanoCores: 20_000_000, bytes: 150 * 1024 * 1024 };

/** /proc counts in hundredths of a second, whatever the kernel's own tick is. */
const NANOSECONDS_A_TICK = 10_000_000;

export function machineUsage(clock: Pick<Clock, "now">): NodeUsage {
  return async () => {
    const [stat, meminfo, vmstat] = await Promise.all(
      ["stat", "meminfo", "vmstat"].map((name) => readFile(`/proc/${name}`, "utf8").catch(() => "")),
    );
    return { at: clock.now(), cpuNanoSeconds: cpuNanoSeconds(stat ?? ""), ...memory(meminfo ?? "", vmstat ?? "") };
  };
}

/** user, nice, system, irq and softirq: all but idle, waiting and what other machines took. */
export function cpuNanoSeconds(stat: string): number {
  const ticks = /^cpu\s+(.*)$/m.exec(stat)?.[1]?.trim().split(/\s+/).map(Number) ?? [];
  const [user = 0, nice = 0, system = 0, _idle, _iowait, irq = 0, softirq = 0] = ticks;
  return (user + nice + system + irq + softirq) * NANOSECONDS_A_TICK;
}

/** The working set is what cannot be had back at once: what is used, but for file pages that lie idle. */
export function memory(meminfo: string, vmstat: string): Omit<Usage, "at" | "cpuNanoSeconds"> {
  const bytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(meminfo)?.[1] ?? 0) * 1024;
  const count = (name: string) => Number(new RegExp(`^${name} (\\d+)$`, "m").exec(vmstat)?.[1] ?? 0);
  const usageBytes = bytes("MemTotal") - bytes("MemFree");
  const workingSetBytes = Math.max(0, usageBytes - bytes("Inactive\\(file\\)"));
  return {
    usageBytes,
    workingSetBytes,
    availableBytes: Math.max(0, bytes("MemTotal") - workingSetBytes),
    rssBytes: bytes("AnonPages"),
    pageFaults: count("pgfault"),
    majorPageFaults: count("pgmajfault"),
  };
}

export function simulatedUsage(clock: Pick<Clock, "now">, memoryBytes: number): NodeUsage {
  const begun = clock.now();
  let used = 0;
  let before = { at: begun, nanoCores: SIMULATED_SYSTEM.nanoCores };
  return async (containers) => {
    const at = clock.now();
    used += (before.nanoCores * Math.max(0, at - before.at)) / 1000;
    const total = (of: (one: ContainerStats) => number | undefined) =>
      containers.reduce((all, one) => all + (of(one) ?? 0), 0);
    const nanoCores = SIMULATED_SYSTEM.nanoCores + total(({ cpu }) => cpu?.usageNanoCores?.value);
    before = { at, nanoCores };
    const bytes = SIMULATED_SYSTEM.bytes + total(({ memory: of }) => of?.workingSetBytes?.value);
    const workingSetBytes = Math.min(bytes, memoryBytes);
    return {
      at,
      cpuNanoSeconds: Math.round(used),
      workingSetBytes,
      usageBytes: workingSetBytes,
      rssBytes: workingSetBytes,
      availableBytes: memoryBytes - workingSetBytes,
      pageFaults: 0,
      majorPageFaults: 0,
    };
  };
}
