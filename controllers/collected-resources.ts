/**
 * Collected resources: what the garbage collector watches, custom kinds included, as they come and go.
 *
 * A resource that is gone is let go of, and one that cannot be listed never holds up the others: what the graph
 * does not know is asked from the server anyway. Definitions of custom kinds are watched, so that what is new
 * is collected within a second or two.
 */
import type { Client } from "../machinery/client/client.ts";
import type { Change, Informer } from "../machinery/client/informer.ts";
import type { Informers } from "../machinery/client/shared-informers.ts";
import { ApiError } from "../machinery/objects/status.ts";
import type { OwnerReference, StoredObject } from "../machinery/objects/wire.ts";
import type { Clock } from "../machinery/process/clock.ts";
import type { Logger } from "../machinery/process/logging.ts";
import { type DiscoveredResource, discover, resourcePath } from "./discovery.ts";
import type { Place } from "./owner-graph.ts";

export interface CollectedResources {
  /** Finds what there is and waits a while until it is known. */
  start(): Promise<void>;
  /** Follows what comes and goes, until the signal aborts. */
  follow(): Promise<void>;
  /** The resource of an owner reference; asks the server again where it is not known. */
  of(reference: OwnerReference): Promise<DiscoveredResource>;
  /** Whether a watch will show the owner if it is there. */
  watches(reference: OwnerReference): boolean;
}

export interface CollectedResourcesOptions {
  readonly client: Client;
  readonly informers: Informers;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

interface Watched {
  readonly path: string;
  readonly informer: Informer;
  /** Ends the watch; afterwards nothing of it is told any more. */
  end(): void;
  /** Tells that everything it knew is gone. */
  gone(): void;
}

/** Events own nothing and are owned by nobody. */
const IGNORED: ReadonlySet<string> = new Set(["events"]);
const NEEDED = ["list", "watch", "delete"];
const DEFINITIONS = "customresourcedefinitions";
/** How long the beginning waits for resources that do not answer, as in Kubernetes. */
const PATIENCE_MS = 30_000;
/** After a definition changed: when what it defines is looked for, the second time for servers that lag behind. */
const LOOK_AFTER_MS = [250, 3_000];
/** Until the server is asked again that could not tell at the start. */
const RETRY_MS = 1_000;
/** And without that: what else may change, a server that was replaced by another release. */
const REDISCOVER_MS = 300_000;

export function createCollectedResources(
  { client, informers, clock, log, signal }: CollectedResourcesOptions,
  onChange: (place: Place, change: Change<StoredObject>) => void,
): CollectedResources {
  const byKind = new Map<string, DiscoveredResource>();
  const watched = new Map<string, Watched>();
  let defined = Promise.withResolvers<void>();
  let syncing: Promise<void> | undefined;

  const watch = (resource: DiscoveredResource): Watched => {
    const ending = new AbortController();
    const path = resourcePath(resource);
    const informer = informers.at(path, { metadataOnly: true, signal: ending.signal });
    const place = ({ metadata: { namespace, name } }: StoredObject): Place => ({ resource, namespace, name });
    const unsubscribe = informer.subscribe((change) => {
      onChange(place(change.object), change);
      if (resource.plural === DEFINITIONS) defined.resolve();
    });
    return {
      path,
      informer,
      end() {
        unsubscribe();
        ending.abort(new Error(`${path} is not served any more`));
      },
      gone() {
        for (const object of informer.list()) {
          const { namespace, name } = object.metadata;
          onChange(place(object), { type: "deleted", key: namespace ? `${namespace}/${name}` : name, object });
        }
      },
    };
  };

  const sync = async () => {
    const { resources, failures } = await discover(client, clock);
    if (failures.length > 0) log.warn("some groups could not be discovered", { failures });
    const found = new Set<string>();
    const kinds = new Set<string>();
    for (const resource of resources) {
      const { group, kind, plural, verbs } = resource;
      if (!kinds.has(idOf(group, kind))) byKind.set(idOf(group, kind), resource);
      kinds.add(idOf(group, kind));
      if (IGNORED.has(plural) || !NEEDED.every((verb) => verbs.includes(verb))) continue;
      const id = idOf(group, plural);
      found.add(id);
      const old = watched.get(id);
      if (old?.path === resourcePath(resource)) continue;
      watched.set(id, watch(resource));
      old?.end(); // the same objects in another version
    }
    if (failures.length > 0) return; // not asked is not gone
    for (const id of byKind.keys()) if (!kinds.has(id)) byKind.delete(id);
    for (const [id, one] of watched) {
      if (found.has(id)) continue;
      watched.delete(id);
      one.end();
      one.gone();
    }
  };

  /** One at a time: who asks meanwhile waits for the one that runs. */
  const synced = (): Promise<void> => {
    syncing ??= sync().finally(() => {
      syncing = undefined;
    });
    return syncing;
  };

  const look = async () => {
    try {
      await synced();
    } catch (error) {
      if (!signal.aborted) log.warn("resources could not be discovered", { error });
    }
  };

  return {
    async start() {
      // nothing is collected before all is known once; a server that cannot tell yet is asked again
      while (byKind.size === 0) {
        await look();
        if (byKind.size === 0) await clock.sleep(RETRY_MS, signal);
      }
      const patience = new AbortController();
      const limit = AbortSignal.any([patience.signal, signal]);
      const timer = clock.after(PATIENCE_MS, () => patience.abort(new ApiError("Timeout", "it does not answer")));
      const missing = (path: string) => (error: unknown) => {
        if (!signal.aborted) log.warn("a resource is collected later", { path, error });
      };
      await Promise.all([...watched.values()].map(({ path, informer }) => informer.synced(limit).catch(missing(path))));
      timer.cancel();
    },

    async follow() {
      while (!signal.aborted) {
        const pause = new AbortController();
        const idle = clock.sleep(REDISCOVER_MS, AbortSignal.any([pause.signal, signal])).catch(() => undefined);
        await Promise.race([defined.promise, idle]);
        pause.abort();
        defined = Promise.withResolvers();
        for (const wait of LOOK_AFTER_MS) {
          await clock.sleep(wait, signal);
          await look();
        }
      }
    },

    watches(reference) {
      const resource = byKind.get(kindOf(reference));
      return resource !== undefined && watched.has(idOf(resource.group, resource.plural));
    },

    async of(reference) {
      const { apiVersion, kind } = reference;
      const id = kindOf(reference);
      if (!byKind.has(id)) await synced();
      const resource = byKind.get(id);
      if (!resource) throw new Error(`the server has no resource for the owner ${apiVersion} ${kind}`);
      return resource;
    },
  };
}

const idOf = (group: string, name: string): string => `${group} ${name}`;
const kindOf = ({ apiVersion, kind }: OwnerReference): string =>
  idOf(apiVersion.includes("/") ? apiVersion.split("/")[0]! : "", kind);
