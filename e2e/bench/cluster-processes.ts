/**
 * Cluster processes: what the kernel says of each process of a running cluster: memory, processor time, disk.
 */
import { readdirSync, readFileSync } from "node:fs";
import type { HomePaths } from "../../machinery/process/home.ts";

export interface ProcessGroup {
  /** As the supervisor calls it; the shims of all containers are one group. */
  readonly name: string;
  readonly pids: readonly number[];
}

const SHIMS = "containerd-shim";

export function processGroups(paths: HomePaths): readonly ProcessGroup[] {
  const own = readdirSync(paths.run)
    .filter((file) => file.endsWith(".pid"))
    .map((file) => {
      const { pid } = JSON.parse(readFileSync(`${paths.run}/${file}`, "utf8")) as { pid: number };
      return { name: file.slice(0, -".pid".length), pids: [pid] };
    });
  const shims = readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => {
      const command = readProc(pid, "cmdline");
      return command.includes(SHIMS) && command.includes(paths.root);
    });
  return shims.length > 0 ? [...own, { name: SHIMS, pids: shims }] : own;
}

/** Megabytes of proportional set size: what is shared is counted in shares. */
export function memoryOf({ pids }: ProcessGroup): number {
  const kb = pids.map((pid) => Number(/^Pss: +(\d+) kB/m.exec(readProc(pid, "smaps_rollup"))?.[1] ?? 0));
  return sum(kb) / 1024;
}

/** Clock ticks a second, as every Linux tells its programs. */
const TICKS = 100;

/** Processor seconds since the start. */
export function processorOf({ pids }: ProcessGroup): number {
  return sum(
    pids.map((pid) => {
      const stat = readProc(pid, "stat");
      // From the third field on, since the second may hold spaces: utime is the 14th, stime the 15th.
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / TICKS;
    }),
  );
}

/** Megabytes that went to a disk since the start. */
export function writtenOf({ pids }: ProcessGroup): number {
  return sum(pids.map((pid) => Number(/^write_bytes: (\d+)/m.exec(readProc(pid, "io"))?.[1] ?? 0))) / 1e6;
}

/** Megabytes that all disks of the machine took, whoever wrote them. */
export function writtenByMachine(): number {
  const devices = readdirSync("/sys/block").filter((name) => !/^(loop|ram|zram|dm-|md)/.test(name));
  const sectors = devices.map((name) => {
    const fields = readFileSync(`/sys/block/${name}/stat`, "utf8").trim().split(/\s+/);
    return Number(fields[6] ?? 0);
  });
  return (sum(sectors) * 512) / 1e6;
}

/** Empty for a process that is gone. */
function readProc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    return "";
  }
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, one) => total + one, 0);
