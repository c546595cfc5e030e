/** Lists: pages, selections and what resourceVersion means. */

import { describe, expect, test } from "vitest";
import { ApiError } from "../../machinery/objects/status.ts";
import type { CachedObject, ResourceCache } from "./contract.ts";
import { benches, committed, create, joined, names, remove, replace, storeKinds } from "./fixture.ts";

describe.each(storeKinds)("watch cache over %s: list", (kind) => {
  const start = benches(kind);

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

  test("in slices that are handed back says the same", async () => {
    const { pods } = await start();
    for (let n = 0; n < 200; n++) await create(pods, `p${n}`, { note: `${n} `.repeat(50 + 3 * n) });
    const page = await pods.list({ selection: {} });
    const iterator = page.encoded()[Symbol.iterator]();
    const copies: Buffer[] = [];
    for (let next = iterator.next(); !next.done; next = iterator.next(true)) copies.push(Buffer.from(next.value));
    expect(Buffer.concat(copies).toString()).toBe(joined(page.encoded()));
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

  test("of a node has what came to it, and not what left it", async () => {
    const { pods } = await start();
    const on = (nodeName: string, namespace?: string) => names(pods, { selection: { nodeName, namespace } });
    expect(await on("n1")).toEqual([]);
    const b = committed(await create(pods, "b", { nodeName: "n1" }));
    const waiting = committed(await create(pods, "a"));
    await create(pods, "c", { nodeName: "n1", namespace: "other" });
    expect(await on("n1")).toEqual(["b", "c"]);
    await replace(pods, waiting, { nodeName: "n1" });
    const moved = committed(await replace(pods, b, { nodeName: "n2" }));
    expect([await on("n1"), await on("n1", "other"), await on("n2")]).toEqual([["a", "c"], ["c"], ["b"]]);
    await remove(pods, moved);
    expect(await on("n2")).toEqual([]);
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
    const expired = await pods
      .list({ selection: {}, limit: 1, continue: page.continue })
      .catch((error: unknown) => error as ApiError);
    if (!(expired instanceof ApiError)) throw new Error("a 410 was expected");
    expect(expired.toStatus()).toMatchObject({ code: 410, reason: "Expired" });
    expect(expired.message).toMatch(/^The provided continue parameter is too old .* use the continue token in this/);

    // from where the first page ended, in what there is now
    const token = String(expired.toStatus().metadata["continue"]);
    expect(await names(pods, { selection: {}, limit: 1, continue: token })).toEqual(["b"]);
    const rest = await pods.list({ selection: {}, limit: 1, continue: token });
    expect(await names(pods, { selection: {}, continue: rest.continue })).toEqual(["c"]);
  });

  test.each([
    [{ resourceVersionMatch: "Exact" }, 422, "resourceVersionMatch is forbidden unless resourceVersion is provided"],
    [{ resourceVersion: "0", resourceVersionMatch: "Exact" }, 422, 'is forbidden for resourceVersion "0"'],
    [{ resourceVersion: "1", resourceVersionMatch: "Newest" }, 422, 'supported values: "Exact", "NotOlderThan", ""'],
    [{ continue: "!!!" }, 400, "continue key is not valid"],
    [{ continue: "e30" }, 400, "continue key is not valid"],
    [{ resourceVersion: "-1" }, 400, "invalid resource version"],
  ])("with options that make no sense is refused: %j", async (query, code, message) => {
    const { pods } = await start();
    await expect(pods.list({ selection: {}, ...query })).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message),
    });
  });
});
