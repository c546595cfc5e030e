/**
 * Upgrade: how a connection leaves HTTP, at either end. Hands out WebSockets that are paused.
 *
 * A WebSocket from here delivers nothing before `resume()`, so that no message is lost between the
 * handshake and the first listener. Refusals are ApiErrors, on both sides of the wire.
 */
import { request as httpRequest, type IncomingMessage, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocket, WebSocketServer } from "ws";
import { ApiError, type Status } from "../objects/status.ts";
import { limits } from "../process/limits.ts";
import type { UpgradeRequest } from "./channels.ts";

export function isWebSocketRequest(request: UpgradeRequest): boolean {
  return String(request.headers["upgrade"] ?? "").toLowerCase() === "websocket";
}

/** Values of a header that lists them: "a, b" or several lines. */
export function listed(header: string | readonly string[] | undefined): string[] {
  const text = typeof header === "string" ? header : (header ?? []).join(",");
  return text
    .split(",")
    .map((value) => value.trim())
    .filter((value) => value !== "");
}

/** Answers with an HTTP error whose body is the Status, and closes. Returns the error, to be thrown. */
export function refuse(socket: Duplex, error: ApiError, headers: readonly string[] = []): ApiError {
  const body = JSON.stringify(error.toStatus());
  const head = [
    `HTTP/1.1 ${error.code} ${STATUS_CODES[error.code] ?? "Error"}`,
    "content-type: application/json",
    `content-length: ${Buffer.byteLength(body)}`,
    "connection: close",
    ...headers,
  ];
  socket.on("error", () => socket.destroy());
  socket.resume();
  if (socket.writable) socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
  return error;
}

export interface AcceptedWebSocket {
  readonly ws: WebSocket;
  /** The protocol that was agreed; "" when the client named none. */
  readonly protocol: string;
}

/** Accepts a WebSocket with the first of the client's protocols that is in `protocols`; "" there allows none. */
export async function acceptWebSocket(
  request: UpgradeRequest,
  socket: Duplex,
  head: Uint8Array,
  protocols: readonly string[],
): Promise<AcceptedWebSocket> {
  const offered = listed(request.headers["sec-websocket-protocol"]);
  const protocol = offered.length === 0 ? "" : offered.find((name) => protocols.includes(name));
  if (protocol === undefined || !protocols.includes(protocol)) {
    const message = `unable to upgrade: none of the protocols [${offered.join(" ")}] is supported`;
    throw refuse(socket, new ApiError("BadRequest", message));
  }
  const ws = await shakeHands(request, socket, head, protocol);
  return { ws, protocol };
}

function shakeHands(request: UpgradeRequest, socket: Duplex, head: Uint8Array, protocol: string): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    const server = new WebSocketServer({
      noServer: true,
      perMessageDeflate: false,
      maxPayload: limits.streamFrameBytes,
    });
    server.on("wsClientError", (error) => reject(refuse(socket, new ApiError("BadRequest", error.message))));
    request.resume?.();
    // Kubernetes has protocol names with a slash, which ws takes for malformed: agree on them beside it.
    const { "sec-websocket-protocol": _, ...headers } = request.headers;
    server.on("headers", (lines) => {
      if (protocol !== "") lines.push(`Sec-WebSocket-Protocol: ${protocol}`);
    });
    const message = { method: "GET", url: "/", headers, socket } as unknown as IncomingMessage;
    server.handleUpgrade(message, socket, Buffer.from(head), (ws) => {
      ws.pause();
      resolve(ws);
    });
  });
}

/** Where a client's upgrade request goes. */
export interface UpgradeTarget {
  /** A connected socket to the server: plain, TLS or unix. Called once. */
  connect(): Promise<Duplex> | Duplex;
  /** Path with query, as the server wants it. */
  readonly path: string;
  /** The Host header. */
  readonly host: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

export async function dialWebSocket(target: UpgradeTarget, protocols: readonly string[]): Promise<WebSocket> {
  const socket = await target.connect();
  return new Promise((resolve, reject) => {
    const ws = new WebSocket(`ws://${target.host}${target.path}`, [...protocols], {
      createConnection: (() => socket) as never,
      headers: { ...target.headers },
      perMessageDeflate: false,
      maxPayload: limits.streamFrameBytes,
    });
    const fail = (error: unknown) => {
      reject(asApiError(error));
      ws.on("error", () => {});
      ws.terminate();
      socket.destroy();
    };
    const onAbort = () => fail(target.signal?.reason);
    if (target.signal?.aborted) return onAbort();
    target.signal?.addEventListener("abort", onAbort, { once: true });
    ws.once("error", fail);
    ws.once("unexpected-response", (_request, response) => void refusalOf(response).then(fail));
    ws.once("open", () => {
      ws.off("error", fail);
      target.signal?.removeEventListener("abort", onAbort);
      ws.pause();
      resolve(ws);
    });
  });
}

export interface Upgraded {
  readonly socket: Duplex;
  readonly head: Buffer;
  readonly headers: IncomingMessage["headers"];
}

/** Leaves HTTP for any protocol; used for SPDY. */
export async function dialUpgrade(
  target: UpgradeTarget,
  headers: Readonly<Record<string, string | readonly string[]>>,
): Promise<Upgraded> {
  const socket = await target.connect();
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) => {
      reject(asApiError(error));
      socket.destroy();
    };
    const request = httpRequest({
      createConnection: () => socket,
      method: "POST",
      path: target.path,
      headers: { host: target.host, connection: "Upgrade", ...target.headers, ...(headers as Record<string, string>) },
      ...(target.signal ? { signal: target.signal } : {}),
    });
    request.once("error", fail);
    request.once("response", (response) => void refusalOf(response).then(fail));
    request.once("upgrade", (response, upgraded, head) => {
      resolve({ socket: upgraded, head, headers: response.headers });
    });
    request.end();
  });
}

const REFUSAL_BYTES = 64 * 1024;

/** The ApiError that an HTTP answer other than 101 stands for. */
export async function refusalOf(response: IncomingMessage): Promise<ApiError> {
  const code = response.statusCode ?? 500;
  let text = "";
  try {
    for await (const chunk of response) {
      text += String(chunk);
      if (text.length > REFUSAL_BYTES) break;
    }
    const status = JSON.parse(text) as Partial<Status>;
    if (status.kind === "Status") return ApiError.from(status, code);
  } catch {
    // Not a Status, or cut short: the text itself says what is known.
  }
  const message = text.trim() || `unable to upgrade connection: ${code} ${response.statusMessage ?? ""}`.trim();
  return ApiError.from({ message, reason: code >= 500 ? "InternalError" : "BadRequest" }, code);
}

function asApiError(error: unknown): Error {
  if (error instanceof ApiError) return error;
  const why = error instanceof Error ? error.message : String(error);
  return new ApiError("ServiceUnavailable", `error dialing backend: ${why}`);
}
