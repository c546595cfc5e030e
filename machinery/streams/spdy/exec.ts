/**
 * Exec and attach over SPDY: one stream for each of error, stdin, stdout, stderr and resize.
 *
 * The client opens them and says by the header `streamtype` which is which; only v4 of the protocol is
 * spoken (the last is a Status on the error stream). WebSocket's counterpart: ../websocket.ts.
 */
import type { Duplex, Writable } from "node:stream";
import { ApiError } from "../../objects/status.ts";
import { limits } from "../../process/limits.ts";
import type {
  ExecClientSession,
  ExecOptions,
  ExecOutcome,
  ExecServerSession,
  StreamServices,
  TerminalSize,
} from "../channels.ts";
import { outcomeOf, statusOf } from "../exec-status.ts";
import { createResizes } from "../resizes.ts";
import { createSpdy } from "./connection.ts";

export const EXEC_PROTOCOL = "v4.channel.k8s.io";

/** Streams of a session, in the order in which clients open them. */
function wanted({ stdin, stdout, stderr, tty }: ExecOptions): string[] {
  const rows = { error: true, stdin, stdout, stderr, resize: tty };
  return Object.entries(rows).flatMap(([name, on]) => (on ? [name] : []));
}

/** Resolves when the client has opened every stream that it asked for. */
export function spdyExecServer(
  socket: Duplex,
  options: ExecOptions,
  services: StreamServices,
): Promise<ExecServerSession> {
  const names = wanted(options);
  const streams = new Map<string, Duplex>();
  return new Promise((resolve, reject) => {
    const connection = createSpdy(socket, {
      clock: services.clock,
      side: "server",
      onStream: (stream, headers) => {
        const name = headers["streamtype"] ?? "";
        if (!names.includes(name) || streams.has(name)) return void stream.destroy();
        streams.set(name, stream);
        if (streams.size < names.length) return;
        timer.cancel();
        resolve(session(streams, options, connection));
      },
    });
    const fail = (message: string) => {
      timer.cancel();
      reject(new ApiError("Timeout", message));
    };
    const timer = services.clock.after(limits.streamSetupMs, () => {
      fail("timed out waiting for client to create streams");
      connection.close();
    });
    connection.signal.addEventListener("abort", () => fail("the client left before its streams were open"));
  });
}

function session(
  streams: ReadonlyMap<string, Duplex>,
  options: ExecOptions,
  connection: ReturnType<typeof createSpdy>,
): ExecServerSession {
  const resizes = createResizes();
  for (const name of ["error", "stdout", "stderr"]) streams.get(name)?.resume();
  eachSize(streams.get("resize"), resizes.receive);
  const finish = async (outcome: ExecOutcome) => {
    await Promise.all([flushed(streams.get("stdout")), flushed(streams.get("stderr"))]);
    streams.get("error")?.write(statusOf(outcome));
    await flushed(streams.get("error"));
    connection.close();
  };
  let finishing: Promise<void> | undefined;
  return {
    options,
    stdin: streams.get("stdin"),
    stdout: streams.get("stdout"),
    stderr: streams.get("stderr"),
    onResize: resizes.listen,
    finish: (outcome) => {
      finishing ??= finish(outcome);
      return finishing;
    },
    signal: connection.signal,
  };
}

export async function spdyExecClient(
  socket: Duplex,
  options: ExecOptions,
  { clock }: StreamServices,
): Promise<ExecClientSession> {
  const connection = createSpdy(socket, { clock, side: "client", onStream: (stream) => void stream.destroy() });
  const streams = new Map<string, Duplex>();
  for (const name of wanted(options)) streams.set(name, await connection.open({ streamtype: name }));
  const error = streams.get("error")!;
  error.end();
  const outcome = readAll(error).then((text) => {
    if (text === "") throw new Error("the connection closed before the command ended");
    return outcomeOf(text);
  });
  outcome.catch(() => {});
  const resize = streams.get("resize");
  return {
    stdin: streams.get("stdin"),
    stdout: streams.get("stdout"),
    stderr: streams.get("stderr"),
    resize: ({ width, height }: TerminalSize) => {
      if (resize?.writable) resize.write(`${JSON.stringify({ Width: width, Height: height })}\n`);
    },
    outcome,
    close: () => connection.close(),
  };
}

/** Sizes come as JSON objects one after the other, with or without newlines between. */
function eachSize(stream: Duplex | undefined, receive: (text: string) => void): void {
  let rest = "";
  stream?.on("data", (chunk: Buffer) => {
    const parts = (rest + chunk.toString("utf8")).split("}");
    rest = (parts.pop() ?? "").slice(-200);
    for (const part of parts) receive(`${part}}`);
  });
}

const STATUS_BYTES = 64 * 1024;

async function readAll(stream: Duplex): Promise<string> {
  let text = "";
  for await (const chunk of stream) {
    text += String(chunk);
    if (text.length > STATUS_BYTES) break;
  }
  return text;
}

function flushed(stream: Writable | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (!stream || stream.destroyed || stream.writableFinished) return resolve();
    stream.once("finish", resolve).once("close", resolve);
    stream.end();
  });
}
