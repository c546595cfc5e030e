/**
 * Exchange: what https and unix sockets share: one HTTP/1.1 request, its answer decoded.
 *
 * Nothing is kept without bound: an answer has a largest size, a watch keeps one unfinished line.
 * Only a GET on a kept-alive connection that the server had closed meanwhile is sent again.
 */

import type { ClientRequest as HttpRequest, IncomingMessage, RequestOptions } from "node:http";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { parseJson } from "../../objects/json.ts";
import { ApiError, reasons, type Status } from "../../objects/status.ts";
import { limits } from "../../process/limits.ts";
import type { ClientRequest, Transport } from "./contract.ts";
import { decodeWatch } from "./watch-lines.ts";

/** How connections are made and who the client is. */
export interface Connector {
  /** Opens a request with the connector's agent, address and TLS. */
  open(options: RequestOptions): HttpRequest;
  /** Headers that say who is asking. */
  headers(): Promise<Readonly<Record<string, string | string[]>>>;
  /** Ask for gzip: not worth it on the same machine. */
  readonly compress: boolean;
  /** What is at the other end, for messages: "https://10.0.0.1:6443". */
  readonly address: string;
  close(): void;
}

export interface ExchangeOptions {
  /** Called for each Warning header of a response. */
  readonly onWarning?: ((text: string) => void) | undefined;
}

/** Nothing came back: the server cannot be reached, or broke off. `unsent`: it has not seen the request. */
export class NoAnswer extends ApiError {
  readonly unsent: boolean;

  constructor(reason: "ServiceUnavailable" | "Timeout", message: string, unsent = false) {
    super(reason, message);
    this.unsent = unsent;
  }
}

const decompress = promisify(gunzip);

export function httpTransport(connector: Connector, { onWarning }: ExchangeOptions = {}): Transport {
  const closing = new AbortController();

  const send = async (request: ClientRequest, idleMs: number): Promise<IncomingMessage> => {
    request.signal?.throwIfAborted();
    if (closing.signal.aborted) throw closed();
    const options = await prepare(connector, request, idleMs);
    if (closing.signal.aborted) throw closed();
    // what has no signal of its own ends with its connection when the connector closes
    const { signal } = request;
    const until = signal ? { signal: AbortSignal.any([signal, closing.signal]) } : {};
    const response = await exchange(connector, { ...options, ...until }, request, closing.signal);
    if (onWarning) for (const text of warningsOf(response)) onWarning(text);
    if ((response.statusCode ?? 0) >= 400) throw await failure(response);
    return response;
  };
  const translated = (request: ClientRequest, error: unknown): unknown => {
    if (request.signal?.aborted) return request.signal.reason;
    if (closing.signal.aborted) return closed();
    return error instanceof ApiError ? error : unavailable(connector, error);
  };

  return {
    shared: false,

    async request(request) {
      try {
        return await decoded(await send(request, limits.requestIdleMs));
      } catch (error) {
        throw translated(request, error);
      }
    },

    async *watch(request) {
      yield* translating(decodeWatch(received(() => send(request, 0))), (error) => translated(request, error));
    },

    async *stream(request) {
      yield* translating(
        received(() => send(request, 0)),
        (error) => translated(request, error),
      );
    },

    async close() {
      closing.abort();
      connector.close();
    },
  };
}

const closed = () => new NoAnswer("ServiceUnavailable", "the transport is closed");

async function prepare(connector: Connector, request: ClientRequest, idleMs: number): Promise<RequestOptions> {
  const headers: Record<string, string | string[]> = {
    accept: "application/json",
    ...(await connector.headers()),
  };
  if (connector.compress && idleMs > 0) headers["accept-encoding"] = "gzip";
  if (request.body !== undefined) headers["content-type"] = "application/json";
  for (const [name, value] of Object.entries(request.headers ?? {})) headers[name.toLowerCase()] = value;
  const query = new URLSearchParams(request.query).toString();
  return {
    method: request.method,
    path: query ? `${request.path}?${query}` : request.path,
    headers,
    ...(idleMs > 0 ? { timeout: idleMs } : {}),
  };
}

async function exchange(connector: Connector, options: RequestOptions, request: ClientRequest, closing: AbortSignal) {
  const body = request.body === undefined ? undefined : Buffer.from(JSON.stringify(request.body));
  if (body) options = { ...options, headers: { ...options.headers, "content-length": String(body.length) } };
  for (let attempt = 1; ; attempt++) {
    const { outgoing, answer } = once(connector, options, body);
    try {
      return await answer;
    } catch (error) {
      const reset = (error as NodeJS.ErrnoException).code === "ECONNRESET";
      const stale = outgoing.reusedSocket && reset && !closing.aborted;
      if (!stale || request.method !== "GET" || attempt > 2) throw error;
    }
  }
}

function once(connector: Connector, options: RequestOptions, body: Buffer | undefined) {
  const outgoing = connector.open(options);
  const answer = new Promise<IncomingMessage>((resolve, reject) => {
    outgoing.on("response", resolve);
    outgoing.on("error", reject);
    outgoing.on("upgrade", (response, socket) => {
      socket.destroy();
      reject(new ApiError("InternalError", `the server left HTTP with ${response.statusCode}`));
    });
    outgoing.on("timeout", () => {
      outgoing.destroy(new NoAnswer("Timeout", `${connector.address} did not answer in ${options.timeout} ms`));
    });
  });
  outgoing.end(body);
  return { outgoing, answer };
}

/** The response's bytes; ending the iteration early closes the connection. */
async function* received(open: () => Promise<IncomingMessage>): AsyncGenerator<Uint8Array> {
  const response = await open();
  try {
    for await (const chunk of response) yield chunk as Uint8Array;
  } finally {
    response.destroy();
  }
}

async function* translating<T>(source: AsyncIterable<T>, translate: (error: unknown) => unknown): AsyncGenerator<T> {
  try {
    yield* source;
  } catch (error) {
    throw translate(error);
  }
}

async function bytesOf(response: IncomingMessage): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > limits.responseBytes)
      throw new ApiError("InternalError", `the answer exceeds ${limits.responseBytes} bytes`);
    chunks.push(chunk);
  }
  const bytes = Buffer.concat(chunks);
  if (response.headers["content-encoding"] !== "gzip") return bytes;
  return decompress(bytes, { maxOutputLength: limits.responseBytes });
}

async function decoded(response: IncomingMessage): Promise<unknown> {
  const bytes = await bytesOf(response);
  if (bytes.length === 0) return undefined;
  const type = response.headers["content-type"] ?? "";
  if (type.includes("json")) return parseJson(bytes.toString("utf8"));
  return type.includes("protobuf") ? bytes : bytes.toString("utf8");
}

async function failure(response: IncomingMessage): Promise<ApiError> {
  const code = response.statusCode ?? 500;
  const value = await decoded(response).catch(() => undefined);
  if (typeof value === "object" && value !== null) return ApiError.from(value as Partial<Status>, code);
  const reason = Object.entries(reasons).find(([, number]) => number === code)?.[0] ?? "Unknown";
  const text = typeof value === "string" && value.trim() ? value.trim() : `the server answered ${code}`;
  return new ApiError(reason, text, undefined, code);
}

function unavailable({ address }: Connector, error: unknown): ApiError {
  const { code, message, syscall } = error as NodeJS.ErrnoException;
  const why = message || code || String(error);
  return new NoAnswer("ServiceUnavailable", `cannot reach ${address}: ${why}`, syscall === "connect");
}

/** The texts of `Warning: 299 - "text"` headers. */
function warningsOf(response: IncomingMessage): string[] {
  const all = response.headersDistinct["warning"] ?? [];
  return all.flatMap((header) => {
    // Node reads a character a byte; the text is UTF-8
    const match = /^299 \S+ ("(?:[^"\\]|\\.)*")/.exec(Buffer.from(header, "latin1").toString("utf8"));
    return match ? [match[1]!.slice(1, -1).replace(/\\(.)/g, "$1")] : [];
  });
}
