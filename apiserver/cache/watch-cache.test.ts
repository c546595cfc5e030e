/** Watch cache: reads, lists, watches and writes over the memory store. */
import { afterEach, describe, expect, test } from "vitest";
import type { WatchEvent, WatchItem } from "../../machinery/client/transport/contract.ts";
import { ApiError } from "../../machinery/objects/status.ts";
import type { StoredObject } from "../../machinery/objects/wire.ts";
import { systemClock } from "../../machinery/process/clock.ts";
import { type FakeClock, fakeClock } from "../../machinery/process/fake-clock.ts";
import { silent } from "../../machinery/process/logging.ts";
import { type Revision, type Store, StoreError } from "../store/contract.ts";
import { createMemoryStore } from "../store/memory.ts";
import type { CachedObject, ListQuery, ResourceCache, WatchCache, WatchQuery, WriteOutcome } from "./contract.ts";
import { offsetKey, storagePrefix } from "./keys.ts";
import { createWatchCache, type WatchCacheOptions } from "./watch-cache.ts";

const cause = { user: "alice", verb: "create", time: 1_000 };
const podsRow = {
  prefix: storagePrefix("", "pods"),
  namespaced: true,
  resource: "pods",
  apiVersion: "v1",
  kind: "Pod",
  listKind: "PodList",
};

interface Bench {
  readonly store: Store;
  readonly cache: WatchCache;
  readonly pods: ResourceCache;
  readonly clock: FakeClock;
}

describe("watch cache", () => {
  let stop: (() => Promise<void>) | undefined;
  afterEach(async () => {
    await stop?.();
    stop = undefined;
  });

  const start = async (
    options: Partial<WatchCacheOptions> = {},
    prepare?: (store: Store) => Promise<unknown>,
  ): Promise<Bench> => {
    const clock = fakeClock();
    const store = options.store ?? createMemoryStore({ clock });
    await prepare?.(store);
    const cache = createWatchCache({ clock, log: silent, ...options, store });
    stop = async () => {
      await cache.close();
      await store.close();
    };
    return { store, cache, pods: cache.resource(podsRow), clock };
  };

  describe("write", () => {
    test("creates once, and brings what is there the second time", async () => {
      const { pods } = await start();
      const made = committed(await create(pods, "a"));
      expect(made.object.metadata.resourceVersion).toBe(made.resourceVersion);
      const again = await create(pods, "a");
      expect(again).toMatchObject({ committed: false, current: { resourceVersion: made.resourceVersion } });
      expect(again.committed === false && again.current?.object).toBe(made.object);
    });

    test("hands the written object to readers as it is, frozen", async () => {
      const { pods } = await start();
      const made = committed(await create(pods, "a"));
      expect((await pods.get({ namespace: "default", name: "a" }))?.object).toBe(made.object);
      expect(Object.isFrozen(made.object)).toBe(true);
      expect(Object.isFrozen(made.object["spec"])).toBe(true);
    });

    test("replaces at the expected revision only", async () => {
      const { pods } = await start();
      const made = committed(await create(pods, "a"));
      const changed = committed(await replace(pods, made, { nodeName: "n1" }));
      expect(Number(changed.resourceVersion)).toBeGreaterThan(Number(made.resourceVersion));
      expect(await replace(pods, made, { nodeName: "n2" })).toMatchObject({ committed: false });
    });

    test("deletes and brings the last state with the deletion's resourceVersion", async () => {
      const { pods } = await start();
      const made = committed(await create(pods, "a"));
      const gone = committed(await remove(pods, made));
      expect(Number(gone.resourceVersion)).toBe(Number(made.resourceVersion) + 1);
      expect(gone.object).toMatchObject({ metadata: { name: "a", resourceVersion: gone.resourceVersion } });
      expect(await pods.get({ namespace: "default", name: "a" })).toBeUndefined();
    });

    test("changes keys of its own kind in the same transaction, or fails with them", async () => {
      const { pods, cache } = await start();
      const ip = "/k8ts/ips/10.43.0.1";
      const also = {
        conditions: [{ key: ip, modRevision: 0 }],
        operations: [{ type: "put", key: ip, value: Buffer.from("a") }],
      } as const;
      committed(
        await pods.write({ type: "put", namespace: "default", name: "a", object: pod("a"), expected: 0, cause, also }),
      );
      const second = await pods.write({
        type: "put",
        namespace: "default",
        name: "b",
        object: pod("b"),
        expected: 0,
        cause,
        also,
      });
      expect(second).toMatchObject({ committed: false, current: undefined, also: [{ key: ip }] });
      expect((await cache.internal.get(ip))?.modRevision).toBe(1);
    });

    test("keeps its cause, and history tells it", async () => {
      const { pods } = await start();
      const made = committed(await create(pods, "a"));
      const changed = committed(
        await pods.write({
          type: "put",
          namespace: "default",
          name: "a",
          object: pod("a", { nodeName: "n1" }),
          expected: made.revision,
          cause: {
            user: "system:kube-scheduler",
            verb: "update",
            time: 2_000,
            causeRevision: made.resourceVersion,
            controller: "scheduler",
          },
        }),
      );
      await remove(pods, changed);
      const { versions, since } = await pods.history({ namespace: "default", name: "a" });
      expect(since).toBe("0");
      expect(versions.map(({ type, cause }) => [type, cause?.user, cause?.causeRevision])).toEqual([
        ["put", "alice", undefined],
        ["put", "system:kube-scheduler", "1"],
        ["delete", "alice", undefined],
      ]);
      expect(versions[2]?.object?.["spec"]).toMatchObject({ nodeName: "n1" });
    });
  });

  describe("get", () => {
    test("sees what another server wrote just before", async () => {
      const { store, pods, cache } = await start();
      await cache.synced();
      const other = createWatchCache({ store, clock: systemClock, log: silent });
      const made = committed(await create(other.resource(podsRow), "a"));
      const seen = await pods.get({ namespace: "default", name: "a" });
      expect(seen?.resourceVersion).toBe(made.resourceVersion);
      expect(JSON.parse(Buffer.from(seen?.json() ?? []).toString())).toEqual(seen?.object);
      await other.close();
    });

    test("at a resourceVersion of the future waits, then fails with 504 as Kubernetes does", async () => {
      const { pods, clock } = await start();
      committed(await create(pods, "a"));
      const asked = pods.get({ namespace: "default", name: "a" }, "500").catch((error: unknown) => error);
      await clock.advance(3_000);
      expect(await asked).toMatchObject({
        code: 504,
        reason: "Timeout",
        message: expect.stringMatching(/^Timeout: Too large resource version: 500, current: \d+$/),
      });
    });

    test("with a resourceVersion that is no number is invalid", async () => {
      const { pods } = await start();
      await expect(pods.get({ namespace: "default", name: "a" }, "x")).rejects.toMatchObject({ code: 422 });
    });

    test("reads the store when the watch stands still, after trying to push it", async () => {
      const clock = fakeClock();
      const memory = createMemoryStore({ clock });
      const stalled: Store = { ...memory, watch: ({ signal }) => stall(signal) };
      const { pods } = await start({ store: stalled, clock });
      await pods.get({ namespace: "default", name: "a" });
      committed(await create(pods, "a"));
      const reading = pods.get({ namespace: "default", name: "a" });
      await clock.advance(3_000);
      expect((await reading)?.object.metadata.name).toBe("a");
      expect(await memory.get("/k8ts/progress")).toBeDefined();
    });
  });

  describe("list", () => {
    test("brings a namespace or everything, ordered, as object and as the same JSON", async () => {
      const { pods } = await start();
      for (const [namespace, name] of [
        ["b", "x"],
        ["a", "2"],
        ["a", "1"],
      ] as const)
        await create(pods, name, { namespace });
      const page = await pods.list({ selection: {} });
      expect(page.items.map(({ object }) => object.metadata.name)).toEqual(["1", "2", "x"]);
      expect(JSON.parse(joined(page.encoded()))).toEqual(page.value());
      expect(page.value()).toMatchObject({ kind: "PodList", apiVersion: "v1", metadata: { resourceVersion: "3" } });
      expect(await names(pods, { selection: { namespace: "a" } })).toEqual(["1", "2"]);
      expect(await names(pods, { selection: { namespace: "a", name: "2" } })).toEqual(["2"]);
      expect(await names(pods, { selection: { name: "x" } })).toEqual(["x"]);
    });

    test("in slices keeps non-ASCII text whole", async () => {
      const { pods } = await start();
      for (let n = 0; n < 200; n++) await create(pods, `p${n}`, { note: "ünïcödé ✓ ".repeat(60) });
      const page = await pods.list({ selection: {} });
      expect([...page.encoded()].length).toBeGreaterThan(1);
      expect(JSON.parse(joined(page.encoded()))).toEqual(page.value());
    });

    test("in pages shows one revision, though everything changes meanwhile", async () => {
      const { pods } = await start();
      for (let n = 10; n < 35; n++) await create(pods, `p${n}`);
      const first = await pods.list({ selection: { namespace: "default" }, limit: 10 });
      expect(first.remaining).toBe(15);
      const changed = await pods.get({ namespace: "default", name: "p25" });
      await replace(pods, changed as CachedObject, { nodeName: "new" });
      await remove(pods, (await pods.get({ namespace: "default", name: "p30" })) as CachedObject);
      await create(pods, "p255");
      const second = await pods.list({ selection: { namespace: "default" }, limit: 10, continue: first.continue });
      const third = await pods.list({ selection: { namespace: "default" }, limit: 10, continue: second.continue });
      const all = [first, second, third].flatMap((page) => page.items);
      expect(all.map(({ object }) => object.metadata.name)).toEqual(Array.from({ length: 25 }, (_, n) => `p${n + 10}`));
      expect(all.some(({ object }) => (object["spec"] as { nodeName?: string }).nodeName === "new")).toBe(false);
      expect([second.remaining, third.remaining, third.continue]).toEqual([5, undefined, undefined]);
      expect(third.resourceVersion).toBe(first.resourceVersion);
    });

    test("with a selector and a limit fills its pages", async () => {
      const { pods } = await start();
      for (let n = 10; n < 40; n++) await create(pods, `p${n}`, { nodeName: n % 3 === 0 ? "n1" : "n2" });
      const found: string[] = [];
      let token: string | undefined;
      do {
        const page: Awaited<ReturnType<ResourceCache["list"]>> = await pods.list({
          selection: { nodeName: "n1" },
          limit: 4,
          continue: token,
        });
        expect(page.remaining).toBeUndefined();
        found.push(...page.items.map(({ object }) => object.metadata.name));
        token = page.continue;
        await create(pods, `later${found.length}`);
      } while (token);
      expect(found).toEqual(["p12", "p15", "p18", "p21", "p24", "p27", "p30", "p33", "p36", "p39"]);
    });

    test("at an exact resourceVersion shows that state", async () => {
      const { pods } = await start();
      const one = committed(await create(pods, "a"));
      await create(pods, "b");
      const exact = { resourceVersion: one.resourceVersion, resourceVersionMatch: "Exact" };
      expect(await names(pods, { selection: {}, ...exact })).toEqual(["a"]);
      expect(await names(pods, { selection: {}, ...exact, resourceVersionMatch: "NotOlderThan" })).toEqual(["a", "b"]);
      expect(await names(pods, { selection: {}, resourceVersion: one.resourceVersion, limit: 5 })).toEqual(["a"]);
    });

    test("of a state that is compacted is 410, and so is a token of it", async () => {
      const { pods, store } = await start();
      const one = committed(await create(pods, "a"));
      await create(pods, "b");
      const page = await pods.list({ selection: {}, limit: 1 });
      await create(pods, "c");
      await store.compact(await store.revision());
      await expect(
        pods.list({ selection: {}, resourceVersion: one.resourceVersion, resourceVersionMatch: "Exact" }),
      ).rejects.toMatchObject({
        code: 410,
        reason: "Expired",
      });
      await expect(pods.list({ selection: {}, limit: 1, continue: page.continue })).rejects.toMatchObject({
        code: 410,
        message: expect.stringContaining("The provided continue parameter is too old"),
      });
    });

    test.each([
      [{ resourceVersionMatch: "Exact" }, 422, "resourceVersionMatch is forbidden unless resourceVersion is provided"],
      [{ resourceVersion: "0", resourceVersionMatch: "Exact" }, 422, 'is forbidden for resourceVersion "0"'],
      [{ resourceVersion: "1", resourceVersionMatch: "Newest" }, 422, 'supported values: "Exact", "NotOlderThan"'],
      [{ continue: "!!!" }, 400, "continue key is not valid"],
      [{ continue: "e30" }, 400, "continue key is not valid"],
      [{ resourceVersion: "-1" }, 422, "resourceVersion"],
    ])("with options that make no sense is refused: %j", async (query, code, message) => {
      const { pods } = await start();
      await expect(pods.list({ selection: {}, ...query })).rejects.toMatchObject({
        code,
        message: expect.stringContaining(message),
      });
    });
  });

  describe("watch", () => {
    test("from a resourceVersion brings what was missed, then what happens", async () => {
      const { pods } = await start();
      const one = committed(await create(pods, "a"));
      const two = committed(await create(pods, "b"));
      const events = record(await watching(pods, { resourceVersion: one.resourceVersion }));
      const three = committed(await replace(pods, two, { nodeName: "n1" }));
      await remove(pods, three);
      await until(() => events.length === 3);
      expect(events.map(({ type, object }) => [type, object.metadata.name, object.metadata.resourceVersion])).toEqual([
        ["ADDED", "b", "2"],
        ["MODIFIED", "b", "3"],
        ["DELETED", "b", "4"],
      ]);
    });

    test("without resourceVersion begins with what there is", async () => {
      const { pods } = await start();
      await create(pods, "a");
      const events = record(await watching(pods, {}));
      await create(pods, "b");
      await until(() => events.length === 2);
      expect(events.map(({ type, object }) => `${type} ${object.metadata.name}`)).toEqual(["ADDED a", "ADDED b"]);
    });

    test("with a selector sees updates as coming and going", async () => {
      const { pods } = await start();
      const on1 = record(await watching(pods, { selection: { nodeName: "n1" } }));
      const on2 = record(await watching(pods, { selection: { matches: (object) => nodeOf(object) === "n2" } }));
      const made = committed(await create(pods, "a", { nodeName: "n1" }));
      const moved = committed(await replace(pods, made, { nodeName: "n2" }));
      await remove(pods, moved);
      await until(() => on1.length === 2 && on2.length === 2);
      expect(on1.map(({ type, object }) => [type, nodeOf(object), object.metadata.resourceVersion])).toEqual([
        ["ADDED", "n1", "1"],
        ["DELETED", "n1", "2"],
      ]);
      expect(on2.map(({ type, object }) => [type, object.metadata.resourceVersion])).toEqual([
        ["ADDED", "2"],
        ["DELETED", "3"],
      ]);
    });

    test("by namespace and by name hears of nothing else", async () => {
      const { pods } = await start();
      const inB = record(await watching(pods, { selection: { namespace: "b" } }));
      const named = record(await watching(pods, { selection: { namespace: "a", name: "x" } }));
      for (const namespace of ["a", "b"]) for (const name of ["x", "y"]) await create(pods, name, { namespace });
      await until(() => inB.length === 2 && named.length === 1);
      expect(inB.map(({ object }) => object.metadata.name)).toEqual(["x", "y"]);
      expect(named[0]?.object.metadata.namespace).toBe("a");
    });

    test("gives every watcher the same buffer, one a representation", async () => {
      const { pods } = await start();
      let converted = 0;
      const table = {
        key: "table",
        convert: (object: StoredObject) => {
          converted++;
          return { kind: "Table", rows: [object.metadata.name] };
        },
      };
      const lists: WatchItem[][] = [[], [], [], []];
      for (const [index, representation] of [undefined, undefined, table, table].entries()) {
        recordItems(await watching(pods, { resourceVersion: "0", representation }), lists[index] as WatchItem[]);
      }
      const made = committed(await create(pods, "a"));
      await until(() => lists.every((items) => items.length === 1));
      const [one, two, three, four] = lists.map(([item]) => (item as WatchItem).encoded());
      expect(one).toBe(two);
      expect(three).toBe(four);
      expect(converted).toBe(1);
      expect(JSON.parse(Buffer.from(one as Uint8Array).toString())).toEqual({ type: "ADDED", object: made.object });
      expect(Buffer.from(three as Uint8Array).toString()).toBe(
        '{"type":"ADDED","object":{"kind":"Table","rows":["a"]}}\n',
      );
    });

    test("from a resourceVersion beyond the window gives ERROR 410 and ends", async () => {
      const { pods } = await start({ window: { events: 10 } });
      for (let n = 0; n < 20; n++) await create(pods, `p${n}`);
      const events = await all(await watching(pods, { resourceVersion: "3" }));
      expect(events).toMatchObject([
        {
          type: "ERROR",
          object: { kind: "Status", code: 410, reason: "Expired", message: "too old resource version: 3 (10)" },
        },
      ]);
    });

    test("asked for its initial events marks their end", async () => {
      const { pods } = await start();
      await create(pods, "a");
      const events = record(
        await watching(pods, { sendInitialEvents: true, allowBookmarks: true, resourceVersionMatch: "NotOlderThan" }),
      );
      await create(pods, "b");
      await until(() => events.length === 3);
      expect(events.map(({ type }) => type)).toEqual(["ADDED", "BOOKMARK", "ADDED"]);
      expect(events[1]?.object).toMatchObject({
        kind: "Pod",
        metadata: { resourceVersion: "1", annotations: { "k8s.io/initial-events-end": "true" } },
      });
    });

    test("that is quiet gets bookmarks as other resources change, and one at its end", async () => {
      const { pods, cache, clock } = await start();
      const events = record(await watching(pods, { allowBookmarks: true, timeoutMs: 90_000 }));
      await create(cache.resource({ ...podsRow, prefix: storagePrefix("", "secrets") }), "s");
      await clock.advance(60_000);
      await clock.advance(30_000);
      await until(() => events.length === 2 && events.ended);
      expect(events.map(({ type, object }) => [type, object.metadata.resourceVersion])).toEqual([
        ["BOOKMARK", "1"],
        ["BOOKMARK", "1"],
      ]);
    });

    test("that is not read is cut off with nothing kept", async () => {
      const { pods } = await start();
      const iterator = (await watching(pods, { resourceVersion: "0" }))[Symbol.asyncIterator]();
      await create(pods, "first");
      await iterator.next();
      let last = committed(await create(pods, "a"));
      for (let n = 0; n < 10_050; n++) last = committed(await replace(pods, last, {}));
      expect(await iterator.next()).toEqual({ done: true, value: undefined });
    }, 30_000);

    test("ends with its signal, also when it was never read", async () => {
      const { pods } = await start();
      const stop = new AbortController();
      const iterable = await pods.watch({ selection: {}, signal: stop.signal });
      stop.abort();
      expect(await all(iterable)).toEqual([]);
    });

    test("ends and is 410 afterwards when the store has dropped what was missed", async () => {
      const clock = fakeClock();
      const memory = createMemoryStore({ clock });
      let broken: (() => void) | undefined;
      const fragile: Store = {
        ...memory,
        watch: (request) =>
          breakable(memory.watch(request), (fail) => {
            broken = fail;
          }),
      };
      const { pods } = await start({ store: fragile, clock });
      const made = committed(await create(pods, "a"));
      const events = record(await watching(pods, { resourceVersion: made.resourceVersion }));
      broken?.();
      await until(() => events.ended, clock);
      expect(await names(pods, { selection: {} })).toEqual(["a"]);
      const after = await all(
        await watching(pods, { resourceVersion: "0", timeoutMs: 0 }).then(async (batches) => {
          await clock.advance(1);
          return batches;
        }),
      );
      expect(after.map(({ type }) => type)).toEqual(["ADDED"]);
    });
  });

  describe("store", () => {
    test("that cannot be reached is a 503, and the cache recovers by itself", async () => {
      const clock = fakeClock();
      const memory = createMemoryStore({ clock });
      let down = true;
      const call =
        <A extends unknown[], R>(fn: (...args: A) => Promise<R>) =>
        async (...args: A): Promise<R> => {
          if (down) throw new StoreError("unavailable", "connection refused");
          return fn(...args);
        };
      const flaky: Store = {
        ...memory,
        get: call(memory.get),
        list: call(memory.list),
        commit: call(memory.commit),
        revision: call(memory.revision),
      };
      const { pods, cache } = await start({ store: flaky, clock });
      const refused = create(pods, "a").catch((error: unknown) => error);
      await clock.advance(3_000);
      expect(await refused).toMatchObject({ code: 503, message: expect.stringContaining("connection refused") });
      expect(cache.trouble()).toContain("connection refused");
      down = false;
      await clock.advance(10_000);
      committed(await create(pods, "a"));
      expect(cache.trouble()).toBeUndefined();
      down = true;
      await expect(pods.get({ namespace: "default", name: "a" })).rejects.toBeInstanceOf(ApiError);
      expect((await pods.get({ namespace: "default", name: "a" }, "0"))?.resourceVersion).toBe("1");
    });

    test("with an offset gives larger resourceVersions, and understands them", async () => {
      const { pods } = await start({}, (store) =>
        store.commit([], [{ type: "put", key: offsetKey, value: Buffer.from("1000") }]),
      );
      const made = committed(await create(pods, "a"));
      expect(made.resourceVersion).toBe("1002");
      await create(pods, "b");
      expect(await names(pods, { selection: {}, resourceVersion: "1002", resourceVersionMatch: "Exact" })).toEqual([
        "a",
      ]);
      const events = record(await watching(pods, { resourceVersion: "1002" }));
      await until(() => events.length === 1);
      expect(events[0]?.object.metadata.resourceVersion).toBe("1003");
    });

    test("that holds objects already is loaded, and they can be read at once", async () => {
      const clock = fakeClock();
      const store = createMemoryStore({ clock });
      const before = createWatchCache({ store, clock, log: silent });
      await create(before.resource(podsRow), "a");
      await before.close();
      const { pods } = await start({ store });
      expect(await names(pods, { selection: {} })).toEqual(["a"]);
      expect([...pods.peekAll({ namespace: "default" })].map(({ object }) => object.metadata.name)).toEqual(["a"]);
    });
  });
});

interface PodOptions {
  readonly namespace?: string;
  readonly nodeName?: string;
  readonly note?: string;
}

function pod(name: string, { namespace = "default", nodeName, note }: PodOptions = {}) {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace, ...(note ? { annotations: { note } } : {}) },
    spec: nodeName ? { nodeName } : {},
  };
}

const create = (pods: ResourceCache, name: string, options: PodOptions = {}) =>
  pods.write({
    type: "put",
    namespace: options.namespace ?? "default",
    name,
    object: pod(name, options),
    expected: 0,
    cause,
  });

const replace = (pods: ResourceCache, { object, revision }: CachedObject, options: PodOptions) => {
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

const remove = (pods: ResourceCache, { object, revision }: CachedObject) =>
  pods.write({ type: "delete", ...nameOf(object), expected: revision, cause });

const nameOf = ({ metadata: { namespace, name } }: StoredObject) => ({ namespace, name });
const nodeOf = (object: StoredObject) => (object["spec"] as { nodeName?: string } | undefined)?.nodeName;

function committed(outcome: WriteOutcome): CachedObject {
  if (!outcome.committed) throw new Error("not committed");
  return outcome.item;
}

async function names(pods: ResourceCache, query: ListQuery): Promise<string[]> {
  return (await pods.list(query)).items.map(({ object }) => object.metadata.name);
}

function joined(slices: Iterable<Uint8Array>): string {
  return Buffer.concat([...slices]).toString();
}

const watching = (pods: ResourceCache, query: Partial<WatchQuery>) =>
  pods.watch({ selection: {}, signal: new AbortController().signal, ...query });

function record(batches: AsyncIterable<readonly WatchItem[]>): WatchEvent[] & { ended?: boolean } {
  const events: WatchEvent[] & { ended?: boolean } = [];
  const read = async () => {
    for await (const batch of batches) events.push(...batch.map((item) => item.event()));
    events.ended = true;
  };
  void read();
  return events;
}

function recordItems(batches: AsyncIterable<readonly WatchItem[]>, into: WatchItem[]): void {
  const read = async () => {
    for await (const batch of batches) into.push(...batch);
  };
  void read();
}

async function all(batches: AsyncIterable<readonly WatchItem[]>): Promise<WatchEvent[]> {
  const events: WatchEvent[] = [];
  for await (const batch of batches) events.push(...batch.map((item) => item.event()));
  return events;
}

async function until(done: () => boolean | undefined, clock?: FakeClock): Promise<void> {
  for (let turn = 0; turn < 500 && !done(); turn++) {
    await clock?.advance(1_000);
    await systemClock.sleep(2);
  }
  expect(done()).toBe(true);
}

/** A watch that brings nothing until it is aborted. */
async function* stall(signal: AbortSignal): AsyncGenerator<{ revision: Revision; events: [] }> {
  await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
}

/** A watch that can be made to fail with `compacted`. */
async function* breakable<T>(source: AsyncIterable<T>, arm: (fail: () => void) => void): AsyncGenerator<T> {
  const iterator = source[Symbol.asyncIterator]();
  const broken = new Promise<never>((_, reject) => arm(() => reject(new StoreError("compacted", "history is gone"))));
  broken.catch(() => undefined);
  for (;;) {
    const next = await Promise.race([iterator.next(), broken]);
    if (next.done) return;
    yield next.value;
  }
}
