/**
 * Direct transport: calls the API server's pipeline in the same process, objects in and out, no bytes.
 *
 * The component's identity travels as the peer, so it is authorized like any other client.
 * What comes back is shared with the server's cache and frozen: it must never be changed.
 */
import { parseJson } from "../../objects/json.ts";
import { ApiError, type Status } from "../../objects/status.ts";
import type {
  ClientRequest,
  Handler,
  RequestBody,
  RequestRecord,
  ResponseBody,
  ResponseRecord,
  Transport,
  WatchEvent,
} from "./contract.ts";
import { decodeWatch } from "./watch-lines.ts";

export interface DirectOptions {
  readonly handler: Handler;
  /** "system:kube-scheduler", "system:node:a" … */
  readonly user: string;
  readonly groups: readonly string[];
}

const NO_BODY: RequestBody = { kind: "none" };

export function directTransport({ handler, user, groups }: DirectOptions): Transport {
  const peer = { kind: "direct", user, groups } as const;
  const closing = new AbortController();

  const send = async (request: ClientRequest): Promise<ResponseRecord> => {
    request.signal?.throwIfAborted();
    if (closing.signal.aborted) throw new ApiError("ServiceUnavailable", "the transport is closed");
    const signal = request.signal ? AbortSignal.any([request.signal, closing.signal]) : closing.signal;
    const record: RequestRecord = {
      method: request.method,
      path: request.path,
      query: new URLSearchParams(request.query),
      headers: lowerCased(request.headers),
      body: request.body === undefined ? NO_BODY : { kind: "object", value: request.body },
      peer,
      upgrade: false,
      signal,
    };
    const response = await (request.signal ? raced(handler(record), request.signal) : handler(record));
    if (response.status >= 400) throw await failure(response);
    return response;
  };

  return {
    shared: true,

    async request(request) {
      return decoded(await send(request));
    },

    async *watch(request) {
      const { body } = await send(request);
      // of a kind that another server serves behind this one
      if (body.kind === "stream") {
        yield* decodeWatch(body.chunks);
        return interrupted(request, closing.signal);
      }
      if (body.kind !== "watch") throw new ApiError("InternalError", `the server answered a watch with ${body.kind}`);
      for await (const batch of body.batches) {
        if (batch.length > 0) yield batch.map((item): WatchEvent => item.event());
      }
      interrupted(request, closing.signal);
    },

    async *stream(request) {
      const { body } = await send(request);
      yield* chunksOf(body);
      interrupted(request, closing.signal);
    },

    async close() {
      closing.abort();
    },
  };
}

/** The answer, unless the caller gives up first: then the answer comes to nobody. */
function raced<T>(answer: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    answer.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}

/** A stream that ended because of an abort did not end normally. */
function interrupted(request: ClientRequest, closing: AbortSignal): void {
  request.signal?.throwIfAborted();
  if (closing.aborted) throw new ApiError("ServiceUnavailable", "the transport is closed");
}

async function failure(response: ResponseRecord): Promise<ApiError> {
  const value = await decoded(response);
  if (typeof value === "object" && value !== null) return ApiError.from(value as Partial<Status>, response.status);
  return ApiError.from(typeof value === "string" ? { message: value } : {}, response.status);
}

async function decoded({ body, headers }: ResponseRecord): Promise<unknown> {
  if (body.kind === "none" || body.kind === "upgrade") return undefined;
  if (body.kind === "object") return body.value();
  const chunks: Uint8Array[] = [];
  for await (const chunk of chunksOf(body)) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString("utf8");
  return String(headers["content-type"] ?? "").includes("json") ? parseJson(text) : text;
}

async function* chunksOf(body: ResponseBody): AsyncIterable<Uint8Array> {
  if (body.kind === "bytes") yield body.bytes;
  else if (body.kind === "stream") yield* body.chunks;
  else if (body.kind === "object") yield Buffer.from(JSON.stringify(body.value()));
  else if (body.kind !== "none") throw new ApiError("InternalError", `the server answered a stream with ${body.kind}`);
}

function lowerCased(headers: Readonly<Record<string, string>> = {}): Record<string, string> {
  const result: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) result[name.toLowerCase()] = value;
  return result;
}
