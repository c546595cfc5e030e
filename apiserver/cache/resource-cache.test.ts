/** Writes and gets of a resource, over the stores of one machine. */
import { describe, expect, test } from "vitest";
import { integerOf } from "../../machinery/objects/json.ts";
import { systemClock } from "../../machinery/process/clock.ts";
import { silent } from "../../machinery/process/logging.ts";
import { benches, cause, committed, create, pod, podsRow, remove, replace, storeKinds } from "./fixture.ts";
import { createWatchCache } from "./watch-cache.ts";

describe.each(storeKinds)("watch cache over %s: write", (kind) => {
  const start = benches(kind);

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

  test("keeps integers beyond 2^53, also for those who did not write them", async () => {
    const { pods, store } = await start();
    const object = { ...pod("a"), spec: { big: integerOf(9007199254740993n) } };
    const made = committed(
      await pods.write({ type: "put", namespace: "default", name: "a", object, expected: 0, cause }),
    );
    expect(Buffer.from(made.json()).toString()).toContain('"big":9007199254740993');
    const other = createWatchCache({ store, clock: systemClock, log: silent });
    const seen = await other.resource(podsRow).get({ namespace: "default", name: "a" });
    expect(JSON.stringify(seen?.object)).toContain('"big":9007199254740993');
    await other.close();
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

describe.each(storeKinds)("watch cache over %s: get", (kind) => {
  const start = benches(kind);

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
    await expect(pods.get({ namespace: "default", name: "a" }, "x")).rejects.toMatchObject({ code: 400 });
  });
});
