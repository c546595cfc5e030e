/**
 * Told informers: informers of objects that come as lines of JSON, for parts of a node that run without a cluster.
 *
 * A line holds, by resource, all objects that there are now: {"services": […], "nodes": […]}. Resources that it does
 * not name stay as they are. With {"changed": {…}} only those objects that are named change.
 */
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { type Change, type Informer, keyOf } from "../../machinery/client/informer.ts";
import { createObjectCache } from "../../machinery/client/object-cache.ts";
import type { Informers } from "../../machinery/client/shared-informers.ts";
import type { ResourceName } from "../../machinery/objects/kinds.ts";
import type { StoredObject } from "../../machinery/objects/wire.ts";

type Objects = Partial<Record<ResourceName, readonly StoredObject[]>>;

export function toldInformers(input: Readable): Informers {
  const first = Promise.withResolvers<void>();
  const all = new Map<string, ReturnType<typeof createTold>>();
  const of = (resource: string) => {
    const found = all.get(resource) ?? createTold(first.promise);
    all.set(resource, found);
    return found;
  };
  createInterface({ input }).on("line", (line) => {
    const { changed, ...whole } = JSON.parse(line) as Objects & { readonly changed?: Objects };
    for (const [resource, objects] of Object.entries(whole)) of(resource).replace(objects);
    for (const [resource, objects] of Object.entries(changed ?? {})) of(resource).put(objects);
    first.resolve();
  });
  const informers = { of: (resource: string) => of(resource).informer, synced: () => first.promise };
  return informers as unknown as Informers;
}

function createTold(synced: Promise<void>) {
  const cache = createObjectCache<StoredObject>();
  const subscribers = new Set<(change: Change<StoredObject>) => void>();
  const tell = (changes: readonly Change<StoredObject>[]) => {
    for (const change of changes) for (const subscriber of subscribers) subscriber(change);
  };
  const informer: Informer = {
    ...cache,
    synced: () => synced,
    subscribe(onChange) {
      for (const object of cache.list()) onChange({ type: "added", key: keyOf(object), object });
      subscribers.add(onChange);
      return () => void subscribers.delete(onChange);
    },
  };
  return {
    informer,
    put: (objects: readonly StoredObject[]) => tell(objects.flatMap((object) => cache.put(object))),
    replace(objects: readonly StoredObject[]) {
      const keys = new Set(objects.map(keyOf));
      tell([...cache.keys()].filter((key) => !keys.has(key)).flatMap((key) => cache.remove(key)));
      tell(objects.flatMap((object) => cache.put(object)));
    },
  };
}
