/**
 * Aggregation proxy: one request of the pipeline becomes one request to another API server, in the caller's name.
 *
 * The caller was authenticated and authorized before; its credentials never travel on, nor does anything that it says
 * of itself in the headers by which servers tell each other who asks. The answer goes back as it is.
 */
import type { IncomingMessage, OutgoingHttpHeaders } from "node:http";
import type { RequestRecord, ResponseRecord } from "../../machinery/client/transport/contract.ts";
import type { User } from "../auth/contract.ts";
import { respondText } from "../request/respond.ts";
import { bytesOf, forwarded, spliced } from "../tunnel/proxy.ts";
import type { RemoteAnswer, RemoteConnection } from "./remote-connection.ts";

export async function proxyTo(
  connection: RemoteConnection,
  record: RequestRecord,
  user: User,
  /** Called where nothing came back. */
  failed: () => void,
): Promise<ResponseRecord> {
  const query = record.query.toString();
  const body = bytesOf(record);
  let answer: RemoteAnswer;
  try {
    answer = await connection.send({
      method: record.method,
      path: query ? `${record.path}?${query}` : record.path,
      headers: headersFor(record, user, body),
      body,
      signal: record.signal,
    });
  } catch (error) {
    record.signal.throwIfAborted();
    failed();
    return unavailable(`error trying to reach service: ${(error as Error).message}`);
  }
  if (answer.kind === "upgraded") return spliced(answer, record);
  const { response } = answer;
  return {
    status: response.statusCode ?? 502,
    headers: headersOf(response),
    body: { kind: "stream", chunks: response },
  };
}

export const unavailable = (why: string): ResponseRecord => respondText(503, `${why}\n`);

function headersFor(record: RequestRecord, user: User, bytes: Uint8Array | undefined): OutgoingHttpHeaders {
  const { headers, body, upgrade, path, source } = record;
  const kept = Object.entries(forwarded(record)).filter(([name]) => !name.startsWith("x-remote-"));
  return {
    ...(body.kind === "object" ? { "content-type": "application/json" } : {}),
    ...Object.fromEntries(kept),
    ...(bytes ? { "content-length": bytes.length } : {}),
    ...identityHeaders(user),
    ...(source ? { "x-forwarded-for": source } : {}),
    "x-forwarded-host": headers["host"] ?? "",
    "x-forwarded-uri": path,
    "x-forwarded-proto": "https",
    ...(upgrade ? { connection: "Upgrade", upgrade: headers["upgrade"] ?? "" } : {}),
  };
}

/** Who asks, as servers that trust each other tell it. */
export function identityHeaders({ name, uid, groups, extra = {} }: User): OutgoingHttpHeaders {
  const extras = Object.entries(extra).map(([key, values]) => [
    `x-remote-extra-${encodeURIComponent(key).toLowerCase()}`,
    values.map(onTheWire),
  ]);
  return {
    "x-remote-user": onTheWire(name),
    ...(uid ? { "x-remote-uid": onTheWire(uid) } : {}),
    "x-remote-group": groups.map(onTheWire),
    ...Object.fromEntries(extras),
  };
}

/** Headers are UTF-8, which Node takes a byte a character. */
const onTheWire = (value: string): string => Buffer.from(value, "utf8").toString("latin1");

/** They belong to one connection, or are said of this server's answers already. */
const DROPPED = /^(?:connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|audit-id)$/;

function headersOf(response: IncomingMessage): ResponseRecord["headers"] {
  const kept = Object.entries(response.headersDistinct).flatMap(([name, values = []]) =>
    DROPPED.test(name) ? [] : [[name, values.length === 1 ? (values[0] as string) : values] as const],
  );
  const headers = Object.fromEntries(kept);
  headers["content-type"] ??= "application/octet-stream";
  return headers;
}
