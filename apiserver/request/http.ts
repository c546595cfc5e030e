/**
 * HTTP: the pipeline on a socket. The only file that knows express, https and how bodies travel.
 *
 * A body is bounded in size and time; an answer is written in slices, waiting for a slow reader; a client
 * that goes away aborts its request. Upgrades (exec, tunnels) leave HTTP by the response's own `accept`.
 */
import { chmod, rm } from "node:fs/promises";
import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { DEFAULT_CIPHERS, type TLSSocket } from "node:tls";
import express from "express";
import type {
  Handler,
  Peer,
  RequestBody,
  RequestRecord,
  ResponseRecord,
} from "../../machinery/client/transport/contract.ts";
import { ApiError } from "../../machinery/objects/status.ts";
import { type KeyPair, subjectOf } from "../../machinery/pki/certificates.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import { limits } from "../../machinery/process/limits.ts";
import type { Logger } from "../../machinery/process/logging.ts";
import { AUDIT_ID } from "../audit/event.ts";
import { PEER_PROTOCOL } from "../servers/peers.ts";
import { failure } from "./failure.ts";
import { announcedBytes, bodyOf, NO_BODY } from "./http-body.ts";
import { writeResponse, writeUpgradeRefusal } from "./http-response.ts";
import type { Arriving, InFlight, Leave } from "./in-flight.ts";
import { answerRefused } from "./refused-connection.ts";
import { turnTaking } from "./turns.ts";
import { createWatchLines, type WatchLines } from "./watch-lines.ts";
import { serveWatchSocket, watchOverSocket } from "./watch-socket.ts";

export interface ListenOptions {
  readonly handler: Handler;
  readonly clock: Clock;
  readonly log: Logger;
  /** Shared by all listeners of a server. */
  readonly inFlight: InFlight;
  readonly bounds?: HttpBounds;
}

export interface HttpBounds {
  /** For a request to arrive whole; how often that is looked at. */
  readonly requestMs: number;
  readonly lookMs: number;
  readonly connections: number;
}

const BOUNDS: HttpBounds = { requestMs: limits.requestBodyMs, lookMs: 5_000, connections: limits.connections };

export interface TlsOptions extends ListenOptions {
  readonly host: string;
  /** 0 for any that is free. */
  readonly port: number;
  readonly certificate: string;
  readonly key: string;
  /** PEM of the authority whose client certificates are identities. */
  readonly clientAuthority: string;
}

export interface UnixOptions extends ListenOptions {
  readonly path: string;
  /** Whoever may open the socket is this user, unless it brings a token: file permissions are the authentication. */
  readonly peer: Peer;
}

export interface Listening {
  readonly port: number;
  /** New connections get this certificate. Where there is none to give, it is missing. */
  serveWith?(pair: KeyPair): void;
  /** Takes no new connections and waits for open requests, at most limits.drainMs. */
  close(): Promise<void>;
}

export async function listenTls(options: TlsOptions): Promise<Listening> {
  const peers = new WeakMap<Socket, TlsPeer>();
  const peerOf = ({ socket }: IncomingMessage): Peer => {
    const known = peers.get(socket) ?? tlsPeer(socket as TLSSocket);
    peers.set(socket, known);
    // A connection may outlive the certificate with which it began.
    if (options.clock.now() > known.until) throw new ApiError("Unauthorized", "Unauthorized");
    return known.peer;
  };
  const secured = ({ certificate, key }: KeyPair) =>
    ({
      cert: certificate,
      key,
      ca: options.clientAuthority,
      minVersion: "TLSv1.2",
      ciphers: CIPHERS,
    }) as const;
  const server = createHttpsServer(
    {
      ...secured(options),
      requestCert: true,
      rejectUnauthorized: false,
      ALPNProtocols: ["http/1.1"],
      handshakeTimeout: limits.requestBodyMs,
      ...serverOptions(options),
    },
    application(options, peerOf),
  );
  limited(server, options);
  const upgraded = serveUpgrades(server, options, peerOf);
  await listening(server, () => server.listen({ host: options.host, port: options.port }), options);
  return { ...handle(server, upgraded, options), serveWith: (pair) => server.setSecureContext(secured(pair)) };
}

/** The socket file is 0600; one that a dead server left behind is replaced. */
export async function listenUnix(options: UnixOptions): Promise<Listening> {
  const peerOf = ({ headers }: IncomingMessage): Peer =>
    headers.authorization === undefined ? options.peer : { kind: "anonymous" };
  const server = createHttpServer(serverOptions(options), application(options, peerOf));
  limited(server, options);
  const upgraded = serveUpgrades(server, options, peerOf);
  await rm(options.path, { force: true });
  await listening(server, () => server.listen(options.path), { host: options.path, port: 0 });
  await chmod(options.path, 0o600);
  return handle(server, upgraded, options);
}

function serverOptions({ bounds = BOUNDS }: ListenOptions) {
  return {
    requestTimeout: bounds.requestMs,
    headersTimeout: bounds.requestMs,
    connectionsCheckingInterval: bounds.lookMs,
    keepAliveTimeout: limits.keepAliveMs,
    maxHeaderSize: limits.requestHeaderBytes,
    // "Upgrade: h2c" and the like are offers that may be passed over.
    shouldUpgradeCallback: ({ headers }: IncomingMessage) => UPGRADES.has((headers.upgrade ?? "").toLowerCase()),
  };
}

/** Bounds what a server holds beyond single requests. */
function limited(server: Server, { bounds = BOUNDS, clock, log }: ListenOptions): void {
  answerRefused(server, clock);
  // Node drops what comes after this number unsaid, perhaps an identity: one more than is taken, so that it shows.
  server.maxHeadersCount = limits.requestHeaders + 1;
  server.maxConnections = bounds.connections;
  server.on("drop", () => {
    log.warn("too many connections, idle ones are closed", { limit: bounds.connections });
    server.closeIdleConnections();
  });
}

const IDLE_LOOK_MS = 20;

/** The cheapest that is strong comes first, as in Go's servers: to encrypt is half of what a watch costs. */
const CIPHERS = `TLS_AES_128_GCM_SHA256:${DEFAULT_CIPHERS}`;

const UPGRADES: ReadonlySet<string> = new Set(["websocket", "spdy/3.1", PEER_PROTOCOL]);

function application(options: ListenOptions, peerOf: (request: IncomingMessage) => Peer) {
  const app = express();
  const pausing = { ...options, clock: turnTaking(options.clock) };
  const lines = createWatchLines();
  app.disable("x-powered-by");
  app.disable("etag");
  app.use((request, response) => {
    serve(pausing, lines, peerOf, request, response).catch((error: unknown) => {
      // The answer had begun: all that is left is to say so by cutting the connection.
      options.log.debug("answer cut short", { error, path: request.url });
      response.destroy();
    });
  });
  return app;
}

async function serve(
  { handler, clock, log, inFlight }: ListenOptions,
  lines: WatchLines,
  peerOf: (request: IncomingMessage) => Peer,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const gone = new AbortController();
  response.on("close", () => {
    if (!response.writableFinished) gone.abort(new Error("the client went away"));
  });
  let answer: ResponseRecord;
  let leave: Leave | undefined;
  try {
    const peer = peerOf(request);
    const entered = inFlight.enter(arriving(request, peer, announcedBytes(request)));
    leave = entered instanceof Promise ? await entered : entered;
    if (leave) {
      const record = recordOf(request, await bodyOf(request), peer, false, gone.signal, clock);
      response.setHeader("audit-id", record.headers[AUDIT_ID] as string);
      answer = await handler(record);
    } else answer = tooMany;
  } catch (error) {
    if (gone.signal.aborted) return leave?.();
    answer = failure(error, log);
  }
  // What is left of a body that nobody reads would be taken for the next request.
  if (!request.complete) response.setHeader("connection", "close");
  const before = response.socket?.bytesWritten ?? 0;
  const writing = writeResponse(answer, request, response, { clock, lines });
  if (answer.sized) tellSize(answer.sized, response, writing, before);
  if (response.writableEnded || answer.body.kind === "watch" || answer.body.kind === "stream") leave?.();
  else if (leave) countUntil(writing, leave, clock);
  return writing;
}

/** What goes out in pieces is told when it is out, by what its connection has carried meanwhile. */
function tellSize(
  sized: NonNullable<ResponseRecord["sized"]>,
  response: ServerResponse,
  writing: Promise<void>,
  before: number,
): void {
  const length = response.getHeader("content-length");
  const { socket } = response;
  if (length !== undefined) sized.observe(Number(length));
  else
    writing.then(
      () => sized.observe(Math.max(0, (socket?.bytesWritten ?? before) - before)),
      () => undefined, // cut short: told where it is awaited
    );
}

/** A long answer counts until it is written; a reader that is slow does not hold the place for ever. */
function countUntil(writing: Promise<void>, leave: Leave, clock: Clock): void {
  const timer = clock.after(limits.answerMs, leave, { background: true });
  const over = () => {
    timer.cancel();
    leave();
  };
  writing.then(over, over);
}

function arriving(
  { method = "GET", url = "/", rawHeaders, headers, socket }: IncomingMessage,
  peer: Peer,
  bytes: number,
): Arriving {
  if (rawHeaders.length > 2 * limits.requestHeaders)
    throw new ApiError("BadRequest", `too many headers: limit is ${limits.requestHeaders}`, undefined, 431);
  const flow = peer.kind === "anonymous" ? (headers.authorization ?? socket.remoteAddress ?? "") : peer.user;
  return { peer, method, path: pathOf(url), bytes, flow };
}

const pathOf = (url: string): string => {
  const mark = url.indexOf("?");
  return mark < 0 ? url : url.slice(0, mark);
};

const tooMany: ResponseRecord = {
  status: 429,
  headers: { "content-type": "text/plain; charset=utf-8", "retry-after": "1" },
  body: { kind: "bytes", bytes: Buffer.from("Too many requests, please try again later.\n") },
};

function recordOf(
  request: IncomingMessage,
  body: RequestBody,
  peer: Peer,
  upgrade: boolean,
  signal: AbortSignal,
  clock: Clock,
): RequestRecord {
  const { url = "/", method = "GET" } = request;
  const mark = url.indexOf("?");
  return {
    method,
    path: pathOf(url),
    query: new URLSearchParams(mark < 0 ? "" : url.slice(mark + 1)),
    headers: headersOf(request, clock),
    body,
    peer,
    source: request.socket.remoteAddress,
    upgrade,
    signal,
  };
}

/** As Node joins them, but values of impersonation stay apart: a group's name may have a comma. */
function headersOf(request: IncomingMessage, clock: Clock): RequestRecord["headers"] {
  const headers = request.headers as Record<string, string | undefined>;
  headers[AUDIT_ID] ||= clock.uuid();
  if (headers["impersonate-user"] === undefined) return headers;
  const lines = Object.entries(request.headersDistinct).filter(([name]) => name.startsWith("impersonate-"));
  return { ...headers, ...Object.fromEntries(lines.map(([name, values]) => [name, values?.join("\n")])) };
}

/** A certificate that our authority did not sign is a wrong identity, not a missing one. */
function tlsPeer(socket: TLSSocket): TlsPeer {
  const certificate = socket.getPeerX509Certificate();
  if (!certificate) return { peer: { kind: "anonymous" }, until: Number.POSITIVE_INFINITY };
  const subject = subjectOf(certificate);
  if (!socket.authorized || subject.user === "") throw new ApiError("Unauthorized", "Unauthorized");
  return { peer: { kind: "certificate", ...subject }, until: Date.parse(certificate.validTo) };
}

interface TlsPeer {
  readonly peer: Peer;
  /** When its certificate ends, in ms. */
  readonly until: number;
}

/** Answers the connections that have left HTTP: the server no longer knows them. */
function serveUpgrades(
  server: Server,
  { handler, clock, log, inFlight }: ListenOptions,
  peerOf: (request: IncomingMessage) => Peer,
): ReadonlySet<Duplex> {
  const open = new Set<Duplex>();
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const gone = new AbortController();
    open.add(socket);
    socket.on("close", () => {
      open.delete(socket);
      gone.abort(new Error("the client went away"));
    });
    socket.on("error", (error) => log.debug("upgraded connection failed", { error }));
    const answer = async () => {
      const peer = peerOf(request);
      const leave = await inFlight.enter(arriving(request, peer, 0));
      const record = recordOf(request, NO_BODY, peer, true, gone.signal, clock);
      const response = leave ? await handler(record).finally(leave) : tooMany;
      const watch = watchOverSocket(response, record);
      if (response.body.kind === "upgrade") response.body.accept(socket, head);
      else if (watch) await serveWatchSocket(response, watch, record, socket, head, clock);
      else await writeUpgradeRefusal(response, socket);
    };
    answer().catch(async (error: unknown) => {
      if (socket.destroyed) return;
      await writeUpgradeRefusal(failure(error, log), socket);
    });
  });
  return open;
}

/** Resolves when the server listens; a port that is taken becomes a sentence that says what to do. */
function listening(server: Server, listen: () => void, where: { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException) => reject(listenError(error, where));
    server.once("error", failed);
    server.once("listening", () => {
      server.off("error", failed);
      resolve();
    });
    listen();
  });
}

function listenError(error: NodeJS.ErrnoException, { host, port }: { host: string; port: number }): Error {
  const why: Readonly<Record<string, string>> = {
    EADDRINUSE: `port ${port} is already in use: stop what listens on ${host}:${port}, or choose another port with --port`,
    EACCES: `port ${port} may not be opened by this user: choose one above 1023 with --port`,
    EADDRNOTAVAIL: `this machine does not have the address ${host}: choose another with --listen`,
  };
  return new Error(why[error.code ?? ""] ?? `cannot listen on ${host}:${port}: ${error.message}`, { cause: error });
}

function handle(server: Server, upgraded: ReadonlySet<Duplex>, { clock }: ListenOptions): Listening {
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    async close() {
      let open = true;
      const closed = new Promise<void>((resolve) => server.close(() => resolve())).then(() => {
        open = false;
      });
      const end = clock.monotonic() + limits.drainMs;
      // A connection whose last answer has just ended is idle then, but was not when closing began.
      while (open && clock.monotonic() < end) {
        server.closeIdleConnections();
        await Promise.race([closed, clock.sleep(IDLE_LOOK_MS)]);
      }
      server.closeAllConnections();
      for (const socket of upgraded) socket.destroy();
      await closed;
    },
  };
}
