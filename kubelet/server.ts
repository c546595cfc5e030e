/**
 * Server: the kubelet's HTTP paths, for connections that come out of the tunnel.
 *
 * It listens nowhere: who may speak to it was decided by the API server, which alone holds the other
 * end of the tunnel (`server.emit("connection", stream)`). Paths and errors are the real kubelet's.
 * What each path does: server-logs.ts, server-streams.ts, server-stats.ts, server-connect.ts.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { ApiError } from "../machinery/objects/status.ts";
import type { Clock } from "../machinery/process/clock.ts";
import type { Logger } from "../machinery/process/logging.ts";
import type { Runtime } from "./cri/contract.ts";
import { latest } from "./pods/runtime-state.ts";
import type { PodWorker } from "./pods/worker.ts";
import type { PodWorkers } from "./pods/workers.ts";
import { serveConnect } from "./server-connect.ts";
import { containerLogs } from "./server-logs.ts";
import { checkPath, type NodeStats } from "./server-stats.ts";
import { serveAttach, serveExec, servePortForward } from "./server-streams.ts";
import { METRICS_TEXT } from "./stats/metrics-text.ts";

export interface ServerContext {
  readonly workers: PodWorkers;
  readonly cri: Runtime;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly nodeName: string;
  readonly stats: NodeStats;
}

export interface Call {
  readonly request: IncomingMessage;
  /** Decoded parts of the path behind its first. */
  readonly parts: readonly string[];
  readonly query: URLSearchParams;
  readonly context: ServerContext;
}

type Answer = (call: Call, response: ServerResponse) => Promise<void>;
type Upgrade = (call: Call, socket: Duplex, head: Buffer) => Promise<void>;

const ANSWERS: Readonly<Record<string, Answer>> = {
  healthz: async (_call, response) => void response.end("ok"),
  pods: async ({ context }, response) => {
    const items = context.workers.list().map((worker) => ({ ...worker.pod(), status: worker.status() }));
    json(response, { kind: "PodList", apiVersion: "v1", metadata: {}, items });
  },
  containerLogs,
  stats: async ({ context, parts, query }, response) => {
    checkPath(parts, "summary");
    json(response, await context.stats.summary(query.get("only_cpu_and_memory") === "true"));
  },
  metrics: async ({ context, parts }, response) => {
    const path = parts.join("/");
    const read = Object.hasOwn(METRICS, path) ? METRICS[path] : undefined;
    if (!read) throw new ApiError("NotFound", "404 page not found");
    response.setHeader("content-type", METRICS_TEXT);
    response.end(await read(context.stats));
  },
};

/** What stands below /metrics. */
const METRICS: Readonly<Record<string, (stats: NodeStats) => Promise<string>>> = {
  "": (stats) => stats.kubeletMetrics(),
  resource: (stats) => stats.resourceMetrics(),
  cadvisor: (stats) => stats.cadvisorMetrics(),
  probes: (stats) => stats.probeMetrics(),
};

const UPGRADES: Readonly<Record<string, Upgrade>> = {
  exec: serveExec,
  attach: serveAttach,
  portForward: servePortForward,
  connect: serveConnect,
};

export function createKubeletServer(context: ServerContext): Server {
  const server = createServer({ requestTimeout: 0, headersTimeout: 0, keepAliveTimeout: 60_000 });

  server.on("request", (request, response) => {
    const { name, call } = read(request, context);
    const answer = ANSWERS[name];
    const work = answer
      ? answer(call, response)
      : Promise.reject(
          UPGRADES[name]
            ? new ApiError("BadRequest", "Upgrade request required")
            : new ApiError("NotFound", "404 page not found"),
        );
    work.catch((error: unknown) => refuse(response, error, context));
  });

  server.on("upgrade", (request, socket, head) => {
    const { name, call } = read(request, context);
    const upgrade = UPGRADES[name];
    socket.on("error", (error) => context.log.debug("a streaming connection broke", { error }));
    const work = upgrade ? upgrade(call, socket, head) : Promise.reject(new ApiError("NotFound", "404 page not found"));
    work.catch((error: unknown) => refuseSocket(socket, error, context));
  });
  return server;
}

function read(request: IncomingMessage, context: ServerContext): { name: string; call: Call } {
  const url = new URL(request.url ?? "/", "http://kubelet");
  const [name = "", ...parts] = url.pathname.split("/").filter(Boolean).map(decodeURIComponent);
  return { name, call: { request, parts, query: url.searchParams, context } };
}

/** The worker of a Pod, or the real kubelet's words that there is none. */
export function workerOf({ context }: Call, namespace: string, name: string): PodWorker {
  const worker = context.workers.find(namespace, name);
  if (!worker) throw new ApiError("NotFound", `pod does not exist`);
  return worker;
}

/** The running container that exec and attach go to. */
export function runningContainer(worker: PodWorker, name: string): string {
  const runtime = worker.runtime();
  const record = runtime && latest(runtime, name);
  if (record?.state !== "running") throw new ApiError("NotFound", `container not found ("${name}")`);
  return record.id;
}

function json(response: ServerResponse, body: unknown): void {
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify(body));
}

function asApiError(error: unknown): ApiError {
  return error instanceof ApiError ? error : new ApiError("InternalError", (error as Error).message);
}

function refuse(response: ServerResponse, error: unknown, { log, signal }: ServerContext): void {
  const { code, message } = asApiError(error);
  if (code >= 500 && !signal.aborted) log.warn("a request failed", { error });
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response.statusCode = code;
  response.setHeader("content-type", "text/plain; charset=utf-8");
  response.end(message);
}

function refuseSocket(socket: Duplex, error: unknown, { log }: ServerContext): void {
  const { code, message } = asApiError(error);
  log.info("a streaming request was refused", { code, error: message });
  if (socket.destroyed || !socket.writable) return;
  const body = Buffer.from(message, "utf8");
  socket.end(
    `HTTP/1.1 ${code} Refused\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${message}`,
  );
}
