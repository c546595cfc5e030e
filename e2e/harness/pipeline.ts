/**
 * Pipeline: the real API server in this process, over the memory store, for tests of its clients.
 *
 * Nothing is mocked: requests go through authentication, authorization, admission and validation
 * like any others, only without bytes on a socket. The schema is loaded once for all pipelines of a process.
 */
import { generateKeyPairSync } from "node:crypto";
import { type Apiserver, type ApiserverOptions, createApiserver } from "../../apiserver/create-apiserver.ts";
import { loadSchema } from "../../apiserver/schema/load.ts";
import type { Store } from "../../apiserver/store/contract.ts";
import { createMemoryStore } from "../../apiserver/store/memory.ts";
import type { Client } from "../../machinery/client/client.ts";
import { createClient } from "../../machinery/client/create-client.ts";
import type { Handler, RequestRecord, ResponseRecord, Transport } from "../../machinery/client/transport/contract.ts";
import { directTransport } from "../../machinery/client/transport/direct.ts";
import { isAlreadyExists } from "../../machinery/objects/status.ts";
import { type Clock, systemClock } from "../../machinery/process/clock.ts";
import { type Logger, silent } from "../../machinery/process/logging.ts";

export interface PipelineOptions extends Partial<Omit<ApiserverOptions, "schema">> {
  readonly clock?: Clock;
  readonly log?: Logger;
  readonly store?: Store;
  /** Without the account that Pods in the namespace default need: for tests of who makes it. */
  readonly withoutDefaultAccount?: boolean;
}

export interface Pipeline {
  readonly handler: Handler;
  readonly apiserver: Apiserver;
  readonly store: Store;
  readonly clock: Clock;
  /** As the identity, through everything that a request goes through. Default: an administrator. */
  transport(user?: string, groups?: readonly string[]): Transport;
  client(user?: string, groups?: readonly string[]): Client;
  /** One raw request, for tests of the server itself. */
  send(request: RawRequest): Promise<RawResponse>;
  close(): Promise<void>;
}

export interface RawRequest {
  readonly method?: string;
  /** With its query: "/api/v1/pods?limit=2". */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** A string is sent as bytes, anything else as JSON. */
  readonly body?: unknown;
  readonly user?: string;
  readonly groups?: readonly string[];
  readonly peer?: RequestRecord["peer"];
  readonly signal?: AbortSignal;
}

export interface RawResponse {
  readonly status: number;
  readonly headers: ResponseRecord["headers"];
  readonly body: ResponseRecord["body"];
  /** The body as a value: parsed JSON, text, or the bytes of protobuf. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  readonly value: any;
}

const schema = memoized(() => loadSchema());
const tokenKey = memoized(() =>
  generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
);

export async function startPipeline(options: PipelineOptions = {}): Promise<Pipeline> {
  const { clock = systemClock, log = silent } = options;
  const store = options.store ?? createMemoryStore({ clock });
  const apiserver = createApiserver({
    tokenKey: tokenKey(),
    advertiseAddress: "192.0.2.1",
    ...options,
    store,
    schema: await schema(),
    clock,
    log,
  });
  await apiserver.start();
  const { handler } = apiserver;
  const transport = (user = "admin", groups: readonly string[] = ["system:masters"]) =>
    directTransport({ handler, user, groups });
  if (!options.withoutDefaultAccount) await createDefaultAccount(createClient(transport()));
  return {
    handler,
    apiserver,
    store,
    clock,
    transport,
    client: (user, groups) => createClient(transport(user, groups)),
    send: (request) => send(handler, request),
    async close() {
      await apiserver.close();
      await store.close();
    },
  };
}

async function createDefaultAccount(client: Client): Promise<void> {
  const account = { metadata: { name: "default", namespace: "default" } };
  await client.create("serviceaccounts", account).catch((error: unknown) => {
    if (!isAlreadyExists(error)) throw error;
  });
}

async function send(handler: Handler, request: RawRequest): Promise<RawResponse> {
  const { method = "GET", path, headers = {}, body, user = "admin", groups = ["system:masters"] } = request;
  const [plain = "", query = ""] = path.split("?", 2);
  const text = typeof body === "string" ? body : body === undefined ? undefined : JSON.stringify(body);
  const response = await handler({
    method,
    path: plain,
    query: new URLSearchParams(query),
    headers: { ...(text === undefined ? {} : { "content-type": "application/json" }), ...headers },
    body: text === undefined ? { kind: "none" } : { kind: "bytes", bytes: Buffer.from(text) },
    peer: request.peer ?? { kind: "certificate", user, groups },
    upgrade: false,
    signal: request.signal ?? new AbortController().signal,
  });
  return { status: response.status, headers: response.headers, body: response.body, value: bodyOf(response) };
}

function bodyOf({ body, headers }: ResponseRecord): unknown {
  const type = String(headers["content-type"]);
  if (body.kind === "object" && type === "application/json") return JSON.parse(JSON.stringify(body.value()));
  const bytes = bytesOf(body);
  if (!bytes || type.includes("protobuf")) return bytes;
  return type.includes("json") ? JSON.parse(bytes.toString()) : bytes.toString();
}

/** Undefined for what is no whole answer: streams, watches, upgrades. */
export function bytesOf(body: ResponseRecord["body"]): Buffer | undefined {
  if (body.kind === "bytes") return Buffer.from(body.bytes);
  if (body.kind !== "object") return undefined;
  const slices = body.encoded?.() ?? [Buffer.from(JSON.stringify(body.value()))];
  return Buffer.concat([...slices].map((slice) => Buffer.from(slice)));
}

function memoized<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
