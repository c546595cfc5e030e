/**
 * Sweep: removes what our containers leave on the machine, and nothing of anyone else's. For `down`.
 *
 * Ours is what carries our paths: containerd and shims by their command lines, containers by our
 * cgroup, mounts under our directories, sockets and CNI results by ids found in our state. Images
 * and metadata stay (`root`), as after a reboot. Interfaces and rules are kubelet/network's.
 */
import { existsSync, readdirSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Clock } from "../../../machinery/process/clock.ts";
import type { HomePaths } from "../../../machinery/process/home.ts";
import type { Logger } from "../../../machinery/process/logging.ts";
import { cgroupDirectories, processesIn, removeTree } from "./cgroups.ts";
import { logWriters } from "./container-logs.ts";
import { type ContainerdLayout, containerdLayout, NAMESPACE, SHIM_SOCKETS, shimSocket } from "./layout.ts";
import { unmountUnder } from "./mounts.ts";

export interface SweepOptions {
  readonly paths: HomePaths;
  readonly clock: Clock;
  readonly log: Logger;
  /** How long containers may take to end after SIGTERM. */
  readonly graceMs?: number;
}

const GRACE_MS = 2_000;
const KILL_MS = 10_000;
const POLL_MS = 20;

const CNI_RESULTS = "/var/lib/cni/results";

/** Idempotent. The supervisor must have stopped first, or it would start containerd again. */
export async function sweepContainerd({ paths, clock, log, graceMs = GRACE_MS }: SweepOptions): Promise<void> {
  const layout = containerdLayout(paths);
  const ids = containerIds(layout);
  const containers = () => cgroupDirectories(layout.cgroup).flatMap(processesIn);
  const daemons = () => processesNaming(layout.config, layout.socket);

  await end(daemonsOf(layout), "SIGTERM", clock, graceMs);
  await end(containers, "SIGTERM", clock, graceMs);
  await end(containers, "SIGKILL", clock, KILL_MS);
  await end(daemons, "SIGKILL", clock, KILL_MS);
  await end(() => logWriters(layout), "SIGKILL", clock, KILL_MS);
  unmountUnder(layout.imageVolumes);
  unmountUnder(layout.state);
  unmountUnder(paths.kubelet);
  for (const id of ids) rmSync(shimSocket(layout, id), { force: true });
  for (const result of resultsOf(ids)) rmSync(result, { force: true });
  // not the directory of CNI itself: machines made of namespaces have mounted their own over it, and would lose that
  for (const directory of [SHIM_SOCKETS, dirname(SHIM_SOCKETS), CNI_RESULTS]) removeEmpty(directory);
  rmSync(layout.state, { recursive: true, force: true });
  const left = cgroupDirectories(layout.cgroup).filter((directory) => !removeTree(directory));
  if (left.length > 0) log.warn("cgroups could not be removed", { left });
}

/** containerd itself, without its shims: they go last, so that containers can still be told to end. */
function daemonsOf(layout: ContainerdLayout): () => readonly number[] {
  return () => processesNaming(layout.config);
}

/** Signals processes until none is left or the time is over. */
async function end(find: () => readonly number[], signal: NodeJS.Signals, clock: Clock, ms: number): Promise<void> {
  const until = clock.monotonic() + ms;
  const told = new Set<number>();
  for (let living = find(); living.length > 0 && clock.monotonic() < until; living = find()) {
    for (const pid of living) {
      if (!told.has(pid)) tell(pid, signal);
      told.add(pid);
    }
    await clock.sleep(POLL_MS);
  }
}

function tell(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** Processes that have one of these paths, exactly, as an argument. This process is not among them. */
function processesNaming(...paths: readonly string[]): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => {
      const [program = "", ...args] = commandLine(pid);
      return program.includes("containerd") && args.some((arg) => paths.includes(arg));
    })
    .map(Number);
}

function commandLine(pid: string): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    return []; // it ended meanwhile
  }
}

/** Ids of everything that has ever run and was not removed. */
function containerIds(layout: ContainerdLayout): readonly string[] {
  const cri = "io.containerd.grpc.v1.cri";
  const places = [
    join(layout.state, "io.containerd.runtime.v2.task", NAMESPACE),
    join(layout.state, cri, "sandboxes"),
    join(layout.root, cri, "sandboxes"),
  ];
  return places.flatMap(entries);
}

/** "<network>-<sandbox>-<interface>" */
function resultsOf(ids: readonly string[]): readonly string[] {
  const ours = new Set(ids);
  return entries(CNI_RESULTS)
    .filter((name) => name.split("-").some((part) => ours.has(part)))
    .map((name) => join(CNI_RESULTS, name));
}

function entries(directory: string): readonly string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}

/** Others may use it: then it stays. So does one that is a mount of its own, as on a machine made of namespaces. */
function removeEmpty(directory: string): void {
  try {
    rmdirSync(directory);
  } catch (error) {
    if (!["ENOENT", "ENOTEMPTY", "EBUSY"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  }
}
