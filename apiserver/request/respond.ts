/**
 * Respond: an object, a list or a Status becomes a response record in the negotiated form.
 */
import type { ResponseBody, ResponseRecord } from "../../machinery/client/transport/contract.ts";
import { writeYaml } from "../../machinery/yaml-writer.ts";
import type { ListPage } from "../cache/contract.ts";
import type { Outcome, ResourceExchange } from "./contract.ts";
import type { Negotiated } from "./negotiate.ts";
import { converted, includeObjectOf, metadataListOf, tableOf } from "./table.ts";

const TYPES = { json: "application/json", yaml: "application/yaml" } as const;

/** Any value as an answer: documents, Status, lists of kinds. */
export function respondValue(
  status: number,
  value: unknown,
  media: Negotiated["media"] = "json",
  encoded?: () => Iterable<Uint8Array>,
): ResponseRecord {
  const headers = { "content-type": TYPES[media] };
  if (media === "yaml") return { status, headers, body: { kind: "bytes", bytes: Buffer.from(writeYaml(value)) } };
  const body: ResponseBody = { kind: "object", value: () => value, ...(encoded ? { encoded } : {}) };
  return { status, headers, body };
}

export function respondText(status: number, text: string, type = "text/plain; charset=utf-8"): ResponseRecord {
  return { status, headers: { "content-type": type }, body: { kind: "bytes", bytes: Buffer.from(text) } };
}

export function respondObject(exchange: ResourceExchange, outcome: Outcome): ResponseRecord {
  const { negotiated, row, record, server } = exchange;
  const { status, object, json } = outcome;
  if (negotiated.as === "object")
    return respondValue(status, object, negotiated.media, json ? () => [json()] : undefined);
  const value = converted(row, object, negotiated, record.query, server.clock.now());
  return respondValue(status, value, negotiated.media);
}

export function respondList(exchange: ResourceExchange, page: ListPage): ResponseRecord {
  const { negotiated, row, record, server } = exchange;
  const { as, version, media } = negotiated;
  if (as === "object") {
    if (media === "yaml") return respondValue(200, page.value(), media);
    return {
      status: 200,
      headers: { "content-type": TYPES.json },
      body: { kind: "object", value: () => page.value(), encoded: () => page.encoded() },
    };
  }
  const { metadata, items } = page.value();
  const value =
    as === "metadata"
      ? metadataListOf({ metadata, items }, version)
      : tableOf(row, { metadata, items }, version, includeObjectOf(record.query), server.clock.now());
  return respondValue(200, value, media);
}

/** A Status that says that something succeeded. */
export function respondSuccess(
  exchange: Pick<ResourceExchange, "negotiated">,
  details?: Readonly<Record<string, unknown>>,
  status = 200,
): ResponseRecord {
  const value = {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Success",
    ...(details ? { details } : { code: status }),
  };
  return respondValue(status, value, exchange.negotiated.media);
}
