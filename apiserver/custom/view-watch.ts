/**
 * View watch: changes of a custom kind's objects as one of its versions shows them.
 *
 * Where conversion is immediate, it is one more representation of the watch cache. Where a webhook is asked, events
 * wait for it in their order, and what selectors make of them (ADDED, DELETED) is worked out here, after conversion.
 */
import type { WatchEvent, WatchEventType, WatchItem } from "../../machinery/client/transport/contract.ts";
import { ApiError } from "../../machinery/objects/status.ts";
import type { StoredObject } from "../../machinery/objects/wire.ts";
import type { ListPage, ListQuery, Representation, ResourceCache, WatchQuery } from "../cache/contract.ts";
import { itemOf, predicateOf, type Shown } from "./view.ts";

type Batches = AsyncIterable<readonly WatchItem[]>;

export function watchShown(stored: ResourceCache, query: WatchQuery, shown: Shown): Promise<Batches> {
  const asked = query.representation;
  const representation: Representation = {
    key: `${shown.apiVersion}/${asked?.key ?? ""}`,
    convert: (object, type) => represented(object, type, shown, asked),
    ...(asked?.encode ? { encode: (type, value) => asked.encode!(type, value, undefined) } : {}),
  };
  const selection = shown.selected(query.selection, new Set());
  return stored.watch({ ...query, selection, representation });
}

function represented(
  object: StoredObject,
  type: WatchEventType,
  shown: Shown,
  asked: Representation | undefined,
): unknown {
  if (type === "ERROR") return object;
  const own = type === "BOOKMARK" ? { ...object, apiVersion: shown.apiVersion } : shown.known(object);
  if (!own) throw new Error(`${object.metadata.name} is not converted yet`);
  return asked ? asked.convert(own, type) : own;
}

export async function watchConverted(
  stored: ResourceCache,
  query: WatchQuery,
  shown: Shown,
  list: (query: ListQuery) => Promise<ListPage>,
): Promise<Batches> {
  const { namespace, name, nodeName } = query.selection;
  const matches = predicateOf(query.selection);
  const matching = matches && { matches, before: await matchedBefore(query, list) };
  const { representation: asked, ...rest } = query;
  const batches = await stored.watch({ ...rest, selection: { namespace, name, nodeName } });
  return converted(batches, shown, matching, asked);
}

interface Matching {
  readonly matches: (object: StoredObject) => boolean;
  /** Keys of objects that matched when they were last seen. */
  readonly before: Set<string>;
}

/** Which objects matched where the watch begins. One that begins with everything hears of them first. */
async function matchedBefore(
  { resourceVersion, sendInitialEvents, selection, signal }: WatchQuery,
  list: (query: ListQuery) => Promise<ListPage>,
): Promise<Set<string>> {
  if (!resourceVersion || resourceVersion === "0" || sendInitialEvents) return new Set();
  try {
    const page = await list({ selection, resourceVersion, resourceVersionMatch: "Exact", signal });
    return new Set(page.items.map(({ object }) => keyOf(object)));
  } catch (error) {
    // the watch itself says so, in the form that watchers expect
    if (error instanceof ApiError && error.code === 410) return new Set();
    throw error;
  }
}

const keyOf = ({ metadata }: StoredObject): string => `${metadata.namespace ?? ""}/${metadata.name}`;

async function* converted(
  batches: Batches,
  shown: Shown,
  matching: Matching | undefined,
  asked: Representation | undefined,
): AsyncIterable<readonly WatchItem[]> {
  for await (const batch of batches) {
    const events = batch.map((item) => item.event());
    const objects = events.filter(({ type }) => type !== "ERROR" && type !== "BOOKMARK").map(({ object }) => object);
    try {
      await shown.settle(objects);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      const status = error.toStatus() as unknown as StoredObject;
      yield [itemOf(() => ({ type: "ERROR", object: status }))];
      return;
    }
    yield events.flatMap((event) => {
      const type = matching ? typeFor(event, shown, matching) : event.type;
      if (!type) return [];
      const object = represented(event.object, type, shown, asked) as StoredObject;
      return [itemOf(() => ({ type, object }))];
    });
  }
}

/** What the event is to a watcher with selectors; undefined when it does not concern it. */
function typeFor(
  { type, object }: WatchEvent,
  shown: Shown,
  { matches, before }: Matching,
): WatchEventType | undefined {
  if (type === "ERROR" || type === "BOOKMARK") return type;
  const key = keyOf(object);
  const was = before.has(key);
  const own = shown.known(object);
  const is = type !== "DELETED" && own !== undefined && matches(own);
  if (is) before.add(key);
  else before.delete(key);
  if (is) return was ? "MODIFIED" : "ADDED";
  return was ? "DELETED" : undefined;
}
