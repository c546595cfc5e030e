/** Checker: the honest store passes, and every fault that etcd once had is found in a store made wrong on purpose. */
import { describe, expect, test } from "vitest";
import { systemClock as clock } from "../../../machinery/process/clock.ts";
import type { Store } from "../contract.ts";
import { createMemoryStore } from "../memory.ts";
import { checkHistory } from "./check.ts";
import { faults } from "./faults.ts";
import { createJournal } from "./journal.ts";
import { runTraffic } from "./traffic.ts";

async function findings(wrong: (store: Store) => Store, seed: number, settleMs = 300): Promise<readonly string[]> {
  const journal = createJournal();
  const store = createMemoryStore({ clock });
  await runTraffic({ store: wrong(store), journal, clock, seed, calls: 1_500, settleMs });
  await store.close();
  return checkHistory(journal);
}

describe("the checker", () => {
  test.each([1, 2, 3])("finds nothing in the memory store (seed %i)", async (seed) => {
    expect(await findings((store) => store, seed)).toEqual([]);
  });

  test("finds nothing in a store whose watches are slow to begin", async () => {
    const slow = (store: Store): Store => ({
      ...store,
      async *watch(request) {
        await clock.sleep(400, request.signal).catch(() => undefined); // aborted: the watch ends at once
        yield* store.watch(request);
      },
    });
    const seeds = Array.from({ length: 12 }, (_, seed) => seed);
    const found = await Promise.all(seeds.map((seed) => findings(slow, seed, 10_000)));
    expect(found.flat()).toEqual([]);
  });

  test.each(faults.map(({ name, wrong, tells }) => [name, wrong, tells] as const))(
    "finds: %s",
    async (_, wrong, tells) => {
      const found = await findings(wrong, 7);
      expect(found.join("\n")).toMatch(tells);
    },
  );
});
