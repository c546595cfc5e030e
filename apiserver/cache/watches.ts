/**
 * Watches: what one watcher gets, from its first event to its end.
 *
 * What there is or what it missed comes first, then what happens; between the two there is no gap, since
 * the watcher is entered in the same step in which the past is read.
 */
import type { WatchItem } from "../../machinery/client/transport/contract.ts";
import { breather } from "../../machinery/loop/breathe.ts";
import { ApiError } from "../../machinery/objects/status.ts";
import type { StoredObject } from "../../machinery/objects/wire.ts";
import { limits } from "../../machinery/process/limits.ts";
import type { Revision } from "../store/contract.ts";
import { type Change, itemOf, madeItem } from "./change.ts";
import type { WatchQuery } from "./contract.ts";
import { tooOldToWatch } from "./errors.ts";
import { type WatchMeaning, watchMeaning } from "./list-options.ts";
import { mustBeConsistent, notOlderThan, type Resource, type Source } from "./source.ts";
import type { Version } from "./version.ts";
import { scope, Watcher } from "./watchers.ts";

/** How often a quiet watcher learns how far the cache is. */
const BOOKMARK_MS = 60_000;
/** Events of the past that are made at a time. */
const BATCH_EVENTS = 500;

type Batches = AsyncIterable<readonly WatchItem[]>;

export async function watch(resource: Resource, query: WatchQuery): Promise<Batches> {
  const { source, window, objects, description } = resource;
  await source.ready(query.signal);
  const meaning = watchMeaning(query);
  const late = await arrival(source, meaning);
  if (late) return failed(late);

  // from here to `add` nothing may await
  const { seen } = source.freshness;
  const fromState = meaning.kind === "state";
  const after = meaning.kind === "after" ? meaning.resourceVersion - source.offset : seen;
  const missed = fromState ? undefined : window.since(after);
  if (!fromState && !missed) return failed(tooOldToWatch(after + source.offset, window.floor + source.offset));
  const known = Math.max(after, seen);
  const watcher = new Watcher(query.selection, description.prefix, query.representation, known);
  const { prefix } = scope(description.prefix, query.selection);
  const state = fromState ? objects.range(prefix, undefined, 0).versions : [];
  const past = () => (missed ? replayed(resource, missed, watcher) : existing(resource, state, watcher));
  return serve(resource, { ...query, marked: fromState && meaning.marked }, watcher, past, known);
}

/** Waits until the cache has what the watch begins with; answers why it does not come. */
async function arrival(source: Source, meaning: WatchMeaning): Promise<ApiError | undefined> {
  if (meaning.kind === "now") await mustBeConsistent(source);
  if (meaning.kind !== "state") return undefined;
  const { notBefore } = meaning;
  if (notBefore === undefined) await mustBeConsistent(source);
  else if (notBefore > 0) return notOlderThan(source, notBefore - source.offset).then(() => undefined, asItIs);
  return undefined;
}

function asItIs(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  throw error;
}

interface Served extends WatchQuery {
  /** The end of what there is gets a bookmark of its own. */
  readonly marked: boolean;
}

/** Enters the watcher at once; it leaves when the iteration ends or the signal aborts. */
function serve(resource: Resource, query: Served, watcher: Watcher, past: () => Batches, known: Revision): Batches {
  const { watchers, source, description } = resource;
  const { clock, freshness } = source;
  const { signal, allowBookmarks = false, marked } = query;
  // spread, so that watches that began together do not end together
  const timeoutMs = query.timeoutMs ?? limits.watchMs * (1 + clock.random());
  let timeUp = false;
  let bookmarkDue = false;

  const remind = () => {
    bookmarkDue = true;
    watcher.wake();
    reminder = clock.after(BOOKMARK_MS, remind, { background: true });
  };
  let reminder = clock.after(BOOKMARK_MS, remind, { background: true });
  const deadline = clock.after(
    timeoutMs,
    () => {
      timeUp = true;
      watcher.wake();
    },
    { background: true },
  );
  const leave = () => {
    reminder.cancel();
    deadline.cancel();
    watchers.remove(watcher);
    signal.removeEventListener("abort", leave);
    watcher.end("closed");
  };
  signal.addEventListener("abort", leave, { once: true });
  watchers.add(watcher);
  if (signal.aborted) leave();

  const bookmark = (revision: Revision, initial: boolean) => [bookmarkOf(resource, revision, query, initial)];

  return (async function* () {
    try {
      for await (const batch of past()) {
        if (watcher.ended) break;
        yield batch;
      }
      if (marked && allowBookmarks && !watcher.ended) yield bookmark(known, true);
      while (!watcher.ended) {
        const items = watcher.take();
        if (items.length > 0) yield items;
        else if (timeUp || bookmarkDue) {
          bookmarkDue = false;
          if (allowBookmarks) yield bookmark(freshness.seen, false);
          if (timeUp) return;
        } else await watcher.next();
      }
      if (watcher.ended === "slow") {
        source.log.warn("watcher cut off: it does not read", { resource: description.resource });
      }
    } finally {
      leave();
    }
  })();
}

/** Everything there is, as ADDED. */
async function* existing({ source }: Resource, versions: readonly Version[], watcher: Watcher): Batches {
  const breath = breather(source.clock);
  let batch: WatchItem[] = [];
  for (const version of versions) {
    const pause = breath();
    if (pause) await pause;
    if (watcher.selects && !watcher.selects(version)) continue;
    batch.push(itemOf("ADDED", version, watcher.representation));
    if (batch.length < BATCH_EVENTS) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

/** What was missed. */
async function* replayed({ source }: Resource, changes: readonly Change[], watcher: Watcher): Batches {
  const breath = breather(source.clock);
  let batch: WatchItem[] = [];
  for (const change of changes) {
    const pause = breath();
    if (pause) await pause;
    const type = change.typeFor(watcher.selects);
    if (!type) continue;
    batch.push(change.item(type, watcher.representation));
    if (batch.length < BATCH_EVENTS) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

/** As Kubernetes: the stream begins with an ERROR and ends. */
async function* failed(error: ApiError): Batches {
  yield [madeItem("ERROR", error.toStatus() as unknown as StoredObject, undefined)];
}

function bookmarkOf(
  { description: { kind, apiVersion }, source }: Resource,
  revision: Revision,
  query: WatchQuery,
  initial: boolean,
): WatchItem {
  const metadata = {
    resourceVersion: String(revision + source.offset),
    creationTimestamp: null,
    ...(initial ? { annotations: { "k8s.io/initial-events-end": "true" } } : {}),
  };
  const object = { kind, apiVersion, metadata } as unknown as StoredObject;
  return madeItem("BOOKMARK", object, query.representation);
}
