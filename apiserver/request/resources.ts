/**
 * Resources: the rows of the table with the caches that hold their objects.
 */
import type { StoredObject } from "../../machinery/objects/wire.ts";
import type { CachedObjects } from "../auth/contract.ts";
import type { ResourceCache, WatchCache } from "../cache/contract.ts";
import { storagePrefix } from "../cache/keys.ts";
import type { ResourceRow } from "../resources/contract.ts";
import type { ResourceTable } from "../resources/table.ts";
import { qualified, type Resources } from "./contract.ts";
import { viewOf } from "./stored-as.ts";

export function createResources(table: ResourceTable, cache: WatchCache): Resources {
  // Rows of custom kinds come and go.
  const views = new WeakMap<ResourceRow, ResourceCache>();
  const open = (row: ResourceRow): ResourceCache => {
    const { storedAs } = row;
    const target = storedAs && table.find(storedAs.group, storedAs.version, storedAs.plural);
    if (storedAs && !target) throw new Error(`${qualified(row)} is stored as a resource that is not there`);
    if (storedAs && target) return viewOf(of(target), row, storedAs);
    const version = row.custom?.storageVersion ?? row.version;
    const stored = cache.resource({
      prefix: row.storagePrefix ?? storagePrefix(row.group, row.plural),
      namespaced: row.namespaced,
      resource: qualified(row),
      apiVersion: row.group === "" ? version : `${row.group}/${version}`,
      kind: row.kind,
      listKind: row.listKind,
    });
    return row.custom ? row.custom.view(stored) : stored;
  };
  const of = (row: ResourceRow): ResourceCache => {
    const known = views.get(row);
    if (known) return known;
    const view = open(row);
    views.set(row, view);
    return view;
  };
  return {
    get rows() {
      return table.rows;
    },
    find: (group, version, plural) => table.find(group, version, plural),
    cache: of,
  };
}

/** The same caches by the names that authorization and admission use. */
export function createCachedObjects(resources: Resources): CachedObjects {
  const caches = new Map<string, ResourceCache>();
  const of = (resource: string): ResourceCache => {
    const known = caches.get(resource);
    if (known) return known;
    const row = resources.rows.find((one) => qualified(one) === resource);
    if (!row) throw new Error(`no resource ${resource}`);
    const found = resources.cache(row);
    if (!row.custom) caches.set(resource, found);
    return found;
  };
  function* objects(items: Iterable<{ readonly object: StoredObject }>) {
    for (const { object } of items) yield object;
  }
  return {
    get: (resource, namespace, name) => of(resource).peek({ namespace: namespace || undefined, name })?.object,
    list: (resource, namespace) => objects(of(resource).peekAll({ namespace: namespace || undefined })),
    podsOn: (node) => objects(of("pods").peekAll({ nodeName: node })),
    generation: (resource) => of(resource).generation,
  };
}
