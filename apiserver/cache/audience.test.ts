/** Watchers of the same: what they share, when they are told, and who is left behind. */
import { describe, expect, test } from "vitest";
import type { WatchItem } from "../../machinery/client/transport/contract.ts";
import { limits } from "../../machinery/process/limits.ts";
import type { ResourceCache, Selection } from "./contract.ts";
import { benches, cause, committed, create, pod, replace, until, watching } from "./fixture.ts";

type Batch = readonly WatchItem[];

async function readers(pods: ResourceCache, count: number, selection: Selection = {}): Promise<Batch[][]> {
  return Promise.all(
    Array.from({ length: count }, async () => {
      const batches: Batch[] = [];
      const watch = await watching(pods, { resourceVersion: "0", selection });
      void (async () => {
        for await (const batch of watch) batches.push(batch);
      })();
      return batches;
    }),
  );
}

const namesIn = (batches: readonly Batch[]) => batches.flat().map((item) => item.event().object.metadata.name);

describe("an audience", () => {
  const start = benches("memory");

  test("of few is told of everything at once", async () => {
    const { pods } = await start();
    const all = await readers(pods, 3);
    await create(pods, "a");
    await create(pods, "b");
    await until(() => all.every((batches) => namesIn(batches).length === 2));
    expect(namesIn(all[0] as Batch[])).toEqual(["a", "b"]);
  });

  test("of many is told of the first event at once, then of several at a time, all by the same batches", async () => {
    const { pods, clock } = await start();
    const all = await readers(pods, 400);
    await create(pods, "first");
    await until(() => all.every((batches) => batches.length === 1));
    const names = Array.from({ length: 20 }, (_, n) => `p${n}`);
    for (const name of names) await create(pods, name);
    expect(all.every((batches) => batches.length === 1)).toBe(true);
    await clock.advance(20);
    await until(() => all.every((batches) => batches.length === 2));
    for (const [, later] of all) expect(later).toBe(all[0]?.[1]);
    expect(namesIn(all[7] as Batch[])).toEqual(["first", ...names]);
  });

  test("of a selector is not mixed with that of another, and shares by the selector's key", async () => {
    const { pods } = await start();
    const labelled = (key: string | undefined, value: string): Selection => ({
      key,
      labels: (labels) => labels?.["of"] === value,
    });
    const [one, other, same, keyless] = await Promise.all(
      [labelled("a", "a"), labelled("b", "b"), labelled("a", "a"), labelled(undefined, "a")].map(
        async (selection) => (await readers(pods, 1, selection))[0] as Batch[],
      ),
    );
    for (const of of ["a", "b"]) {
      const object = { ...pod(of), metadata: { ...pod(of).metadata, labels: { of } } };
      await pods.write({ type: "put", namespace: "default", name: of, object, expected: 0, cause });
    }
    await until(() => [one, other, same, keyless].every((batches) => batches?.length === 1));
    expect([one, other, same, keyless].map((batches) => namesIn(batches as Batch[]))).toEqual([
      ["a"],
      ["b"],
      ["a"],
      ["a"],
    ]);
    expect(same?.[0]).toBe(one?.[0]);
    expect(keyless?.[0]).not.toBe(one?.[0]);
  });

  test("loses who does not read, and nobody else", async () => {
    const { pods } = await start();
    const stuck = (await watching(pods, { resourceVersion: "0" }))[Symbol.asyncIterator]();
    const [reader] = (await readers(pods, 1)) as [Batch[]];
    let last = committed(await create(pods, "a"));
    const note = "x".repeat(100_000);
    const updates = Math.ceil(limits.watchQueueBytes / note.length) + 5;
    for (let n = 0; n < updates; n++) last = committed(await replace(pods, last, { note: `${n}${note}` }));
    await until(() => namesIn(reader).length === updates + 1);
    expect(await stuck.next()).toEqual({ done: true, value: undefined });
  });

  test("hears before a bookmark all that the bookmark covers", async () => {
    const { pods, clock } = await start();
    const all = await readers(pods, 400);
    const watch = await watching(pods, { resourceVersion: "0", allowBookmarks: true, timeoutMs: 5_000 });
    const seen: string[] = [];
    void (async () => {
      for await (const batch of watch)
        seen.push(...batch.map((item) => `${item.event().type} ${item.event().object.metadata.resourceVersion}`));
    })();
    await create(pods, "a");
    await until(() => all.every((batches) => batches.length === 1));
    await clock.advance(4_995);
    await create(pods, "b");
    await until(() => all.every((batches) => batches.length === 2));
    for (const name of ["c", "d"]) await create(pods, name);
    await clock.advance(5); // before the others hear of them
    await until(() => seen.length >= 6);
    expect(all.every((batches) => batches.length === 2)).toBe(true);
    expect(seen).toEqual(["BOOKMARK 0", "ADDED 1", "ADDED 2", "ADDED 3", "ADDED 4", "BOOKMARK 4"]);
  });
});
