/**
 * List-watch: keeps an object cache equal to the server's collection, by one list and then watches.
 *
 * A watch resumes after the last revision seen; only when the server no longer keeps that one
 * (410), or is behind it, the collection is listed again and the difference told. It never gives up: failures are
 * logged and tried again with back-off until the signal aborts.
 */
import { createBackoff } from "../loop/backoff.ts";
import { breather } from "../loop/breathe.ts";
import { ApiError, isExpired, type Status } from "../objects/status.ts";
import type { StoredObject } from "../objects/wire.ts";
import type { Clock } from "../process/clock.ts";
import { limits } from "../process/limits.ts";
import type { Logger } from "../process/logging.ts";
import type { Company } from "./company.ts";
import { deepFreeze } from "./freeze.ts";
import { type Change, keyOf, type ObjectKey } from "./informer.ts";
import type { ObjectCache } from "./object-cache.ts";
import type { ClientRequest, Transport, WatchEvent } from "./transport/contract.ts";

export interface ListWatchOptions<T extends StoredObject> {
  readonly transport: Transport;
  /** The collection: "/api/v1/pods". */
  readonly path: string;
  /** Selectors. */
  readonly query: Readonly<Record<string, string>>;
  /** Accept headers where another representation is wanted. */
  readonly accept?: { readonly list: string; readonly watch: string } | undefined;
  readonly cache: ObjectCache<T>;
  readonly onChange: (change: Change<T>) => void;
  readonly onSynced: () => void;
  /** Others that wait for the same server. */
  readonly company: Company;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

interface ListBody<T> {
  readonly kind?: string;
  readonly apiVersion?: string;
  readonly metadata: { readonly resourceVersion?: string; readonly continue?: string };
  readonly items: readonly T[] | null;
}

/** Runs until the signal aborts. */
export async function listWatch<T extends StoredObject>(options: ListWatchOptions<T>): Promise<void> {
  const { clock, log, signal, path, company } = options;
  const backoff = createBackoff(clock, limits.informerBackoffMs, limits.informerMaxBackoffMs, 1.5);
  let revision: string | undefined;
  let unreachable = false;

  const reached = (now: boolean) => {
    if (now && unreachable) company.answered();
    unreachable = !now;
  };
  const progress = (next: string | undefined) => {
    if (next) revision = next;
    backoff.reset();
    reached(true);
  };

  while (!signal.aborted) {
    try {
      if (revision === undefined) {
        progress(await relist(options));
        options.onSynced();
      }
      const started = clock.monotonic();
      await follow(options, revision as string, progress);
      if (clock.monotonic() - started < 1_000) await clock.sleep(backoff.next(), signal);
    } catch (error) {
      if (signal.aborted) return;
      const relisting = (isExpired(error) || isAhead(error)) && revision !== undefined;
      if (relisting) {
        revision = undefined;
        backoff.reset(); // the server answers: what was waited for before is over
      }
      const wait = backoff.next();
      const level = relisting || wait < limits.informerBackoffMs * 4 ? "info" : "warn";
      log[level]("lost the list or watch of a resource", {
        path,
        error: (error as Error).message,
        waitMs: Math.round(wait),
      });
      reached(!isUnreachable(error));
      const waited = unreachable ? company.wait(wait, signal) : clock.sleep(wait, signal);
      await waited.catch(() => undefined); // only the signal makes it fail, and ends the loop
    }
  }
}

const isUnreachable = (error: unknown): boolean => error instanceof ApiError && error.reason === "ServiceUnavailable";

/** The server is behind what was seen, as after a restore: only a list tells what holds now. */
function isAhead(error: unknown): boolean {
  return error instanceof ApiError && error.message.includes("Too large resource version");
}

/** Lists everything and tells the difference. Returns the list's revision. */
async function relist<T extends StoredObject>(options: ListWatchOptions<T>): Promise<string> {
  const { cache, onChange, clock, signal } = options;
  const { items, revision } = await listAll(options);
  const breathe = breather(clock);
  const present = new Set<ObjectKey>(items.map(keyOf));
  for (const key of [...cache.keys()]) {
    if (!present.has(key)) for (const change of cache.remove(key)) onChange(change);
    await breathe();
  }
  for (const item of items) {
    signal.throwIfAborted();
    for (const change of cache.put(item)) onChange(change);
    await breathe();
  }
  return revision;
}

/** Pages where objects travel as bytes; one list where they are shared. */
async function listAll<T extends StoredObject>(options: ListWatchOptions<T>) {
  const { transport, path, query, accept, signal, clock } = options;
  const breathe = breather(clock);
  const items: T[] = [];
  const limit: Record<string, string> = transport.shared ? {} : { limit: String(limits.listPageItems) };
  for (let more: string | undefined; ; ) {
    const request: ClientRequest = {
      method: "GET",
      path,
      query: { ...query, ...limit, ...(more ? { continue: more } : {}) },
      headers: accept ? { accept: accept.list } : {},
      signal,
    };
    const list = (await transport.request(request)) as ListBody<T>;
    for (const item of list.items ?? []) {
      items.push(owned(transport, item, list));
      await breathe();
    }
    more = list.metadata.continue || undefined;
    if (!more) return { items, revision: list.metadata.resourceVersion ?? "0" };
  }
}

/** Watches after `revision` until the server ends it; throws when it fails. */
async function follow<T extends StoredObject>(
  options: ListWatchOptions<T>,
  revision: string,
  progress: (revision: string | undefined) => void,
): Promise<void> {
  const { transport, path, query, accept, cache, onChange, clock, signal } = options;
  const seconds = Math.round(limits.informerWatchSeconds * (1 + clock.random()));
  const request: ClientRequest = {
    method: "GET",
    path,
    query: {
      ...query,
      watch: "true",
      resourceVersion: revision,
      allowWatchBookmarks: "true",
      timeoutSeconds: String(seconds),
    },
    headers: accept ? { accept: accept.watch } : {},
    signal,
  };
  const breathe = breather(clock);
  for await (const batch of transport.watch(request)) {
    for (const event of batch) {
      for (const change of applied(cache, transport, event as WatchEvent<T>)) onChange(change);
      progress(event.object.metadata.resourceVersion);
      await breathe();
    }
  }
}

function applied<T extends StoredObject>(
  cache: ObjectCache<T>,
  transport: Transport,
  { type, object }: WatchEvent<T>,
): readonly Change<T>[] {
  if (type === "ERROR") throw ApiError.from(object as unknown as Partial<Status>);
  if (type === "BOOKMARK") return [];
  const own = owned(transport, object);
  return type === "DELETED" ? cache.remove(keyOf(own), own) : cache.put(own);
}

/**
 * The object as the cache keeps it: frozen, with its kind (items of a list may leave that to the list), and without
 * managedFields: no control loop reads them, they take half an object's memory, and a write without them keeps them.
 */
function owned<T extends StoredObject>(transport: Transport, object: T, list?: ListBody<T>): T {
  if (!object.kind && list?.kind && list.apiVersion) {
    object = { ...object, apiVersion: list.apiVersion, kind: list.kind.replace(/List$/, "") };
  }
  if (!object.metadata.managedFields) return transport.shared ? object : deepFreeze(object);
  const { managedFields: _, ...metadata } = object.metadata;
  const lean = { ...object, metadata };
  if (!transport.shared) return deepFreeze(lean);
  Object.freeze(metadata);
  return Object.freeze(lean);
}
