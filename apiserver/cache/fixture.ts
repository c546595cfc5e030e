/**
 * Fixture of the watch cache's tests: a cache over a store, Pods to put into it, and watches to look at.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect } from "vitest";
import type { WatchEvent, WatchItem } from "../../machinery/client/transport/contract.ts";
import type { StoredObject } from "../../machinery/objects/wire.ts";
import { systemClock } from "../../machinery/process/clock.ts";
import { type FakeClock, fakeClock } from "../../machinery/process/fake-clock.ts";
import { silent } from "../../machinery/process/logging.ts";
import { type Revision, type Store, StoreError } from "../store/contract.ts";
import { openLmdbStore } from "../store/lmdb/lmdb-store.ts";
import { createMemoryStore } from "../store/memory.ts";
import type { CachedObject, ListQuery, ResourceCache, WatchCache, WatchQuery, WriteOutcome } from "./contract.ts";
import { storagePrefix } from "./keys.ts";
import { createWatchCache, type WatchCacheOptions } from "./watch-cache.ts";

export const cause = { user: "alice", verb: "create", time: 1_000 };
export const podsRow = {
  prefix: storagePrefix("", "pods"),
  namespaced: true,
  resource: "pods",
  apiVersion: "v1",
  kind: "Pod",
  listKind: "PodList",
};

export interface Bench {
  readonly store: Store;
  readonly cache: WatchCache;
  readonly pods: ResourceCache;
  readonly clock: FakeClock;
}

export type Start = (
  options?: Partial<WatchCacheOptions>,
  prepare?: (store: Store) => Promise<unknown>,
) => Promise<Bench>;

export const storeKinds = ["memory", "lmdb"] as const;

/** Call once in a `describe`: what it starts is stopped after each test. */
export function benches(kind: (typeof storeKinds)[number]): Start {
  let stops: (() => unknown)[] = [];
  afterEach(async () => {
    for (const stop of stops.reverse()) await stop();
    stops = [];
  });
  const open = async (clock: FakeClock): Promise<Store> => {
    if (kind === "memory") return createMemoryStore({ clock });
    const directory = mkdtempSync(join(tmpdir(), "k8ts-cache-"));
    stops.push(() => rmSync(directory, { recursive: true }));
    return openLmdbStore({ directory, clock, log: silent });
  };
  return async (options = {}, prepare) => {
    const clock = fakeClock();
    const store = options.store ?? (await open(clock));
    stops.push(() => store.close());
    await prepare?.(store);
    const cache = createWatchCache({ clock, log: silent, ...options, store });
    stops.push(() => cache.close());
    return { store, cache, pods: cache.resource(podsRow), clock };
  };
}

export interface PodOptions {
  readonly namespace?: string;
  readonly nodeName?: string;
  readonly note?: string;
}

export function pod(name: string, { namespace = "default", nodeName, note }: PodOptions = {}) {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace, ...(note ? { annotations: { note } } : {}) },
    spec: nodeName ? { nodeName } : {},
  };
}

export const create = (pods: ResourceCache, name: string, options: PodOptions = {}) =>
  pods.write({
    type: "put",
    namespace: options.namespace ?? "default",
    name,
    object: pod(name, options),
    expected: 0,
    cause,
  });

export const replace = (pods: ResourceCache, { object, revision }: CachedObject, options: PodOptions) => {
  const { name, namespace = "default" } = object.metadata;
  return pods.write({
    type: "put",
    namespace,
    name,
    object: pod(name, { namespace, ...options }),
    expected: revision,
    cause,
  });
};

export const remove = (pods: ResourceCache, { object, revision }: CachedObject) =>
  pods.write({ type: "delete", ...nameOf(object), expected: revision, cause });

export const nameOf = ({ metadata: { namespace, name } }: StoredObject) => ({ namespace, name });
export const nodeOf = (object: StoredObject) => (object["spec"] as { nodeName?: string } | undefined)?.nodeName;

export function committed(outcome: WriteOutcome): CachedObject {
  if (!outcome.committed) throw new Error("not committed");
  return outcome.item;
}

export async function names(pods: ResourceCache, query: ListQuery): Promise<string[]> {
  return (await pods.list(query)).items.map(({ object }) => object.metadata.name);
}

export function joined(slices: Iterable<Uint8Array>): string {
  return Buffer.concat([...slices]).toString();
}

export const watching = (pods: ResourceCache, query: Partial<WatchQuery>) =>
  pods.watch({ selection: {}, signal: new AbortController().signal, ...query });

export function record(batches: AsyncIterable<readonly WatchItem[]>): WatchEvent[] & { ended?: boolean } {
  const events: WatchEvent[] & { ended?: boolean } = [];
  const read = async () => {
    for await (const batch of batches) events.push(...batch.map((item) => item.event()));
    events.ended = true;
  };
  void read();
  return events;
}

export function recordItems(batches: AsyncIterable<readonly WatchItem[]>, into: WatchItem[]): void {
  const read = async () => {
    for await (const batch of batches) into.push(...batch);
  };
  void read();
}

export async function all(batches: AsyncIterable<readonly WatchItem[]>): Promise<WatchEvent[]> {
  const events: WatchEvent[] = [];
  for await (const batch of batches) events.push(...batch.map((item) => item.event()));
  return events;
}

export async function until(done: () => boolean | undefined, clock?: FakeClock): Promise<void> {
  for (let turn = 0; turn < 500 && !done(); turn++) {
    await clock?.advance(1_000);
    await systemClock.sleep(2);
  }
  expect(done()).toBe(true);
}

/** A watch that brings nothing until it is aborted. */
export async function* stall(signal: AbortSignal): AsyncGenerator<{ revision: Revision; events: [] }> {
  await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
}

/** A watch that can be made to fail with `compacted`. */
export async function* breakable<T>(source: AsyncIterable<T>, arm: (fail: () => void) => void): AsyncGenerator<T> {
  const iterator = source[Symbol.asyncIterator]();
  const broken = new Promise<never>((_, reject) => arm(() => reject(new StoreError("compacted", "history is gone"))));
  broken.catch(() => undefined);
  for (;;) {
    const next = await Promise.race([iterator.next(), broken]);
    if (next.done) return;
    yield next.value;
  }
}
