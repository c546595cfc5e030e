/** Freshness: a revision asked for is never older than the question. */
import { expect, test } from "vitest";
import { fakeClock } from "../../machinery/process/fake-clock.ts";
import { silent } from "../../machinery/process/logging.ts";
import type { Store } from "../store/contract.ts";
import { createMemoryStore } from "../store/memory.ts";
import { put } from "../store/store-steps.ts";
import { createFreshness } from "./freshness.ts";

test("revision asked for while another question is under way is asked anew, once for all who wait", async () => {
  const clock = fakeClock();
  const memory = createMemoryStore({ clock });
  let questions = 0;
  const slow: Store = {
    ...memory,
    async revision() {
      questions++;
      const answer = await memory.revision();
      await clock.sleep(100);
      return answer;
    },
  };
  const freshness = createFreshness({ store: slow, clock, log: silent });
  const before = freshness.quorum();
  const revision = await put(memory, "/a", "1");
  const after = [freshness.quorum(), freshness.quorum(), freshness.quorum()];
  await clock.advance(200);
  expect(await before).toBe(0);
  expect(await Promise.all(after)).toEqual([revision, revision, revision]);
  expect(questions).toBe(2);
});

test("cache that lags is pushed after half a second and given up after three", async () => {
  const clock = fakeClock();
  const store = createMemoryStore({ clock });
  const freshness = createFreshness({ store, clock, log: silent });
  let reached: boolean | undefined;
  void freshness.reached(5).then((answer) => {
    reached = answer;
  });
  await clock.advance(499);
  expect(await store.get("/k8ts/progress")).toBeUndefined();
  await clock.advance(1);
  expect(await store.get("/k8ts/progress")).toBeDefined();
  await clock.advance(2_500);
  expect(reached).toBe(false);
  expect(clock.pending()).toBe(0);
});
