/** A server that stops: not ready first, then it lets requests finish and ends watches, then it is gone. */
import { expect, test } from "vitest";
import { startPipeline } from "../e2e/harness/pipeline.ts";
import { systemClock } from "../machinery/process/clock.ts";
import type { Store } from "./store/contract.ts";
import { createMemoryStore } from "./store/memory.ts";

const maps = "/api/v1/namespaces/default/configmaps";

/** A store whose commits wait while it is told to. */
function heldStore(): { store: Store; hold(): void; release(): void } {
  const store = createMemoryStore({ clock: systemClock });
  let held = Promise.withResolvers<void>();
  held.resolve();
  return {
    store: {
      ...store,
      commit: async (...args) => {
        await held.promise;
        return store.commit(...args);
      },
    },
    hold() {
      held = Promise.withResolvers();
    },
    release: () => held.resolve(),
  };
}

test("it says that it is not ready while it still serves", async () => {
  const pipeline = await startPipeline();
  pipeline.apiserver.leave();
  const { status, value } = await pipeline.send({ path: "/readyz" });
  expect(status).toBe(500);
  expect(value).toContain("[-]shutdown failed: reason withheld\n");
  expect((await pipeline.send({ path: "/livez" })).status).toBe(200);
  expect((await pipeline.send({ method: "POST", path: maps, body: { metadata: { name: "one" } } })).status).toBe(201);
  await pipeline.close();
});

test("it lets the write that it is in finish, and takes no other", async () => {
  const { store, hold, release } = heldStore();
  const pipeline = await startPipeline({ store });
  hold();
  const writing = pipeline.send({ method: "POST", path: maps, body: { metadata: { name: "last" } } });
  await systemClock.sleep(20);
  const closing = pipeline.apiserver.close();
  expect((await pipeline.send({ path: maps })).status).toBe(503);
  release();
  expect((await writing).status).toBe(201);
  await closing;
  expect(await store.get("/registry/core/configmaps/default/last")).toBeDefined();
});

test("watches end as if their time were over, so that clients go on from the last version they saw", async () => {
  const pipeline = await startPipeline();
  await pipeline.send({ method: "POST", path: maps, body: { metadata: { name: "one" } } });
  const { body } = await pipeline.send({ path: `${maps}?watch=true` });
  const types: string[] = [];
  const reading = (async () => {
    for await (const batch of body.kind === "watch" ? body.batches : [])
      types.push(...batch.map((item) => item.event().type));
  })();
  await expect.poll(() => types).toEqual(["ADDED"]);
  await pipeline.close();
  await reading;
  expect(types).toEqual(["ADDED"]);
});
