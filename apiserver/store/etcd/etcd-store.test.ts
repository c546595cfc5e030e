/** etcd store: the cases of all stores against a real etcd through a proxy, and what only a server can do. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Clock, systemClock } from "../../../machinery/process/clock.ts";
import { silent } from "../../../machinery/process/logging.ts";
import { storeCases } from "../store.cases.ts";
import { absent, eventually, put, range, read, write } from "../store-steps.ts";
import { type EtcdServer, hasEtcd, startEtcd, startProxy } from "./etcd-server.ts";
import { openEtcdStore } from "./etcd-store.ts";

const available = hasEtcd();

describe.skipIf(!available)("with a real etcd", () => {
  let server: EtcdServer | undefined;
  let number = 0;
  beforeAll(async () => {
    server = await startEtcd();
  });
  afterAll(() => server?.stop());
  const endpoint = () => (server as EtcdServer).endpoint;
  const freshPrefix = () => `/test-${number++}`;

  storeCases("etcd", async ({ clock, ...options }) => {
    const proxy = await startProxy(endpoint());
    const hybrid: Clock = { ...systemClock, now: () => clock.now() };
    const store = openEtcdStore({
      endpoints: [proxy.endpoint],
      prefix: freshPrefix(),
      clock: hybrid,
      log: silent,
      ...options,
    });
    return {
      store,
      cut: proxy.cut,
      async stop() {
        await store.close();
        await proxy.close();
      },
    };
  });

  test("etcd store whose server is killed fails with unavailable, then recovers, and its watch misses nothing", async () => {
    const own = await startEtcd();
    const store = openEtcdStore({ endpoints: [own.endpoint], clock: systemClock, log: silent });
    const base = await put(store, "/a", "1");
    const seen: number[] = [];
    const stop = new AbortController();
    const watching = (async () => {
      for await (const { events } of store.watch({ prefix: "/", after: base, signal: stop.signal })) {
        seen.push(...events.map(({ revision }) => revision));
      }
    })();
    await put(store, "/b", "1");
    await own.kill();
    await expect(store.get("/a")).rejects.toMatchObject({ code: "unavailable" });
    await expect(store.commit([absent("/c")], [write("/c", "1")])).rejects.toMatchObject({ code: "unavailable" });
    await own.start();
    await eventually(async () => expect(await read(store, "/b")).toBe("1"));
    await put(store, "/d", "1");
    await eventually(async () => expect(seen.length).toBe(2));
    expect(seen).toEqual([base + 1, base + 2]);
    stop.abort();
    await watching;
    await store.close();
    await own.stop();
  }, 60_000);

  test("etcd store refuses what etcd does not take, and nothing happens", async () => {
    const store = openEtcdStore({ endpoints: [endpoint()], prefix: freshPrefix(), clock: systemClock, log: silent });
    for (const size of [1_700_000, 3_000_000]) {
      const commit = store.commit([], [{ type: "put", key: "/big", value: new Uint8Array(size) }]);
      await expect(commit).rejects.toMatchObject({ code: "tooLarge" });
    }
    expect(await store.get("/big")).toBeUndefined();
    await store.close();
  });

  test("etcd store goes on when one of its endpoints is dead", async () => {
    const store = openEtcdStore({
      endpoints: ["http://127.0.0.1:1", endpoint()],
      prefix: freshPrefix(),
      clock: systemClock,
      log: silent,
    });
    for (const n of range(20)) {
      await put(store, `/k${n}`, "v");
      expect(await read(store, `/k${n}`)).toBe("v");
    }
    await store.close();
  });
});

test.skipIf(available)("etcd store is not tested: there is no etcd on this machine", () => {
  expect(available).toBe(false);
});
