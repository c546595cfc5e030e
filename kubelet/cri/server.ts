/**
 * Server: a runtime behind HTTP on a unix socket, open to its owner only (0600).
 *
 *   POST /v1/<Call>            JSON in, JSON out; errors as {code, message}
 *   POST /v1/GetContainerEvents  JSON lines: {"subscribed":true} first, then one event a line, {} as heartbeat
 *   POST /v1/ImportImage       a tar in, JSON out
 *   GET  /v1/Exec, /v1/Attach, /v1/PortForward   upgraded, see streaming.ts
 *
 * It knows no runtime: contract.ts is all it sees. It must never delay or drop what a runtime answers.
 */
import { chmodSync, mkdirSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { connect } from "node:net";
import { dirname } from "node:path";
import type { Clock } from "../../machinery/process/clock.ts";
import { limits } from "../../machinery/process/limits.ts";
import type { Logger } from "../../machinery/process/logging.ts";
import { callNames, methodOf } from "./calls.ts";
import type { CallOptions, Runtime } from "./contract.ts";
import { CriError, criCodes } from "./errors.ts";
import { serveStreams } from "./streaming.ts";

export interface ServeOptions {
  readonly runtime: Runtime;
  readonly socket: string;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface CriServer {
  readonly socket: string;
  /** Stops listening and cuts what is still open. */
  close(): Promise<void>;
}

type Handler = (request: IncomingMessage, response: ServerResponse, signal: AbortSignal) => Promise<void>;

const HEARTBEAT_MS = 10_000;

export async function serveRuntime({ runtime, socket, clock, log }: ServeOptions): Promise<CriServer> {
  const stop = new AbortController();
  const handlers = handlersOf(runtime, clock);
  const server = createServer({ requestTimeout: 0, headersTimeout: 0 }, (request, response) => {
    const gone = new AbortController();
    const signal = AbortSignal.any([gone.signal, stop.signal]);
    response.on("close", () => gone.abort(new CriError("Canceled", "the caller went away")));
    const name = new URL(request.url ?? "/", "http://cri").pathname.slice("/v1/".length);
    const handler = request.method === "POST" ? handlers.get(name) : undefined;
    const work = handler
      ? handler(request, response, signal)
      : Promise.reject(new CriError("Unimplemented", `no call ${request.method} ${request.url}`));
    work.catch((error: unknown) => {
      if (!(error instanceof CriError)) log.error("call failed unexpectedly", { call: name, error });
      answerError(response, error);
    });
  });
  server.on("upgrade", serveStreams({ runtime, clock, log, signal: stop.signal }));
  await listen(server, socket);
  return {
    socket,
    async close() {
      stop.abort(new CriError("Unavailable", "the runtime server is stopping"));
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

function handlersOf(runtime: Runtime, clock: Clock): ReadonlyMap<string, Handler> {
  const handlers = new Map<string, Handler>();
  for (const name of callNames) {
    const method = runtime[methodOf(name)] as (request: unknown, options: CallOptions) => Promise<unknown>;
    handlers.set(name, async (request, response, signal) => {
      const body = await readJson(request);
      answer(response, 200, await method.call(runtime, body, { signal }));
    });
  }
  handlers.set("GetContainerEvents", (_request, response, signal) => sendEvents(runtime, response, signal, clock));
  handlers.set("ImportImage", async (request, response, signal) => {
    answer(response, 200, await runtime.importImage(request, { signal }));
  });
  return handlers;
}

async function sendEvents(runtime: Runtime, response: ServerResponse, signal: AbortSignal, clock: Clock) {
  const events = runtime.getContainerEvents(signal)[Symbol.asyncIterator]();
  const first = await events.next(); // an error until here is answered as one
  if (first.done) return void response.end();
  response.writeHead(200, { "content-type": "application/jsonl" });
  response.write('{"subscribed":true}\n');
  const beat = () => {
    response.write("{}\n");
    timer = clock.after(HEARTBEAT_MS, beat, { background: true });
  };
  let timer = clock.after(HEARTBEAT_MS, beat, { background: true });
  try {
    for (let next = await events.next(); !next.done; next = await events.next()) {
      if (next.value && !response.write(`${JSON.stringify(next.value)}\n`)) await drained(response, signal);
    }
    response.end();
  } catch (error) {
    if (signal.aborted) return;
    response.end(`${JSON.stringify(errorBody(error))}\n`);
  } finally {
    timer.cancel();
  }
}

function drained(response: ServerResponse, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    response.once("drain", resolve);
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > limits.requestBodyBytes)
      throw new CriError("ResourceExhausted", `the body is larger than ${limits.requestBodyBytes} bytes`);
    chunks.push(chunk);
  }
  if (size === 0) return {};
  try {
    const value: unknown = JSON.parse(Buffer.concat(chunks).toString("utf8"));
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  } catch (error) {
    throw new CriError("InvalidArgument", "the body is not JSON", { cause: error });
  }
  throw new CriError("InvalidArgument", "the body is not a JSON object");
}

function answer(response: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  response.writeHead(status, { "content-type": "application/json", "content-length": Buffer.byteLength(text) });
  response.end(text);
}

function answerError(response: ServerResponse, error: unknown): void {
  if (response.headersSent || response.destroyed) return void response.destroy();
  const body = errorBody(error);
  answer(response, criCodes[body.code][1], body);
}

function errorBody(error: unknown): { code: keyof typeof criCodes; message: string } {
  if (error instanceof CriError) return { code: error.code, message: error.message };
  return { code: "Internal", message: error instanceof Error ? error.message : String(error) };
}

/** Takes over a socket that nobody listens on any more; refuses one that is in use. */
async function listen(server: Server, socket: string): Promise<void> {
  if (Buffer.byteLength(socket) > 107)
    throw new CriError("InvalidArgument", `the path of the socket is longer than 107 bytes: ${socket}`);
  mkdirSync(dirname(socket), { recursive: true, mode: 0o700 });
  if (await isServed(socket)) throw new CriError("AlreadyExists", `another runtime server listens on ${socket}`);
  rmSync(socket, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(socket, resolve);
  });
  chmodSync(socket, 0o600);
}

/** Whether somebody answers on a unix socket. */
export function isServed(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(socket);
    const say = (served: boolean) => {
      probe.destroy();
      resolve(served);
    };
    probe.once("connect", () => say(true));
    probe.once("error", () => say(false));
  });
}
