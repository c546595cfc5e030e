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

export function respondObject(exchange: ResourceExchange, outcome: Outcome): ResponseRecord {
  const { negotiated, row, record, server } = exchange;
  const { status, object, json } = outcome;
  if (negotiated.as === "object") return respondValue(status, object, json ? () => [json()] : undefined);
  return respondValue(status, converted(row, object, negotiated, record.query, server.clock.now()));
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

/** The length of all items stands before the first one, so all are encoded before anything is sent. */
async function protobufList(
  { protobuf, clock }: { readonly protobuf: Protobuf; readonly clock: Clock },
  page: ListPage,
): Promise<ResponseRecord> {
  const items = await encodedItems(page.items, protobuf, clock);
  return {
    status: 200,
    headers: { "content-type": MEDIA_TYPES.protobuf },
    body: {
      kind: "object",
      value: () => page.value(),
      encoded: () => protobuf.writeList(page.head(), items),
    },
  };
}

async function encodedItems(
  items: readonly CachedObject[],
  { item }: Protobuf,
  clock: Clock,
): Promise<readonly Uint8Array[]> {
  const encoded: Uint8Array[] = [];
  let since = clock.monotonic();
  for (const one of items) {
    encoded.push(one.encodedAs(item));
    if (encoded.length % 16 !== 0 || clock.monotonic() - since < limits.turnMs) continue;
    await clock.sleep(0);
    since = clock.monotonic();
  }
  return encoded;
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
