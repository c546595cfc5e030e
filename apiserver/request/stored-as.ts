/**
 * Stored as: a resource that is another form of one that is stored, as a cache of its own.
 *
 * core and events.k8s.io Events are the same objects; whoever reads one form sees writes of the other.
 */
import type { WatchEventType, WatchItem } from "../../machinery/client/transport/contract.ts";
import type { KubeObject, StoredObject } from "../../machinery/objects/wire.ts";
import type {
  CachedObject,
  ListPage,
  Representation,
  ResourceCache,
  Selection,
  WatchQuery,
} from "../cache/contract.ts";
import type { ResourceRow, StoredAs } from "../resources/contract.ts";

export function viewOf(cache: ResourceCache, row: ResourceRow, storedAs: StoredAs): ResourceCache {
  const shown = (item: CachedObject): CachedObject => {
    let object: StoredObject | undefined;
    const converted = () => (object ??= storedAs.fromStored(item.object));
    return {
      revision: item.revision,
      resourceVersion: item.resourceVersion,
      get cause() {
        return item.cause;
      },
      get object() {
        return converted();
      },
      glance: converted,
      json: () => Buffer.from(JSON.stringify(converted())),
      encodedAs: (encoding) => encoding.encode(converted()),
      encodedLength: (encoding) => encoding.encode(converted()).length,
    };
  };
  const selected = (selection: Selection): Selection => {
    const { matches, fields } = selection;
    const stored = (object: StoredObject) => storedAs.fromStored(object);
    return {
      ...selection,
      ...(matches ? { matches: (object) => matches(stored(object)) } : {}),
      ...(fields ? { fields: { ...fields, of: (object) => fields.of(stored(object)) } } : {}),
    };
  };

  return {
    description: cache.description,
    peek: (name) => map(cache.peek(name), shown),
    *peekAll(selection) {
      for (const item of cache.peekAll(selected(selection))) yield shown(item);
    },
    get generation() {
      return cache.generation;
    },
    get loads() {
      return cache.loads;
    },
    get: async (name, version, signal) => map(await cache.get(name, version, signal), shown),
    list: async (query) => pageOf(await cache.list({ ...query, selection: selected(query.selection) }), row, shown),
    watch: (query) => watch(cache, { ...query, selection: selected(query.selection) }, storedAs),
    async write(write) {
      const outcome = await cache.write(
        write.type === "put" ? { ...write, object: storedAs.toStored(write.object) as KubeObject } : write,
      );
      return outcome.committed
        ? { ...outcome, item: shown(outcome.item) }
        : { ...outcome, current: map(outcome.current, shown) };
    },
    history: (name) => cache.history(name),
    get size() {
      return cache.size;
    },
  };
}

function map<T, R>(value: T | undefined, change: (value: T) => R): R | undefined {
  return value === undefined ? undefined : change(value);
}

function pageOf(page: ListPage, row: ResourceRow, shown: (item: CachedObject) => CachedObject): ListPage {
  const items = page.items.map(shown);
  const head = () => ({
    kind: row.listKind,
    apiVersion: row.group === "" ? row.version : `${row.group}/${row.version}`,
    metadata: page.head().metadata,
  });
  const value = () => ({ ...head(), items: items.map(({ object }) => object) });
  return { ...page, items, head, value, encoded: () => [Buffer.from(JSON.stringify(value()))] };
}

function watch(
  cache: ResourceCache,
  query: WatchQuery,
  storedAs: StoredAs,
): Promise<AsyncIterable<readonly WatchItem[]>> {
  const asked = query.representation;
  const convert = (object: StoredObject, type: WatchEventType): unknown => {
    const own = type === "BOOKMARK" ? object : storedAs.fromStored(object);
    return asked ? asked.convert(own, type) : own;
  };
  const key = `stored-as/${storedAs.group}/${asked?.key ?? ""}`;
  const encode =
    asked?.encode && ((type: WatchEventType, shown: () => unknown) => asked.encode!(type, shown, undefined));
  const representation: Representation = { key, convert, ...(encode ? { encode } : {}) };
  return cache.watch({ ...query, representation });
}
