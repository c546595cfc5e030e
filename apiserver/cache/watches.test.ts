/** Watches: what they bring, share and refuse. */
import { describe, expect, test } from "vitest";
import type { WatchItem } from "../../machinery/client/transport/contract.ts";
import type { StoredObject } from "../../machinery/objects/wire.ts";
import {
  all,
  benches,
  committed,
  create,
  nodeOf,
  podsRow,
  record,
  recordItems,
  remove,
  replace,
  storeKinds,
  until,
  watching,
} from "./fixture.ts";
import { storagePrefix } from "./keys.ts";

describe.each(storeKinds)("watch cache over %s: watch", (kind) => {
  const start = benches(kind);

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
    await until(() => events.length === 3 && events.ended);
    expect(events[0]?.object.metadata.annotations).toEqual({ "k8s.io/initial-events-end": "true" });
    expect(events.map(({ type, object }) => [type, object.metadata.resourceVersion])).toEqual([
      ["BOOKMARK", "0"],
      ["BOOKMARK", "1"],
      ["BOOKMARK", "1"],
    ]);
  });

  test("from a resourceVersion that is not there yet brings what comes after it", async () => {
    const { pods } = await start();
    const events = record(await watching(pods, { resourceVersion: "2" }));
    for (const name of ["a", "b", "c"]) await create(pods, name);
    await until(() => events.length === 1);
    expect(events[0]?.object.metadata.name).toBe("c");
  });

  test("asked for a state that is not there yet says so after 3 s, as an event", async () => {
    const { pods, clock } = await start();
    await create(pods, "a");
    const asked = watching(pods, {
      resourceVersion: "9",
      sendInitialEvents: true,
      resourceVersionMatch: "NotOlderThan",
    });
    await clock.advance(3_100);
    const [event, ...more] = await all(await asked);
    expect(more).toEqual([]);
    expect(event).toMatchObject({
      type: "ERROR",
      object: {
        reason: "Timeout",
        code: 504,
        message: expect.stringMatching(/^Timeout: Too large resource version: 9, current: [12]$/),
        details: {
          retryAfterSeconds: 1,
          causes: [{ reason: "ResourceVersionTooLarge", message: "Too large resource version" }],
        },
      },
    });
  });

  test("that is not read is cut off with nothing kept", async () => {
    const { pods } = await start();
    const iterator = (await watching(pods, { resourceVersion: "0" }))[Symbol.asyncIterator]();
    await create(pods, "first");
    await iterator.next();
    await Promise.all(Array.from({ length: 10_050 }, (_, n) => create(pods, `p${n}`)));
    await pods.get({ namespace: "default", name: "first" });
    expect(await iterator.next()).toEqual({ done: true, value: undefined });
  }, 60_000);

  test("ends with its signal, also when it was never read", async () => {
    const { pods } = await start();
    const stop = new AbortController();
    const iterable = await pods.watch({ selection: {}, signal: stop.signal });
    stop.abort();
    expect(await all(iterable)).toEqual([]);
  });
});
