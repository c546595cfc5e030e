/**
 * Read: get, list and watch of objects. All come from the watch cache; see apiserver/cache.
 */
import { badRequest, notFound } from "../../machinery/objects/status.ts";
import type { Selection } from "../cache/contract.ts";
import { qualified, type Step } from "./contract.ts";
import { listQueryOf } from "./list-query.ts";
import { flag, text, wholeNumber } from "./options.ts";
import { respondItem, respondList } from "./respond.ts";
import { watchContentType, watchRepresentation } from "./watch-form.ts";

export const get: Step = async (exchange) => {
  const { cache, row, info, record } = exchange;
  const item = await cache.get(
    { namespace: info.namespace, name: info.name },
    text(record.query, "resourceVersion"),
    record.signal,
  );
  if (!item) throw notFound(qualified(row), info.name);
  return respondItem(exchange, item);
};

export const list: Step = async (exchange) => {
  const page = await exchange.cache.list({ ...listQueryOf(exchange), signal: exchange.record.signal });
  return respondList(exchange, page);
};

export const watch: Step = async (exchange) => {
  const { cache, info, record, server, row } = exchange;
  const { query, signal } = record;
  const resource = qualified(row);
  const seconds = wholeNumber(query, "timeoutSeconds");
  const { limit: _, selection, ...options } = listQueryOf(exchange);
  const batches = await cache.watch({
    ...options,
    selection: info.name ? ofName(selection, info.name, query) : selection,
    allowBookmarks: flag(query, "allowWatchBookmarks"),
    timeoutMs: seconds ? seconds * 1000 : undefined,
    representation: watchRepresentation(exchange),
    over: () => server.metrics.watching(resource, -1),
    signal: AbortSignal.any([signal, server.stopping]),
  });
  server.metrics.watching(resource, 1);
  return {
    status: 200,
    headers: { "content-type": watchContentType(exchange) },
    body: { kind: "watch", batches, sent: server.metrics.eventsSent(row) },
  };
};

/** A name that stands in the path goes with no other in the field selector. */
function ofName(selection: Selection, name: string, query: URLSearchParams): Selection {
  if (query.get("fieldSelector") && selection.name !== name)
    throw badRequest("fieldSelector metadata.name doesn't match requested name");
  return { ...selection, name };
}
