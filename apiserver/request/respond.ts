/**
 * Respond: an object, a list or a Status becomes a response record. Its form as bytes is made later: render.ts.
 */
import type { ResponseBody, ResponseRecord } from "../../machinery/client/transport/contract.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import { limits } from "../../machinery/process/limits.ts";
import type { CachedObject, ListPage } from "../cache/contract.ts";
import type { Protobuf } from "../schema/protobuf.ts";
import type { Outcome, ResourceExchange } from "./contract.ts";
import { listSlices } from "./list-slices.ts";
import { MEDIA_TYPES } from "./negotiate.ts";
import {
  converted,
  type Include,
  includeObjectOf,
  metadataListHead,
  metadataListOf,
  metadataOf,
  tableHead,
  tableOf,
  tableRow,
} from "./table.ts";

const JSON_HEADERS = { "content-type": MEDIA_TYPES.json };
const PROTOBUF_HEADERS = { "content-type": MEDIA_TYPES.protobuf };

/** Any value as an answer: documents, Status, lists of kinds. `encoded`: the same as JSON, where that is kept. */
export function respondValue(
  status: number,
  value: unknown,
  encoded?: () => Iterable<Uint8Array>,
): ResponseRecord & { readonly body: ResponseBody & { readonly kind: "object" } } {
  const body = { kind: "object", value: () => value, ...(encoded ? { encoded } : {}) } as const;
  return { status, headers: JSON_HEADERS, body };
}

export function respondText(status: number, text: string, type = "text/plain; charset=utf-8"): ResponseRecord {
  return { status, headers: { "content-type": type }, body: { kind: "bytes", bytes: Buffer.from(text) } };
}

export function respondObject(exchange: ResourceExchange, { status, object, item }: Outcome): ResponseRecord {
  const { negotiated, row, record, server } = exchange;
  if (negotiated.as !== "object")
    return respondValue(status, converted(row, object, negotiated, record.query, server.clock.now()));
  return item ? respondItem(exchange, item, status) : respondValue(status, object);
}

/** The object from the bytes that are kept of it, unless another form than JSON and protobuf was asked for. */
export function respondItem(exchange: ResourceExchange, item: CachedObject, status = 200): ResponseRecord {
  const { negotiated, row, server } = exchange;
  if (negotiated.as !== "object") return respondObject(exchange, { status, object: item.object });
  const value = () => item.object;
  if (negotiated.media !== "protobuf")
    return { status, headers: JSON_HEADERS, body: { kind: "object", value, encoded: () => [item.json()] } };
  const { protobuf } = server;
  const type = { apiVersion: row.group === "" ? row.version : `${row.group}/${row.version}`, kind: row.kind };
  const encoded = () => [protobuf.wrap(type, item.encodedAs(protobuf.item))];
  return { status, headers: PROTOBUF_HEADERS, body: { kind: "object", value, encoded } };
}

export async function respondList(exchange: ResourceExchange, page: ListPage): Promise<ResponseRecord> {
  const { negotiated, record, server } = exchange;
  const { as, version, media } = negotiated;
  if (as === "object") {
    if (media === "protobuf") return protobufList(server, page);
    const body = { kind: "object", value: () => page.value(), encoded: () => page.encoded() } as const;
    return { status: 200, headers: JSON_HEADERS, body };
  }
  return as === "metadata"
    ? respondMetadataList(page, version)
    : respondTable(exchange, page, includeObjectOf(record.query));
}

function respondMetadataList(page: ListPage, version: string): ResponseRecord {
  const { metadata } = page.head();
  return respondSlices(
    () => metadataListOf(page.value(), version),
    () =>
      listSlices(metadataListHead(metadata, version), "items", page.items, (one) => metadataOf(one.glance(), version)),
  );
}

function respondTable({ row, negotiated, server }: ResourceExchange, page: ListPage, include: Include): ResponseRecord {
  const { metadata } = page.head();
  const { version } = negotiated;
  const now = server.clock.now();
  return respondSlices(
    () => tableOf(row, page.value(), version, include, now),
    () =>
      listSlices(tableHead(row, metadata, version), "rows", page.items, (one) =>
        tableRow(row, one.glance(), version, include, now),
      ),
  );
}

const respondSlices = (value: () => unknown, encoded: () => Iterable<Uint8Array>): ResponseRecord => ({
  status: 200,
  headers: JSON_HEADERS,
  body: { kind: "object", value, encoded },
});

/**
 * The length of all items stands before the first one. It is kept with each of them, so that only those that nobody
 * has asked for yet are encoded before anything is sent.
 */
async function protobufList(
  { protobuf, clock }: { readonly protobuf: Protobuf; readonly clock: Clock },
  { items, value, head }: ListPage,
): Promise<ResponseRecord> {
  const lengths = await lengthsOf(items, protobuf, clock);
  const encoded = () => protobuf.writeList(head(), lengths, (at) => items[at]!.encodedAs(protobuf.item));
  return { status: 200, headers: PROTOBUF_HEADERS, body: { kind: "object", value, encoded } };
}

async function lengthsOf(items: readonly CachedObject[], { item }: Protobuf, clock: Clock): Promise<readonly number[]> {
  const lengths: number[] = [];
  let since = clock.monotonic();
  for (const one of items) {
    lengths.push(one.encodedLength(item));
    if (lengths.length % 16 !== 0 || clock.monotonic() - since < limits.turnMs) continue;
    await clock.sleep(0);
    since = clock.monotonic();
  }
  return lengths;
}

/** A Status that says that something succeeded. */
export function respondSuccess(details?: Readonly<Record<string, unknown>>, status = 200): ResponseRecord {
  const value = {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Success",
    ...(details ? { details } : { code: status }),
  };
  return respondValue(status, value);
}
