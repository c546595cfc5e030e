/**
 * Shared informers: one informer for each collection that anything in the process watches.
 *
 * An informer starts when it is first asked for and runs until the signal aborts. Over the direct
 * transport its objects are the server's own; otherwise there is one copy of each, here.
 */
import type { Kinds, ResourceName } from "../objects/kinds.ts";
import type { StoredObject } from "../objects/wire.ts";
import type { Clock } from "../process/clock.ts";
import type { Logger } from "../process/logging.ts";
import type { Client } from "./client.ts";
import { createCompany } from "./company.ts";
import { collectionPath } from "./create-client.ts";
import type { Change, Informer } from "./informer.ts";
import { listWatch } from "./list-watch.ts";
import { createObjectCache } from "./object-cache.ts";

export interface InformerOptions {
  /** All namespaces when absent. */
  readonly namespace?: string;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

export interface Informers {
  /** The informer of a resource, started at the first call; the same for the same options. */
  of<K extends ResourceName>(resource: K, options?: InformerOptions): Informer<Kinds[K]>;
  /**
   * The informer of a collection found at run time ("/apis/example.com/v1/things"). With `metadataOnly`
   * only the objects' metadata can be relied on; a full informer that runs already serves as well.
   */
  at(
    path: string,
    options?: { readonly metadataOnly?: boolean; readonly signal?: AbortSignal },
  ): Informer<StoredObject>;
  /** Resolves when every informer asked for so far has its first list. */
  synced(signal?: AbortSignal): Promise<void>;
}

export interface InformersContext {
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

const METADATA = {
  list: "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json",
  watch: "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json",
};

export function createInformers({ client, clock, log, signal }: InformersContext): Informers {
  const running = new Map<string, Informer<StoredObject>>();
  const company = createCompany(clock);

  const start = (path: string, query: Record<string, string>, metadataOnly: boolean, until: AbortSignal) => {
    const cache = createObjectCache<StoredObject>();
    const subscribers = new Set<(change: Change<StoredObject>) => void>();
    const first = Promise.withResolvers<void>();
    first.promise.catch(() => undefined); // whoever waits sees it; nobody has to wait
    const tell = (onChange: (change: Change<StoredObject>) => void, change: Change<StoredObject>) => {
      try {
        onChange(change);
      } catch (error) {
        log.error("a subscriber failed on a change", { path, object: change.key, error });
      }
    };
    listWatch({
      transport: client.transport,
      path,
      query,
      // even over the direct transport: holding the whole object would keep all of it in memory
      accept: metadataOnly ? METADATA : undefined,
      cache,
      onChange: (change) => {
        for (const subscriber of [...subscribers]) tell(subscriber, change);
      },
      onSynced: () => first.resolve(),
      company,
      clock,
      log,
      signal: until,
    }).then(
      () => first.reject(until.reason),
      (error: unknown) => first.reject(error),
    );
    const informer: Informer<StoredObject> = {
      get: cache.get,
      list: cache.list,
      ownedBy: cache.ownedBy,
      orphans: cache.orphans,
      placedOn: cache.placedOn,
      subscribe(onChange) {
        const subscriber = (change: Change<StoredObject>) => onChange(change);
        for (const key of [...cache.keys()]) {
          const object = cache.get(key);
          if (object) tell(subscriber, { type: "added", key, object });
        }
        subscribers.add(subscriber);
        return () => void subscribers.delete(subscriber);
      },
      synced: (waiting) => (waiting ? raced(first.promise, waiting) : first.promise),
    };
    return informer;
  };

  const shared = (path: string, query: Record<string, string>, metadataOnly = false, own?: AbortSignal) => {
    const id = `${path}?${new URLSearchParams(query)}`;
    const found = running.get(id);
    if (found) return found;
    const until = own ? AbortSignal.any([own, signal]) : signal;
    const informer = start(path, query, metadataOnly, until);
    running.set(id, informer);
    until.addEventListener("abort", () => running.delete(id), { once: true });
    return informer;
  };

  return {
    of: (resource, options = {}) => {
      const query: Record<string, string> = {};
      if (options.labelSelector) query["labelSelector"] = options.labelSelector;
      if (options.fieldSelector) query["fieldSelector"] = options.fieldSelector;
      return shared(collectionPath(resource, options.namespace), query) as never;
    },
    at: (path, options = {}) => shared(path, {}, options.metadataOnly, options.signal),
    async synced(waiting) {
      await Promise.all([...running.values()].map((informer) => informer.synced(waiting)));
    },
  };
}

function raced<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const onAbort = () => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
