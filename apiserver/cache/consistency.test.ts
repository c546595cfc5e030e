/** Consistency: a cache made wrong on purpose is found, said and mended; a right one costs next to nothing. */
import { describe, expect, test } from "vitest";
import { fakeClock } from "../../machinery/process/fake-clock.ts";
import { limits } from "../../machinery/process/limits.ts";
import type { Logger } from "../../machinery/process/logging.ts";
import { silent } from "../../machinery/process/logging.ts";
import type { Store, StoreEvent } from "../store/contract.ts";
import { createMemoryStore } from "../store/memory.ts";
import { benches, committed, create, names, podsRow, record, replace, until, watching } from "./fixture.ts";

/** A store whose watch brings other events than those that happened, and that counts what is asked of it. */
function lying(clock: ReturnType<typeof fakeClock>, tell: (event: StoreEvent) => readonly StoreEvent[]) {
  const memory = createMemoryStore({ clock });
  const asked = { lists: 0 };
  const store: Store = {
    ...memory,
    list(request) {
      asked.lists++;
      return memory.list(request);
    },
    async *watch(request) {
      for await (const { revision, events } of memory.watch(request)) yield { revision, events: events.flatMap(tell) };
    },
  };
  return { store, asked };
}

function listening(): { log: Logger; said: unknown[][] } {
  const said: unknown[][] = [];
  return { said, log: { ...silent, error: (...args: unknown[]) => void said.push(args) } as Logger };
}

const due = limits.consistencyCheckMs * 1.2;

describe("watch cache: consistency", () => {
  const start = benches("memory");

  test.each([
    ["lost an event", (event: StoreEvent) => (event.key.endsWith("/b") ? [] : [event]), { missing: 1 }],
    [
      "missed an update",
      (event: StoreEvent) =>
        event.key.endsWith("/a") && event.entry?.createRevision !== event.revision ? [] : [event],
      { outdated: 1 },
    ],
    [
      "has what there is not",
      (event: StoreEvent) =>
        event.key.endsWith("/b") && event.entry
          ? [event, { ...event, key: `${event.key}x`, entry: { ...event.entry, key: `${event.key}x` } }]
          : [event],
      { surplus: 1 },
    ],
  ])("a cache that %s says so, and is loaded anew", async (_, tell, difference) => {
    const clock = fakeClock();
    const { store } = lying(clock, tell);
    const { log, said } = listening();
    const { pods, cache } = await start({ store, clock, log });
    const events = record(await watching(pods, {}));
    const first = committed(await create(pods, "a"));
    await replace(pods, first, { nodeName: "n1" });
    await create(pods, "b");
    await clock.advance(due);
    await until(() => said.length > 0);
    expect(said[0]).toEqual([
      "the watch cache differs from the store",
      expect.objectContaining({ resource: podsRow.prefix, missing: 0, surplus: 0, outdated: 0, ...difference }),
    ]);
    await until(() => cache.trouble() === undefined && events.ended === true, clock);
    expect(cache.consistency.get(podsRow.prefix)).toMatchObject({ failure: 1 });
    expect(await names(pods, { selection: {} })).toEqual(["a", "b"]);
    expect((await pods.get({ namespace: "default", name: "a" }))?.resourceVersion).toBe("2");
  });

  test("a cache that is right is compared as it changes, and left alone while it does not", async () => {
    const clock = fakeClock();
    const { store, asked } = lying(clock, (event) => [event]);
    const { log, said } = listening();
    const { pods, cache } = await start({ store, clock, log });
    await create(pods, "a");
    const before = asked.lists;
    await clock.advance(due);
    await until(() => cache.consistency.get(podsRow.prefix)?.success === 1);
    const once = asked.lists;
    expect(once).toBeGreaterThan(before);
    for (let time = 0; time < 5; time++) await clock.advance(due);
    expect(asked.lists).toBe(once);
    await create(pods, "b");
    await clock.advance(due);
    await until(() => cache.consistency.get(podsRow.prefix)?.success === 2);
    expect(said).toEqual([]);
  });
});
