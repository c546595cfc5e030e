/**
 * Container logs: sees to it that a container's output is written by a process that no kill of containerd reaches.
 *
 * containerd's CRI part reads the output itself and loses what it has read and not yet written when it is
 * killed. So it is asked for no log, and while a container starts, FIFOs of ours stand where its shim
 * looks for containerd's: a log writer (log-writer.pl) reads them, writes the log and hands everything on to
 * containerd's own, which serves attach. It ends before containerd sees the output's end, so the
 * log of a container that has exited is whole. Afterwards containerd's FIFOs are back in their place: the
 * next containerd opens them again. Where Perl is missing containerd writes the logs as it always does.
 *
 * Everything needed lies in a directory a container, so a new runtime server goes on where one was killed.
 */
import { execFile, spawn } from "node:child_process";
import {
  closeSync,
  constants,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import type { Logger } from "../../../machinery/process/logging.ts";
import type { Request } from "../../cri/contract.ts";
import type { ContainerdLayout } from "./layout.ts";

type CreateContainer = Request<"CreateContainer">;
type Listed = { readonly containers: readonly { readonly id: string }[] };

export interface ContainerLogs {
  /** Creates a container by `create`, which is given the request without a log path when the log is ours to write. */
  created(
    request: CreateContainer,
    create: (request: CreateContainer) => Promise<{ readonly containerId: string }>,
  ): Promise<{ readonly containerId: string }>;
  /** Starts one by `start`. */
  started<T>(containerId: string, start: () => Promise<T>): Promise<T>;
  /** Where the log lies; undefined when containerd writes it. */
  pathOf(containerId: string): string | undefined;
  /** Begins a log under its path, for one that was moved away. */
  reopen(containerId: string): void;
  /** Removes what is left of containers that are no more, and gives a new writer to those whose one was killed. */
  tend<L extends Listed>(list: () => Promise<L>): Promise<L>;
  removed(containerId: string): void;
}

const PERL = "/usr/bin/perl";
const WRITER = join(import.meta.dirname, "log-writer.pl");
const CLOCK_GETTIME: Partial<Record<string, number>> = { x64: 228, arm64: 113 };
const STREAMS = ["stdout", "stderr"] as const;

export function containerLogs(layout: ContainerdLayout, log: Logger): ContainerLogs {
  const able = existsSync(PERL);
  if (!able) log.warn(`${PERL} is missing: containerd writes the logs, and loses lines when it is killed`);
  mkdirSync(layout.logs, { recursive: true, mode: 0o700 });
  const creating = new Set<string>();
  /** Made by this process, and not started yet: their writer is there or about to be. */
  const written = new Set<string>();
  const directoryOf = (containerId: string) => join(layout.logs, containerId);

  function write(directory: string): void {
    const args = [WRITER, String(CLOCK_GETTIME[process.arch] ?? 0), directory];
    const writer = spawn(PERL, args, { cwd: directory, stdio: "ignore", detached: true, env: {} });
    writer.on("error", (error) => log.error("a log writer does not start", { directory, error }));
    writer.unref();
  }

  function pathOf(containerId: string): string | undefined {
    try {
      return readlinkSync(join(directoryOf(containerId), "log"));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  }

  function removed(containerId: string): void {
    written.delete(containerId);
    clear(directoryOf(containerId));
  }

  return {
    pathOf,
    removed,

    async created(request, create) {
      const { config, sandboxConfig } = request;
      if (!able || !config.logPath || !sandboxConfig.logDirectory) return create(request);
      const fresh = join(layout.logs, `new-${config.metadata.name}-${config.metadata.attempt}-${request.podSandboxId}`);
      creating.add(fresh);
      try {
        rmSync(fresh, { recursive: true, force: true });
        mkdirSync(fresh, { mode: 0o700 });
        symlinkSync(join(sandboxConfig.logDirectory, config.logPath), join(fresh, "log"));
        const fifos = (config.tty ? STREAMS.slice(0, 1) : STREAMS).map((name) => join(fresh, name));
        const { logPath: _, ...rest } = config;
        const ready = promisify(execFile)("mkfifo", ["--mode=600", ...fifos]).then(() => write(fresh));
        const [answer] = await Promise.all([create({ ...request, config: rest }), ready]);
        renameSync(fresh, directoryOf(answer.containerId));
        written.add(answer.containerId);
        return answer;
      } finally {
        creating.delete(fresh);
        clear(fresh);
      }
    },

    async started(containerId, start) {
      const directory = directoryOf(containerId);
      const theirs = existsSync(directory) ? fifosOf(layout, containerId) : undefined;
      if (!theirs) return start();
      begin(readlinkSync(join(directory, "log")));
      for (const name of STREAMS) steer(directory, name, `${theirs}-${name}`);
      if (!written.delete(containerId) && writerIn(directory) === undefined) write(directory);
      try {
        return await start();
      } catch (error) {
        for (const name of STREAMS) letGo(join(directory, name));
        throw error;
      } finally {
        for (const name of STREAMS) putBack(directory, name, `${theirs}-${name}`);
      }
    },

    reopen(containerId) {
      const path = pathOf(containerId);
      if (path !== undefined) begin(path);
    },

    async tend(list) {
      const names = readdirSync(layout.logs).filter((name) => !creating.has(join(layout.logs, name)));
      const listed = await list(); // after the names, or a container made meanwhile would seem to be gone
      const living = new Set(listed.containers.map(({ id }) => id));
      for (const name of names) {
        const directory = join(layout.logs, name);
        if (!living.has(name)) removed(name);
        else if (isOrphaned(directory)) {
          log.warn("a log writer was killed: another one goes on", { container: name });
          write(directory);
        }
      }
      return listed;
    },
  };
}

/** Removes a container's directory; a writer that waits in it ends. */
function clear(directory: string): void {
  if (!existsSync(directory)) return;
  for (const name of STREAMS) letGo(join(directory, name));
  rmSync(directory, { recursive: true, force: true });
}

/** A log is there from the start, whether a line comes or not. */
function begin(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  closeSync(openSync(path, "a", 0o640));
}

/** The FIFOs that containerd made for a container, without "-stdout". One killed meanwhile may have left older ones. */
function fifosOf({ state }: ContainerdLayout, containerId: string): string | undefined {
  const base = join(state, "io.containerd.grpc.v1.cri", "containers", containerId, "io");
  if (!existsSync(base)) return undefined;
  const made = readdirSync(base).map((name) => join(base, name));
  const [newest] = made.toSorted((a, b) => statSync(b).ctimeMs - statSync(a).ctimeMs);
  return newest && join(newest, containerId);
}

/** Puts our FIFO where the shim will look for containerd's, which stays at hand as "….attach". */
function steer(directory: string, name: string, path: string): void {
  const ours = join(directory, name);
  if (!existsSync(ours) || !existsSync(path)) return;
  const attach = `${ours}.attach`;
  rmSync(attach, { force: true });
  linkSync(path, attach);
  replace(path, ours);
}

/** From here on the shim has our FIFO open, and the next containerd is to find its own. */
function putBack(directory: string, name: string, path: string): void {
  const attach = join(directory, `${name}.attach`);
  if (existsSync(attach) && existsSync(path)) replace(path, attach);
}

/** `path` becomes another name of `target`, without a moment in which it is missing. */
function replace(path: string, target: string): void {
  const beside = `${path}.new`;
  rmSync(beside, { force: true });
  linkSync(target, beside);
  renameSync(beside, path);
}

/** A writer that waits for output which never comes sees its end. */
function letGo(fifo: string): void {
  try {
    closeSync(openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK));
  } catch (error) {
    // ENXIO: nobody reads it; ENOENT: its output has ended
    if (!["ENXIO", "ENOENT"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  }
}

/** Whether output that has not ended is taken by nobody. A writer that only begins has not left its pid yet. */
function isOrphaned(directory: string): boolean {
  if (!STREAMS.some((name) => existsSync(join(directory, name)))) return false;
  return existsSync(join(directory, "pid")) && writerIn(directory) === undefined;
}

/** Pids of the writers that live. */
export function logWriters({ logs }: ContainerdLayout): readonly number[] {
  if (!existsSync(logs)) return [];
  return readdirSync(logs).flatMap((name) => writerIn(join(logs, name)) ?? []);
}

function writerIn(directory: string): number | undefined {
  try {
    const pid = readFileSync(join(directory, "pid"), "utf8");
    return readlinkSync(`/proc/${pid}/cwd`) === directory ? Number(pid) : undefined;
  } catch {
    return undefined; // it has not begun, or has ended
  }
}
