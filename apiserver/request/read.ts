/**
 * Read: get, list and watch of objects. All come from the watch cache; see apiserver/cache.
 */
import { notFound } from "../../machinery/objects/status.ts";
import { limits } from "../../machinery/process/limits.ts";
import { qualified, type Step } from "./contract.ts";
import { flag, text, wholeNumber } from "./options.ts";
import { respondList, respondObject } from "./respond.ts";
import { selectionOf } from "./selection.ts";
import { watchRepresentation } from "./table.ts";

export const get: Step = async (exchange) => {
  const { cache, row, info, record } = exchange;
  const item = await cache.get(
    { namespace: info.namespace, name: info.name },
    text(record.query, "resourceVersion"),
    record.signal,
  );
  if (!item) throw notFound(qualified(row), info.name);
  return respondObject(exchange, { status: 200, object: item.object, json: () => item.json() });
};

export const list: Step = async (exchange) => {
  const { cache, row, info, record } = exchange;
  const { query, signal } = record;
  const page = await cache.list({
    selection: selectionOf(row, info.namespace, query),
    resourceVersion: text(query, "resourceVersion"),
    resourceVersionMatch: text(query, "resourceVersionMatch"),
    limit: wholeNumber(query, "limit"),
    continue: text(query, "continue"),
    signal,
  });
  return respondList(exchange, page);
};

export const watch: Step = async (exchange) => {
  const { cache, row, info, record, negotiated, server } = exchange;
  const { query, signal } = record;
  const seconds = wholeNumber(query, "timeoutSeconds");
  const named = info.name ? { name: info.name } : {};
  const batches = await cache.watch({
    selection: { ...selectionOf(row, info.namespace, query), ...named },
    resourceVersion: text(query, "resourceVersion"),
    resourceVersionMatch: text(query, "resourceVersionMatch"),
    allowBookmarks: flag(query, "allowWatchBookmarks"),
    sendInitialEvents: query.has("sendInitialEvents") ? flag(query, "sendInitialEvents") : undefined,
    timeoutMs: seconds === undefined ? undefined : Math.min(seconds * 1000, limits.watchMs),
    representation: watchRepresentation(row, negotiated, query, () => server.clock.now()),
    signal: AbortSignal.any([signal, server.stopping]),
  });
  return {
    status: 200,
    headers: { "content-type": "application/json" },
    body: { kind: "watch", batches: counted(exchange, batches) },
  };
};

/** Counts the watch as open for as long as someone iterates it. */
async function* counted<T>({ server, row }: Parameters<Step>[0], batches: AsyncIterable<T>): AsyncIterable<T> {
  const resource = qualified(row);
  server.metrics.watching(resource, 1);
  try {
    yield* batches;
  } finally {
    server.metrics.watching(resource, -1);
  }
}
