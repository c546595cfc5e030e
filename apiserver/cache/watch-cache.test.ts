/** Watch cache: stores that fail, lag or forget, and what is loaded at the start. */
import { describe, expect, test } from "vitest";
import { ApiError } from "../../machinery/objects/status.ts";
import { fakeClock } from "../../machinery/process/fake-clock.ts";
import { silent } from "../../machinery/process/logging.ts";
import { type Store, StoreError } from "../store/contract.ts";
import { createMemoryStore } from "../store/memory.ts";
import {
  all,
  benches,
  breakable,
  committed,
  create,
  names,
  podsRow,
  record,
  stall,
  until,
  watching,
} from "./fixture.ts";
import { offsetKey } from "./keys.ts";
import { createWatchCache } from "./watch-cache.ts";

describe("watch cache: store", () => {
  const start = benches("memory");

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
    expect(cache.trouble()).toContain("connection refused");
    down = false;
    await until(() => cache.trouble() === undefined);
  });

  test("with an offset gives larger resourceVersions, and understands them", async () => {
    const { pods } = await start({}, (store) =>
      store.commit([], [{ type: "put", key: offsetKey, value: Buffer.from("1000") }]),
    );
    const made = committed(await create(pods, "a"));
    expect(made.resourceVersion).toBe("1002");
    await create(pods, "b");
    expect(await names(pods, { selection: {}, resourceVersion: "1002", resourceVersionMatch: "Exact" })).toEqual(["a"]);
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
