/**
 * Proxy to a node: one request of the pipeline becomes one HTTP/1.1 request on a dialed stream.
 *
 * exec, attach and port-forward are spliced byte by byte after the kubelet's 101, so nothing here knows
 * WebSocket or SPDY. The caller has authorized the request; its credentials never travel on.
 */
import { request as httpRequest, type IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { type RequestRecord, type ResponseRecord, TOKEN_PROTOCOL } from "../../machinery/client/transport/contract.ts";
import { ApiError, badRequest, type Reason, reasons } from "../../machinery/objects/status.ts";
import type { ProxyToNode } from "./contract.ts";

/** Headers that end here: they belong to one connection, or are the caller's credentials. */
const DROPPED: ReadonlySet<string> = new Set([
  "authorization",
  "connection",
  "content-length",
  "cookie",
  "host",
  "keep-alive",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

const DROPPED_PREFIXES = ["impersonate-", "k8ts-cause-"];

export const proxyToNode: ProxyToNode = async (tunnels, target, request) => {
  const backend = await tunnels.dial(target.node, { signal: request.signal });
  const answer = await exchange(backend, target.path, request).catch((error: unknown) => {
    backend.destroy();
    const why = error instanceof Error ? error.message : String(error);
    throw new ApiError("ServiceUnavailable", `error dialing backend: ${why}`);
  });
  if (answer.kind === "upgraded") return spliced(answer, request);
  const { response } = answer;
  const status = response.statusCode ?? 500;
  if (request.upgrade) return refused(response, status);
  if (status < 200 || status > 206) throw failure(status, await bodyOf(response));
  return { status, headers: headersOf(response), body: { kind: "stream", chunks: response } };
};

interface Upgraded {
  readonly kind: "upgraded";
  readonly response: IncomingMessage;
  readonly backend: Duplex;
  readonly head: Buffer;
}

type Answer = { readonly kind: "response"; readonly response: IncomingMessage } | Upgraded;

function exchange(backend: Duplex, path: string, request: RequestRecord): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const upgrade = request.upgrade ? { connection: "Upgrade", upgrade: request.headers["upgrade"] ?? "" } : {};
    const outgoing = httpRequest({
      createConnection: () => backend,
      method: request.method,
      path,
      headers: { host: "kubelet", ...forwarded(request), ...(request.upgrade ? upgrade : { connection: "close" }) },
      signal: request.signal,
    });
    outgoing.on("error", reject);
    outgoing.once("response", (response) => resolve({ kind: "response", response }));
    outgoing.once("upgrade", (response, socket, head) =>
      resolve({ kind: "upgraded", response, backend: socket, head }),
    );
    outgoing.end(bytesOf(request));
  });
}

export function forwarded({ headers }: RequestRecord): Record<string, string> {
  const kept = Object.entries(headers).filter(
    ([name]) => !DROPPED.has(name) && !DROPPED_PREFIXES.some((prefix) => name.startsWith(prefix)),
  );
  const all = Object.fromEntries(kept.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
  const offered = all[PROTOCOLS];
  return offered?.includes(TOKEN_PROTOCOL) ? { ...all, [PROTOCOLS]: withoutToken(offered) } : all;
}

const PROTOCOLS = "sec-websocket-protocol";

const withoutToken = (offered: string): string =>
  offered
    .split(",")
    .map((one) => one.trim())
    .filter((one) => !one.startsWith(TOKEN_PROTOCOL))
    .join(", ");

export function bytesOf({ body, upgrade }: RequestRecord): Uint8Array | undefined {
  if (upgrade || body.kind === "none") return undefined;
  return body.kind === "bytes" ? body.bytes : Buffer.from(JSON.stringify(body.value));
}

export function spliced({ response, backend, head }: Upgraded, request: RequestRecord): ResponseRecord {
  const abandon = () => backend.destroy();
  request.signal.addEventListener("abort", abandon, { once: true });
  backend.on("error", abandon);
  return {
    status: 101,
    headers: {},
    body: {
      kind: "upgrade",
      accept: (client, clientHead) => {
        request.signal.removeEventListener("abort", abandon);
        client.write(answerHead(response));
        if (head.length > 0) client.write(head);
        if (clientHead.length > 0) backend.write(clientHead);
        splice(client, backend);
      },
    },
  };
}

function answerHead(response: IncomingMessage): string {
  const lines = ["HTTP/1.1 101 Switching Protocols"];
  for (let at = 0; at + 1 < response.rawHeaders.length; at += 2) {
    lines.push(`${response.rawHeaders[at]}: ${response.rawHeaders[at + 1]}`);
  }
  return `${lines.join("\r\n")}\r\n\r\n`;
}

/** Bytes both ways, half-closes included; when one side breaks the other is destroyed. */
export function splice(one: Duplex, other: Duplex): void {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.pipe(to);
    from.on("error", () => to.destroy());
    from.once("close", () => {
      if (!from.readableEnded || !to.writable) to.destroy();
      else to.end();
    });
  }
}

/** An upgrade that the kubelet refused: the client gets its very answer. */
async function refused(response: IncomingMessage, status: number): Promise<ResponseRecord> {
  if (status < 400) throw badRequest("Upgrade request required");
  const bytes = Buffer.from(await bodyOf(response));
  return { status, headers: headersOf(response), body: { kind: "bytes", bytes } };
}

function headersOf(response: IncomingMessage): Record<string, string> {
  return { "content-type": response.headers["content-type"] ?? "text/plain" };
}

const ERROR_BYTES = 50_000;

async function bodyOf(response: IncomingMessage): Promise<string> {
  let text = "";
  for await (const chunk of response) {
    text += String(chunk);
    if (text.length > ERROR_BYTES) break;
  }
  return text;
}

function failure(status: number, text: string): ApiError {
  const message = text.trim() || `the server responded with the status code ${status}`;
  if (status === 500) return new ApiError("InternalError", `Internal error occurred: ${message}`);
  const reason = (Object.keys(reasons) as Reason[]).find((name) => reasons[name] === status);
  return new ApiError(reason ?? "Unknown", message, undefined, status);
}
