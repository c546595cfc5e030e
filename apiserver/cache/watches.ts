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
import type { Watcher } from "./audience.ts";
import { type Change, ConvertedItem, itemOf, madeItem } from "./change.ts";
import type { WatchQuery } from "./contract.ts";
import { tooOldToWatch } from "./errors.ts";
import { type WatchMeaning, watchMeaning } from "./list-options.ts";
import { mustBeConsistent, notOlderThan, type Resource, type Source } from "./source.ts";
import type { Version } from "./version.ts";
import { scope } from "./watchers.ts";

/** A quiet watcher learns at the latest after this how far the cache is. */
const BOOKMARK_MS = 60_000;
/** Sooner by a part that differs: thousands whom one pause held up together would all come due together from then on. */
const SOONER = 0.25;
/** Events of the past that are made at a time. */
const BATCH_EVENTS = 500;

type Batch = readonly WatchItem[];
type Batches = AsyncGenerator<Batch, void, void>;

export async function watch(resource: Resource, query: WatchQuery): Promise<AsyncIterable<Batch>> {
  const { source, window, objects, description } = resource;
  await source.ready(query.signal);
  const meaning = watchMeaning(query);
  const late = await arrival(source, meaning);
  if (late) return failed(late, query);

  // from here to `join` nothing may await
  const { seen } = source.freshness;
  const fromState = meaning.kind === "state";
  const after = meaning.kind === "after" ? meaning.resourceVersion - source.offset : seen;
  const missed = fromState ? undefined : window.since(after);
  if (!fromState && !missed) return failed(tooOldToWatch(after + source.offset, window.floor + source.offset), query);
  const { prefix } = scope(description.prefix, query.selection);
  const { selection, representation } = query;
  const { nodeName } = selection;
  const all = () =>
    nodeName === undefined
      ? objects.range(prefix, undefined, 0).versions
      : objects.rangeOn(nodeName, prefix, undefined);
  const state = fromState ? all() : [];
  const watcher = resource.watchers.join({ selection, representation, after: after > seen ? after : 0 });
  const past = missed ? replayed(resource, missed, watcher) : existing(resource, state, watcher);
  const ends = fromState && meaning.marked && query.allowBookmarks;
  return new Watch(resource, query, watcher, chained(past, ends ? bookmarkOf(resource, seen, query, true) : undefined));
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

/** Stands from the moment it is made; it leaves when the iteration ends or the signal aborts. */
class Watch implements AsyncIterator<Batch, undefined> {
  readonly #resource: Resource;
  readonly #query: WatchQuery;
  readonly #watcher: Watcher;
  readonly #timers: { cancel(): void }[] = [];
  #past: AsyncIterator<Batch> | undefined;
  #begun: boolean;
  #timeUp = false;
  #bookmarkDue = false;

  constructor(resource: Resource, query: WatchQuery, watcher: Watcher, past: AsyncIterator<Batch>) {
    this.#resource = resource;
    this.#query = query;
    this.#watcher = watcher;
    this.#past = past;
    this.#begun = query.representation?.first === undefined;
    const { clock } = resource.source;
    const timeoutMs = query.timeoutMs ?? limits.watchMs * (1 + clock.random());
    this.#timers.push(clock.after(timeoutMs, this.#endInTime, { background: true }));
    if (query.allowBookmarks) this.#timers.push(this.#bookmarkTimer());
    query.signal.addEventListener("abort", this.#leave, { once: true });
    if (query.signal.aborted) this.#leave();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<Batch, undefined>> {
    if (this.#begun) return this.#onward();
    this.#begun = true;
    return this.#onward().then((batch) => (batch.done ? batch : { done: false, value: begun(batch.value) }));
  }

  #onward(): Promise<IteratorResult<Batch, undefined>> {
    return this.#past ? this.#older(this.#past) : this.#newer();
  }

  async return(): Promise<IteratorResult<Batch, undefined>> {
    this.#leave();
    await this.#past?.return?.();
    return DONE;
  }

  async #older(past: AsyncIterator<Batch>): Promise<IteratorResult<Batch, undefined>> {
    const batch = await past.next();
    if (!batch.done && !this.#watcher.ended) return batch;
    this.#past = undefined;
    return this.#newer();
  }

  #newer(): Promise<IteratorResult<Batch, undefined>> {
    const watcher = this.#watcher;
    const batch = watcher.take() ?? (this.#timeUp || this.#bookmarkDue ? watcher.takeAll() : undefined);
    if (batch) return Promise.resolve({ done: false, value: batch });
    if (watcher.ended) return this.#over();
    if (this.#bookmarkDue) return this.#bookmark();
    if (this.#timeUp) return this.#over();
    return watcher.next().then(() => this.#newer());
  }

  /** Everything up to what the cache has seen was taken before. */
  #bookmark(): Promise<IteratorResult<Batch, undefined>> {
    this.#bookmarkDue = false;
    const revision = Math.max(this.#resource.source.freshness.seen, this.#watcher.audience.after);
    const bookmark = bookmarkOf(this.#resource, revision, this.#query, false);
    return Promise.resolve({ done: false, value: [bookmark] });
  }

  #over(): Promise<IteratorResult<Batch, undefined>> {
    const { source, description } = this.#resource;
    if (this.#watcher.ended === "slow")
      source.log.warn("watcher cut off: it does not read", { resource: description.resource });
    this.#leave();
    return Promise.resolve(DONE);
  }

  readonly #endInTime = (): void => {
    this.#timeUp = true;
    if (this.#query.allowBookmarks) this.#bookmarkDue = true;
    this.#watcher.wake();
  };

  readonly #remind = (): void => {
    this.#bookmarkDue = true;
    this.#watcher.wake();
    this.#timers[1] = this.#bookmarkTimer();
  };

  #bookmarkTimer(): { cancel(): void } {
    const { clock } = this.#resource.source;
    return clock.after(BOOKMARK_MS * (1 - SOONER * clock.random()), this.#remind, { background: true });
  }

  readonly #leave = (): void => {
    for (const timer of this.#timers.splice(0)) timer.cancel();
    this.#query.signal.removeEventListener("abort", this.#leave);
    this.#watcher.end("closed");
    if (this.#resource.watchers.remove(this.#watcher)) this.#query.over?.();
  };
}

const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined };

/** The batch with its first event shown as a first one. */
function begun([first, ...others]: Batch): Batch {
  return first instanceof ConvertedItem ? [first.asFirst(), ...others] : [first as WatchItem, ...others];
}

/** The past, and the bookmark that tells its end. */
async function* chained(past: Batches, end: WatchItem | undefined): Batches {
  yield* past;
  if (end) yield [end];
}

/** Everything there is, as ADDED. */
async function* existing({ source }: Resource, versions: readonly Version[], watcher: Watcher): Batches {
  const breath = breather(source.clock);
  let batch: WatchItem[] = [];
  for (const version of versions) {
    const pause = breath();
    if (pause) await pause;
    if (watcher.audience.selects && !watcher.audience.selects(version)) continue;
    batch.push(itemOf("ADDED", version, watcher.audience.representation));
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
    const type = change.typeFor(watcher.audience.selects);
    if (!type) continue;
    batch.push(change.item(type, watcher.audience.representation));
    if (batch.length < BATCH_EVENTS) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

/** As Kubernetes: the stream begins with an ERROR and ends. */
function failed(error: ApiError, { over }: WatchQuery): Batches {
  over?.();
  return (async function* () {
    yield [madeItem("ERROR", error.toStatus() as unknown as StoredObject, undefined)];
  })();
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
