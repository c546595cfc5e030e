/**
 * Exec: runs a command in a container by containerd's task service, with FIFOs for its streams.
 *
 * Not by CRI's streaming server: there, what a command wrote last is lost when it ends before its
 * input. A FIFO ends when its last writer does, so input and output end in order. A caller
 * that leaves kills the command; one that dies leaves it alone, as it does in Kubernetes.
 */
import { execFile } from "node:child_process";
import { closeSync, constants, mkdirSync, openSync, rmSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import { Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { promisify } from "node:util";
import type { Clock } from "../../../machinery/process/clock.ts";
import type { ExecRequest, ProcessStreams } from "../../cri/contract.ts";
import { CriError } from "../../cri/errors.ts";
import type { GrpcChannel } from "./grpc.ts";
import { processSpec, type TaskMethods } from "./services.ts";

export interface ExecParts {
  readonly channel: GrpcChannel;
  readonly tasks: TaskMethods;
  readonly clock: Clock;
  /** Where FIFOs are made. */
  readonly directory: string;
  /** What the container's own process was started with, in OCI's words; throws when it does not run. */
  processOf(containerId: string): Promise<OciProcess>;
}

export interface OciProcess {
  readonly env?: readonly string[];
  readonly [field: string]: unknown;
}

const SIGKILL = 9;
const START_MS = 60_000;

export async function exec(
  { containerId, cmd, tty = false }: ExecRequest,
  streams: ProcessStreams,
  parts: ExecParts,
): Promise<{ readonly exitCode: number }> {
  const { channel, tasks, clock } = parts;
  const execId = Buffer.from(clock.bytes(32)).toString("hex");
  const process = { containerId, execId };
  const spec = specOf(await parts.processOf(containerId), cmd, tty);
  const fifos = await makeFifos(join(parts.directory, execId), {
    stdin: streams.stdin !== undefined,
    stdout: true,
    stderr: !tty,
  });
  try {
    const request = { ...process, ...fifos.paths, terminal: tty, spec: processSpec(spec) };
    await channel.call(tasks.exec, request, { timeoutMs: START_MS });
    try {
      await start();
      return await running();
    } finally {
      await channel.call(tasks.deleteProcess, process).catch(() => undefined); // gone with its container
    }
  } finally {
    fifos.remove();
  }

  async function start(): Promise<void> {
    try {
      await channel.call(tasks.start, process, { timeoutMs: START_MS });
    } catch (error) {
      if (!(error instanceof CriError)) throw error;
      throw new CriError(error.code, `failed to exec in container: failed to start exec "${execId}": ${error.message}`);
    }
  }

  async function running(): Promise<{ readonly exitCode: number }> {
    const over = new AbortController();
    const outputs = [fifos.read("stdout", streams.stdout), fifos.read("stderr", streams.stderr)];
    feed(over.signal).catch(() => undefined); // a command need not take its input
    resize(streams, over.signal).catch(() => undefined); // nor care for the size of a terminal that closed
    const kill = () => void channel.call(tasks.kill, { ...process, signal: SIGKILL }).catch(() => undefined); // it ended meanwhile
    streams.signal?.addEventListener("abort", kill, { once: true });
    if (streams.signal?.aborted) kill();
    try {
      const { exitStatus } = await channel.call(tasks.wait, process);
      if (streams.signal?.aborted)
        throw new CriError("Canceled", "the command was left", { cause: streams.signal.reason });
      await Promise.all(outputs);
      return { exitCode: exitStatus };
    } finally {
      over.abort();
      streams.signal?.removeEventListener("abort", kill);
      fifos.close();
      await Promise.allSettled(outputs);
    }
  }

  /** The shim holds the FIFO open too, until it is told that no more comes. */
  async function feed(over: AbortSignal): Promise<void> {
    await fill(fifos, streams, over, clock);
    await channel.call(tasks.closeIo, { ...process, stdin: true });
  }

  async function resize({ resize: sizes }: ProcessStreams, signal: AbortSignal): Promise<void> {
    for await (const size of sizes ?? []) {
      if (signal.aborted) return;
      await channel.call(tasks.resizePty, { ...process, ...size });
    }
  }
}

function specOf(own: OciProcess, args: readonly string[], terminal: boolean): OciProcess {
  const { consoleSize: _, ...process } = own;
  return { ...process, args, terminal, env: [...(own.env ?? []), ...(terminal ? ["TERM=xterm"] : [])] };
}

type Name = "stdin" | "stdout" | "stderr";

interface Fifos {
  readonly paths: Readonly<Partial<Record<Name, string>>>;
  /** Everything that comes out, to its end. Call it once the process has started: before, there is no writer. */
  read(name: "stdout" | "stderr", to: Writable | undefined): Promise<void>;
  /** The input, as soon as the process reads it. */
  write(): Writable | undefined;
  close(): void;
  remove(): void;
}

async function makeFifos(directory: string, wanted: Readonly<Record<Name, boolean>>): Promise<Fifos> {
  const names = (["stdin", "stdout", "stderr"] as const).filter((name) => wanted[name]);
  const paths: Partial<Record<Name, string>> = Object.fromEntries(names.map((name) => [name, join(directory, name)]));
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  await promisify(execFile)("mkfifo", ["--mode=600", ...Object.values(paths)]);
  // opened before the process starts: its shim waits for a reader
  const readers = new Map<Name, Socket>();
  const open = new Map<Name, number>();
  for (const name of ["stdout", "stderr"] as const) {
    const path = paths[name];
    if (path) open.set(name, openSync(path, constants.O_RDONLY | constants.O_NONBLOCK));
  }
  return {
    paths,
    async read(name, to) {
      const fd = open.get(name);
      if (fd === undefined) return void to?.end();
      open.delete(name);
      const reader = new Socket({ fd, readable: true, writable: false });
      readers.set(name, reader);
      await pipeline(reader, to ?? new Writable({ write: (_chunk, _encoding, done) => done() }));
    },
    write() {
      if (!paths.stdin) return undefined;
      const fd = openSync(paths.stdin, constants.O_WRONLY | constants.O_NONBLOCK);
      return new Socket({ fd, readable: false, writable: true });
    },
    close() {
      for (const reader of readers.values()) reader.destroy();
    },
    remove() {
      for (const fd of open.values()) closeSync(fd);
      open.clear();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Writes the input, once the command's end of the FIFO is open. */
async function fill(fifos: Fifos, streams: ProcessStreams, over: AbortSignal, clock: Clock): Promise<void> {
  if (!streams.stdin) return;
  for (let wait = 1; !over.aborted; wait = Math.min(wait * 2, 100)) {
    try {
      const writer = fifos.write();
      if (writer) await pipeline(streams.stdin, writer, { signal: over });
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENXIO") throw error;
    }
    await clock.sleep(wait, over); // its reader is about to open it
  }
}
