/**
 * Watch cache: all resources in memory, fed by one watch over the whole store.
 *
 * Everything is loaded once, as it was some time ago where the store still knows that, and followed from there:
 * so a new process has a past from which watches of other servers, and of the process before it, may resume.
 * When the store no longer has what was missed, everything is loaded anew and all watchers must begin again.
 * A failing store is tried forever: meanwhile reads that must be consistent fail, and others are answered
 * from what there is.
 */

import { breather } from "../../machinery/loop/breathe.ts";
import { equalJson } from "../../machinery/objects/json-value.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import { limits } from "../../machinery/process/limits.ts";
import type { Logger } from "../../machinery/process/logging.ts";
import type { Entry, ListResult, Revision, Store, StoreBatch } from "../store/contract.ts";
import { createConsistency } from "./consistency.ts";
import type { ResourceCache, ResourceDescription, WatchCache } from "./contract.ts";
import { asApi, isCompacted, notLoaded } from "./errors.ts";
import { createFreshness, GIVE_UP_AFTER_MS } from "./freshness.ts";
import { createHandover } from "./handover.ts";
import { nameOfKey, offsetKey, prefixOf, registryPrefix } from "./keys.ts";
import { createObjects } from "./objects.ts";
import { createParsed } from "./parsed.ts";
import { createResourceCache } from "./resource-cache.ts";
import type { Shelf, Source } from "./source.ts";
import { Version } from "./version.ts";
import { createWatchers } from "./watchers.ts";
import { createWindow, type WindowBounds } from "./window.ts";

export interface WatchCacheOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly window?: Partial<WindowBounds>;
}

/** Waits between attempts to reach a store that fails. */
const RETRY_MS = { first: 100, most: 5_000 } as const;
/** How long the past may take to arrive before it gets a push. */
const TOUCH_AFTER_MS = 50;
/** Objects and our own keys alike: the progress key must move the cache. */
const EVERYTHING = "/";

export function createWatchCache(options: WatchCacheOptions): WatchCache {
  const { store, clock, log } = options;
  const bounds: WindowBounds = {
    events: limits.watchWindowEvents,
    bytes: limits.watchWindowBytes,
    ms: limits.watchWindowMs,
    ...options.window,
  };
  const stop = new AbortController();
  const handover = createHandover();
  const parsed = createParsed();
  const freshness = createFreshness({ store, clock, log });
  const shelves = new Map<string, Shelf>();
  const caches = new Map<string, ResourceCache>();
  /** Shelves that were taken away and not made again since. */
  const released = new Set<string>();
  let offset = 0;
  /** Where the state that is being followed was loaded; undefined: it has to be loaded. */
  let base: Revision | undefined;
  /** The state has the revision from which on it may be shown. */
  let loaded = false;
  let presentable: Revision = 0;
  let pastAllowed = true;
  let session = new AbortController();
  let trouble: string | undefined = "the watch cache is loading";
  /** Resolves when the state may be shown. */
  let arrival = Promise.withResolvers<void>();

  const shelfOf = (prefix: string): Shelf => {
    const found = shelves.get(prefix);
    if (found) return found;
    const window = createWindow(clock, bounds);
    const watchers = createWatchers(prefix, (key) => nameOfKey(prefix, key), clock);
    const shelf = { window, watchers, objects: createObjects({ handover, window, watchers, parsed }) };
    // nothing has changed here since, unless its past was let go
    if (base !== undefined) shelf.objects.replace([], released.delete(prefix) ? freshness.seen : base);
    shelves.set(prefix, shelf);
    return shelf;
  };

  const load = async (): Promise<void> => {
    offset = await readOffset(store);
    const now = await store.revision();
    const { entries, revision } = pastAllowed ? await stateOfThePast(store, now) : await store.list(REGISTRY);
    const byPrefix = await grouped(entries, (entry) => Version.of(entry, offset), clock);
    handover.clear();
    base = revision;
    for (const prefix of new Set([...byPrefix.keys(), ...shelves.keys()]))
      shelfOf(prefix).objects.replace(byPrefix.get(prefix) ?? [], revision);
    pastAllowed = false; // what was shown once must never be older again
    presentable = Math.max(now, revision);
    reach(revision);
    // where others have written the last revisions, our keys alone never get there
    if (!loaded) clock.after(TOUCH_AFTER_MS, () => void (loaded || freshness.touch()), { background: true });
  };

  const reach = (revision: Revision): void => {
    freshness.advance(revision);
    if (!loaded && freshness.seen >= presentable) {
      loaded = true;
      arrival.resolve();
    }
    if (loaded) trouble = undefined;
  };

  const apply = ({ events, revision }: StoreBatch): void => {
    for (const event of events) {
      const prefix = prefixOf(event.key);
      if (prefix !== undefined) shelfOf(prefix).objects.apply(event, offset);
    }
    reach(revision);
  };

  const follow = async (): Promise<void> => {
    if (base === undefined) await load();
    const signal = AbortSignal.any([stop.signal, session.signal]);
    for await (const batch of store.watch({ prefix: EVERYTHING, after: freshness.seen, signal })) {
      if (signal.aborted) return;
      apply(batch);
    }
  };

  const forget = (): void => {
    base = undefined;
    if (loaded) arrival = Promise.withResolvers();
    loaded = false;
  };

  const reload = (why: string): void => {
    forget();
    trouble = why;
    session.abort();
    session = new AbortController();
  };

  const run = async (): Promise<void> => {
    for (let wait: number = RETRY_MS.first; !stop.signal.aborted; wait = Math.min(wait * 2, RETRY_MS.most)) {
      const before = freshness.seen;
      try {
        await follow();
      } catch (error) {
        trouble = error instanceof Error ? error.message : String(error);
        if (isCompacted(error)) forget();
        if (freshness.seen > before) wait = RETRY_MS.first;
        if (!stop.signal.aborted) log.warn("store watch failed", { error: trouble });
        await clock.sleep(wait * (0.5 + clock.random() / 2), stop.signal).catch(() => undefined);
      }
    }
  };

  const consistency = createConsistency({ store, clock, log, freshness, shelves, reload });
  const running = Promise.all([run(), consistency.run(stop.signal)]);

  const ready = async (signal?: AbortSignal): Promise<void> => {
    if (loaded) return;
    const patience = AbortSignal.any([stop.signal, ...(signal ? [signal] : [])]);
    const limit = clock.sleep(GIVE_UP_AFTER_MS, patience).catch(() => undefined);
    await Promise.race([arrival.promise, limit]);
    if (!loaded) throw notLoaded(trouble ?? "the watch cache is loading");
  };

  const source: Source = {
    store,
    clock,
    log,
    handover,
    freshness,
    get offset() {
      return offset;
    },
    ready,
  };

  return {
    resource(description: ResourceDescription) {
      const found = caches.get(description.prefix);
      if (found && equalJson(found.description, description)) return found;
      const cache = createResourceCache({ ...shelfOf(description.prefix), description, source });
      caches.set(description.prefix, cache);
      return cache;
    },
    release(prefix) {
      caches.delete(prefix);
      const shelf = shelves.get(prefix);
      if (!shelf || shelf.objects.size > 0) return;
      shelf.watchers.endAll("closed");
      shelves.delete(prefix);
      released.add(prefix);
    },
    internal: {
      get: (key) => asApi(store.get(key)),
      list: (request) => asApi(store.list(request)),
      commit: (conditions, operations, commitOptions) => asApi(store.commit(conditions, operations, commitOptions)),
    },
    async synced(signal) {
      if (!signal) return arrival.promise;
      signal.throwIfAborted();
      await Promise.race([
        arrival.promise,
        new Promise<never>((_, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason), { once: true });
        }),
      ]);
    },
    trouble() {
      const { failure } = freshness;
      // whoever asks again shall hear when it is over, though nobody reads meanwhile
      if (failure !== undefined) freshness.quorum().catch(() => undefined);
      return trouble ?? failure;
    },
    consistency: consistency.checks,
    resourceVersion: () => String(freshness.seen + offset),
    async close() {
      stop.abort();
      for (const { watchers } of shelves.values()) watchers.endAll("closed");
      await running;
    },
  };
}

const REGISTRY = { prefix: registryPrefix };

/** How far back to look, of what may be kept: the first that the store still has. */
const SHARES_OF_THE_PAST = [1, 0.1];

async function stateOfThePast(store: Store, now: Revision): Promise<ListResult> {
  for (const share of SHARES_OF_THE_PAST) {
    const revision = Math.max(1, now - Math.round(limits.watchWindowRevisions * share));
    if (revision >= now) break;
    try {
      return await store.list({ ...REGISTRY, revision });
    } catch (error) {
      if (!isCompacted(error)) throw error;
    }
  }
  return store.list(REGISTRY);
}

async function readOffset(store: Store): Promise<number> {
  const entry = await store.get(offsetKey);
  if (!entry) return 0;
  const offset = Number(Buffer.from(entry.value).toString("utf8"));
  if (!Number.isSafeInteger(offset) || offset < 0) throw new Error(`${offsetKey} does not hold a number`);
  return offset;
}

async function grouped<T>(
  entries: readonly Entry[],
  make: (entry: Entry) => T,
  clock: Clock,
): Promise<Map<string, T[]>> {
  const breath = breather(clock);
  const groups = new Map<string, T[]>();
  for (const entry of entries) {
    const pause = breath();
    if (pause) await pause;
    const prefix = prefixOf(entry.key);
    if (prefix === undefined) continue;
    const group = groups.get(prefix);
    if (group) group.push(make(entry));
    else groups.set(prefix, [make(entry)]);
  }
  return groups;
}
