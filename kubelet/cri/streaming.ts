/**
 * Streaming: exec, attach and port-forward over an upgraded connection to the runtime server.
 *
 * The framing is machinery/streams' own; this file only joins its sessions with the runtime's
 * streams. The request travels in the query: containerId, cmd (repeated), input, output, error,
 * tty; podSandboxId and port. The client's side is in client.ts.
 */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import type { Clock } from "../../machinery/process/clock.ts";
import type { Logger } from "../../machinery/process/logging.ts";
import { acceptExec, acceptPortForward, execOptionsOf } from "../../machinery/streams/accept.ts";
import type { ExecOutcome, ExecServerSession } from "../../machinery/streams/channels.ts";
import type { ProcessStreams, Runtime, TerminalSize } from "./contract.ts";
import { CriError, isCriCode } from "./errors.ts";

export interface StreamingOptions {
  readonly runtime: Runtime;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

type UpgradeListener = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

export function serveStreams(options: StreamingOptions): UpgradeListener {
  return (request, socket, head) => {
    const url = new URL(request.url ?? "/", "http://cri");
    const serve = routes[url.pathname];
    if (!serve) return refuse(socket);
    serve({ ...options, request, socket, head, query: url.searchParams }).catch((error: unknown) => {
      options.log.warn("stream failed", { path: url.pathname, error });
      socket.destroy();
    });
  };
}

interface Upgrade extends StreamingOptions {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
  readonly query: URLSearchParams;
}

const routes: Readonly<Record<string, (upgrade: Upgrade) => Promise<void>>> = {
  "/v1/Exec": (upgrade) =>
    serveProcess(upgrade, async (streams) => {
      const { containerId, tty } = processOf(upgrade.query);
      const { exitCode } = await upgrade.runtime.exec({ containerId, tty, cmd: upgrade.query.getAll("cmd") }, streams);
      return exitCode;
    }),
  "/v1/Attach": (upgrade) =>
    serveProcess(upgrade, async (streams) => {
      await upgrade.runtime.attach(processOf(upgrade.query), streams);
      return 0;
    }),
  "/v1/PortForward": servePortForward,
};

async function serveProcess(upgrade: Upgrade, run: (streams: ProcessStreams) => Promise<number>): Promise<void> {
  const { request, socket, head, clock, query } = upgrade;
  const session = await acceptExec(request, socket, head, execOptionsOf(query), { clock });
  await session.finish(await outcomeOf(() => run(streamsOf(session, upgrade.signal))));
}

async function servePortForward({ request, socket, head, query, ...options }: Upgrade): Promise<void> {
  const { clock, runtime } = options;
  const session = await acceptPortForward(request, socket, head, { clock });
  const podSandboxId = query.get("podSandboxId") ?? "";
  const signal = AbortSignal.any([session.signal, options.signal]);
  session.onConnection(({ port, data, fail }) => {
    runtime.portForward({ podSandboxId, port }, data, signal).catch((error: unknown) => fail(describe(error)));
  });
}

function streamsOf(session: ExecServerSession, stop: AbortSignal): ProcessStreams {
  return {
    ...(session.stdin && { stdin: session.stdin }),
    ...(session.stdout && { stdout: session.stdout }),
    ...(session.stderr && { stderr: session.stderr }),
    ...(session.options.tty && { resize: sizesOf(session) }),
    signal: AbortSignal.any([session.signal, stop]),
  };
}

/** The terminal's sizes; one that was not taken in time is replaced by the next. */
async function* sizesOf(session: ExecServerSession): AsyncGenerator<TerminalSize> {
  let latest: TerminalSize | undefined;
  let wake = () => {};
  session.onResize((size) => {
    latest = size;
    wake();
  });
  session.signal.addEventListener("abort", () => wake(), { once: true });
  while (!session.signal.aborted) {
    if (latest) {
      const size = latest;
      latest = undefined;
      yield size;
    } else await new Promise<void>((resolve) => (wake = resolve));
  }
}

function processOf(query: URLSearchParams): { readonly containerId: string; readonly tty: boolean } {
  return { containerId: query.get("containerId") ?? "", tty: ["1", "true"].includes(query.get("tty") ?? "") };
}

async function outcomeOf(run: () => Promise<number>): Promise<ExecOutcome> {
  try {
    return { kind: "exited", code: await run() };
  } catch (error) {
    return { kind: "failed", message: describe(error) };
  }
}

/** "NotFound: no such container": an outcome has no code of its own, so it leads the message. */
function describe(error: unknown): string {
  if (error instanceof CriError) return `${error.code}: ${error.message}`;
  return `Internal: ${error instanceof Error ? error.message : String(error)}`;
}

/** The error that `describe` wrote down. */
export function errorOf(message: string): CriError {
  const [code = "", ...rest] = message.split(": ");
  return isCriCode(code) && rest.length > 0 ? new CriError(code, rest.join(": ")) : new CriError("Unknown", message);
}

function refuse(socket: Duplex): void {
  socket.end("HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
}
