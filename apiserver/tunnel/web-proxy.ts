/**
 * Web proxy: one request of the pipeline becomes one HTTP request to a web server in a Pod.
 *
 * Whatever the server answers, errors too, is the answer; only its redirects and links are made to lead back
 * through the proxy. WebSockets are spliced. The caller's credentials never travel on: see proxy.ts.
 */
import { request as httpRequest, type IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";
import type { RequestRecord, ResponseRecord } from "../../machinery/client/transport/contract.ts";
import { ApiError } from "../../machinery/objects/status.ts";
import { limits } from "../../machinery/process/limits.ts";
import { bytesOf, forwarded, spliced } from "./proxy.ts";
import { rewrittenHtml, rewrittenUrl } from "./web-urls.ts";

export interface WebTarget {
  readonly scheme: "http" | "https";
  /** As the server is called: "10.42.0.7:8080". */
  readonly host: string;
  /** With its query. */
  readonly path: string;
  /** What stands before the path at our side. */
  readonly prefix: string;
}

export async function proxyToWeb(tcp: Duplex, target: WebTarget, request: RequestRecord): Promise<ResponseRecord> {
  // As in Kubernetes nobody knows by which authority a Pod's certificate should be signed.
  const stream =
    target.scheme === "https"
      ? connectTls({ socket: tcp, rejectUnauthorized: false, ALPNProtocols: ["http/1.1"] })
      : tcp;
  const answer = await ask(stream, target, request).catch((error: unknown) => {
    tcp.destroy();
    const why = error instanceof Error ? error.message : String(error);
    throw new ApiError("ServiceUnavailable", `error trying to reach service: ${why}`);
  });
  if (answer.kind === "upgraded") return spliced(answer, request);
  const { response } = answer;
  const headers = headersOf(response, target);
  const status = response.statusCode ?? 502;
  if (request.upgrade) return { status, headers, body: { kind: "bytes", bytes: await bytesFrom(response, headers) } };
  if (!isHtml(headers)) return { status, headers, body: { kind: "stream", chunks: response } };
  const page = await bytesFrom(response, headers);
  const text = Buffer.from(rewrittenHtml(page.toString(), target.prefix, target.host));
  return { status, headers: without(headers, "content-length"), body: { kind: "bytes", bytes: text } };
}

type Answer =
  | { readonly kind: "response"; readonly response: IncomingMessage }
  | { readonly kind: "upgraded"; readonly response: IncomingMessage; readonly backend: Duplex; readonly head: Buffer };

function ask(stream: Duplex, { host, path, prefix }: WebTarget, request: RequestRecord): Promise<Answer> {
  const upgrade = request.upgrade ? { connection: "Upgrade", upgrade: request.headers["upgrade"] ?? "" } : undefined;
  const { cookie } = request.headers;
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest({
      createConnection: () => stream,
      method: request.method,
      path,
      headers: {
        ...without(forwarded(request), "accept-encoding"),
        ...(cookie && { cookie }),
        host,
        "x-forwarded-uri": `${prefix}${path}`,
        "x-forwarded-host": request.headers["host"] ?? "",
        "x-forwarded-proto": "https",
        ...(upgrade ?? { connection: "close" }),
      },
      signal: request.signal,
    });
    outgoing.on("error", reject);
    outgoing.once("response", (response) => resolve({ kind: "response", response }));
    outgoing.once("upgrade", (response, backend, head) => resolve({ kind: "upgraded", response, backend, head }));
    outgoing.end(bytesOf(request));
  });
}

/** They belong to one connection, or say what origins may do at a server that is not this one. */
const DROPPED = /^(?:connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|access-control-.*)$/;

type Headers = Readonly<Record<string, string | readonly string[]>>;

function headersOf(response: IncomingMessage, { prefix, host }: WebTarget): Headers {
  const headers: Record<string, string | readonly string[]> = {};
  for (const [name, value] of Object.entries(response.headers))
    if (value !== undefined && !DROPPED.test(name)) headers[name] = value;
  headers["content-type"] ??= "application/octet-stream";
  const { location } = response.headers;
  if (location !== undefined) headers["location"] = rewrittenUrl(location, prefix, host);
  return headers;
}

/** Pages that are larger go through as they are. */
function isHtml(headers: Headers): boolean {
  const length = Number(headers["content-length"] ?? 0);
  return /^text\/html\b/i.test(String(headers["content-type"])) && length <= limits.proxiedPageBytes;
}

async function bytesFrom(response: IncomingMessage, headers: Headers): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response) {
    chunks.push(chunk as Buffer);
    size += (chunk as Buffer).length;
    if (size <= limits.proxiedPageBytes) continue;
    response.destroy();
    throw new ApiError(
      "ServiceUnavailable",
      `error trying to reach service: a page of type ${String(headers["content-type"])} is too long`,
    );
  }
  return Buffer.concat(chunks);
}

function without<T extends Readonly<Record<string, unknown>>>(headers: T, name: string): T {
  const { [name]: _dropped, ...rest } = headers;
  return rest as T;
}
