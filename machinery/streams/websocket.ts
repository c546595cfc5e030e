/**
 * Exec and attach over WebSocket: a message is one byte of channel and its data.
 *
 * v5 adds channel 255, which closes another one (stdin). The base64 variants carry the channel as a
 * digit and the data as text; protocols before v4 end with plain text instead of a Status.
 * https://kubernetes.io/docs/reference/using-api/websockets/ . SPDY's counterpart: spdy/exec.ts.
 */
import type { Writable } from "node:stream";
import type { WebSocket } from "ws";
import type {
  ExecClientSession,
  ExecOptions,
  ExecOutcome,
  ExecServerSession,
  StreamServices,
  TerminalSize,
} from "./channels.ts";
import { outcomeOf, plainStatusOf, statusOf } from "./exec-status.ts";
import { createResizes } from "./resizes.ts";
import type { AcceptedWebSocket } from "./upgrade.ts";
import { closeSoon, createLink } from "./websocket-link.ts";

const channels = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const;

interface Protocol {
  readonly base64?: true;
  readonly status?: true;
  readonly close?: true;
}

/** The client's order of preference decides. */
export const execProtocols: Readonly<Record<string, Protocol>> = {
  "v5.channel.k8s.io": { status: true, close: true },
  "v4.channel.k8s.io": { status: true },
  "v4.base64.channel.k8s.io": { status: true, base64: true },
  "channel.k8s.io": {},
  "base64.channel.k8s.io": { base64: true },
  "": {},
};

/** What a client of ours offers: both end with a Status. */
export const clientExecProtocols = ["v5.channel.k8s.io", "v4.channel.k8s.io"] as const;

export function webSocketExecServer(
  { ws, protocol: name }: AcceptedWebSocket,
  options: ExecOptions,
  { clock }: StreamServices,
): ExecServerSession {
  const protocol = execProtocols[name] ?? {};
  const link = createLink(ws, protocol.base64 === true);
  const ended = new AbortController();
  const resizes = createResizes();
  const stdin = options.stdin ? link.readable(channels.stdin) : undefined;
  const stdout = options.stdout ? link.writable(channels.stdout) : undefined;
  const stderr = options.stderr ? link.writable(channels.stderr) : undefined;
  link.on(channels.close, (data) => {
    if (protocol.close && data.length > 0) link.end(data.readUInt8(0));
  });
  link.on(channels.resize, (data) => resizes.receive(data.toString("utf8")));
  ws.once("close", () => ended.abort(new Error("the client closed the connection")));
  // Tells the client that the connection stands, before the command has anything to say.
  const first = options.stdout ? channels.stdout : options.stderr ? channels.stderr : channels.error;
  link.send(first, Buffer.alloc(0));
  ws.resume();

  let finishing: Promise<void> | undefined;
  const finish = async (outcome: ExecOutcome) => {
    await Promise.all([stdout, stderr].map(flushed));
    const text = protocol.status ? statusOf(outcome) : plainStatusOf(outcome);
    if (text !== "") link.send(channels.error, Buffer.from(text));
    closeSoon(ws, clock);
  };
  return {
    options,
    stdin,
    stdout,
    stderr,
    onResize: resizes.listen,
    finish: (outcome) => {
      finishing ??= finish(outcome);
      return finishing;
    },
    signal: ended.signal,
  };
}

export function webSocketExecClient(ws: WebSocket, options: ExecOptions, { clock }: StreamServices): ExecClientSession {
  const protocol = execProtocols[ws.protocol] ?? {};
  const link = createLink(ws, protocol.base64 === true);
  const stdin = options.stdin
    ? link.writable(channels.stdin, () => {
        if (protocol.close) link.send(channels.close, Buffer.from([channels.stdin]));
      })
    : undefined;
  const stdout = options.stdout ? link.readable(channels.stdout) : undefined;
  const stderr = options.stderr ? link.readable(channels.stderr) : undefined;
  const outcome = new Promise<ExecOutcome>((resolve, reject) => {
    link.on(channels.error, (data) => {
      if (data.length > 0) resolve(outcomeOf(data.toString("utf8")));
    });
    ws.once("close", (code, reason) => {
      const why = reason.length > 0 ? `: ${reason.toString("utf8")}` : "";
      reject(new Error(`the connection closed (${code}) before the command ended${why}`));
    });
  });
  outcome.catch(() => {});
  ws.resume();
  return {
    stdin,
    stdout,
    stderr,
    resize: (size: TerminalSize) =>
      link.send(channels.resize, Buffer.from(JSON.stringify({ Width: size.width, Height: size.height }))),
    outcome,
    close: () => closeSoon(ws, clock),
  };
}

function flushed(stream: Writable | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (!stream || stream.destroyed || stream.writableFinished) return resolve();
    stream.once("close", resolve);
    stream.end();
  });
}
