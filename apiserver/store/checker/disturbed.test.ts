/** Histories of the durable stores, taken while their processes are killed and their connections are cut. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { systemClock as clock } from "../../../machinery/process/clock.ts";
import { hasEtcd } from "../etcd/etcd-server.ts";
import { checkHistory } from "./check.ts";
import { disturbedEtcd, disturbedLmdb } from "./disturbed.ts";
import { createJournal } from "./journal.ts";

describe("the history of a store that is disturbed all the time has no fault", () => {
  test("embedded, killed again and again", async () => {
    const directory = mkdtempSync(join(tmpdir(), "k8ts-history-"));
    const journal = createJournal();
    const { kills } = await disturbedLmdb({ journal, clock, seed: 11, calls: 4_000, directory });
    rmSync(directory, { recursive: true });
    expect(kills).toBeGreaterThan(2);
    expect(checkHistory(journal)).toEqual([]);
  }, 60_000);

  test.skipIf(!hasEtcd())(
    "etcd, killed and its connections cut",
    async () => {
      const journal = createJournal();
      const { kills, cuts } = await disturbedEtcd({ journal, clock, seed: 12, calls: 2_000 });
      expect(kills).toBeGreaterThan(0);
      expect(cuts).toBeGreaterThan(2);
      expect(checkHistory(journal)).toEqual([]);
    },
    180_000,
  );
});
