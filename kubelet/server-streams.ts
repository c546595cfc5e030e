/**
 * Exec, attach and port-forward: sessions of a client, joined to the runtime's streams.
 *
 * The framing towards the client is machinery/streams' concern, that towards the runtime the CRI
 * client's. A session that ends at either side ends the other.
 */
import type { Duplex } from "node:stream";
import { ApiError } from "../machinery/objects/status.ts";
import { acceptExec, acceptPortForward, execOptionsOf } from "../machinery/streams/accept.ts";
import type { ExecServerSession, ForwardedConnection } from "../machinery/streams/channels.ts";
import type { ProcessStreams, TerminalSize } from "./cri/contract.ts";
import { findContainer } from "./pods/pod-spec.ts";
import { type Call, runningContainer, workerOf } from "./server.ts";

/** The path's Pod and container, with an optional uid between them. */
function target(call: Call) {
  const [namespace = "", name = "", ...rest] = call.parts;
  const worker = workerOf(call, namespace, name);
  return { worker, container: rest.at(-1) ?? "" };
}

export async function serveExec(call: Call, socket: Duplex, head: Buffer): Promise<void> {
  const { worker, container } = target(call);
  const containerId = runningContainer(worker, container);
  const cmd = call.query.getAll("command");
  if (cmd.length === 0) throw new ApiError("BadRequest", "you must specify at least one command for the container");
  const options = execOptionsOf(call.query);
  const session = await acceptExec(call.request, socket, head, options, call.context);
  await settle(session, async (streams) => {
    const { exitCode } = await call.context.cri.exec({ containerId, cmd, tty: options.tty }, streams);
    return exitCode;
  });
}

export async function serveAttach(call: Call, socket: Duplex, head: Buffer): Promise<void> {
  const { worker, container } = target(call);
  const containerId = runningContainer(worker, container);
  const tty = findContainer(worker.pod(), container)?.container.tty === true;
  const options = { ...execOptionsOf(call.query), tty };
  const session = await acceptExec(call.request, socket, head, options, call.context);
  await settle(session, async (streams) => {
    await call.context.cri.attach({ containerId, tty }, streams);
    return 0;
  });
}

/** Runs the session to its end and tells the client how it ended. */
async function settle(session: ExecServerSession, run: (streams: ProcessStreams) => Promise<number>): Promise<void> {
  const { stdin, stdout, stderr, signal } = session;
  const streams: ProcessStreams = {
    ...(stdin ? { stdin } : {}),
    ...(stdout ? { stdout } : {}),
    ...(stderr ? { stderr } : {}),
    ...(session.options.tty ? { resize: sizes(session) } : {}),
    signal,
  };
  try {
    await session.finish({ kind: "exited", code: await run(streams) });
  } catch (error) {
    await session.finish({ kind: "failed", message: (error as Error).message });
  }
}

/** The client's window sizes, the latest only: what nobody read yet is replaced. */
async function* sizes(session: ExecServerSession): AsyncGenerator<TerminalSize> {
  let waiting: TerminalSize | undefined;
  let wake: () => void = () => undefined;
  session.onResize((size) => {
    waiting = size;
    wake();
  });
  session.signal.addEventListener("abort", () => wake(), { once: true });
  while (!session.signal.aborted) {
    if (waiting) {
      const size = waiting;
      waiting = undefined;
      yield size;
    } else {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  }
}

export async function servePortForward(call: Call, socket: Duplex, head: Buffer): Promise<void> {
  const { worker } = target(call);
  const sandbox = worker.runtime()?.sandboxes.find(({ ready }) => ready);
  if (!sandbox) throw new ApiError("NotFound", `pod "${worker.pod().metadata.name}" is not running`);
  const session = await acceptPortForward(call.request, socket, head, call.context);
  session.onConnection((connection) => void forward(call, sandbox.id, connection, session.signal));
}

async function forward(
  { context }: Call,
  podSandboxId: string,
  { port, data, fail }: ForwardedConnection,
  signal: AbortSignal,
) {
  try {
    await context.cri.portForward({ podSandboxId, port }, data, signal);
  } catch (error) {
    context.log.info("a forwarded connection ended with an error", { port, error: (error as Error).message });
    fail(`error forwarding port ${port} to pod: ${(error as Error).message}`);
  }
}
