/** Checker: the honest store passes, and every fault that etcd once had is found in a store made wrong on purpose. */
import { describe, expect, test } from "vitest";
import { systemClock as clock } from "../../../machinery/process/clock.ts";
import type { Store } from "../contract.ts";
import { createMemoryStore } from "../memory.ts";
import { checkHistory } from "./check.ts";
import { faults } from "./faults.ts";
import { createJournal } from "./journal.ts";
import { runTraffic } from "./traffic.ts";

async function findings(wrong: (store: Store) => Store, seed: number): Promise<readonly string[]> {
  const journal = createJournal();
  const store = createMemoryStore({ clock });
  await runTraffic({ store: wrong(store), journal, clock, seed, calls: 1_500, settleMs: 300 });
  await store.close();
  return checkHistory(journal);
}

describe("the checker", () => {
  test.each([1, 2, 3])("finds nothing in the memory store (seed %i)", async (seed) => {
    expect(await findings((store) => store, seed)).toEqual([]);
  });

  test.each(faults.map(({ name, wrong, tells }) => [name, wrong, tells] as const))(
    "finds: %s",
    async (_, wrong, tells) => {
      const found = await findings(wrong, 7);
      expect(found.join("\n")).toMatch(tells);
    },
  );
});
