/**
 * Histories: the long form of the checker of histories: many calls on each durable store while it is killed and
 * cut off again and again, under a new seed each time. A fault that it finds fails the measurement with its seed.
 */
import { join } from "node:path";
import { checkHistory } from "../../apiserver/store/checker/check.ts";
import {
  type Disturbances,
  type Disturbed,
  disturbedEtcd,
  disturbedLmdb,
} from "../../apiserver/store/checker/disturbed.ts";
import { createJournal } from "../../apiserver/store/checker/journal.ts";
import { systemClock as clock } from "../../machinery/process/clock.ts";
import { availableStores } from "./api-subjects.ts";
import type { Measurement, MeasurementContext } from "./bench.ts";
import type { Row } from "./report.ts";

/** Faults that a message names. */
const NAMED = 5;

export const histories: Measurement = {
  name: "history",
  summary: "histories of killed stores, checked",
  async run(context) {
    const { quick, directory, stores, say } = context;
    const rows: Row[] = [];
    for (const kind of availableStores(stores)) {
      if (kind === "memory") continue;
      const rounds = quick ? 1 : 5;
      for (let round = 0; round < rounds; round++) {
        const seed = Math.floor(clock.random() * 1_000_000);
        say(`${kind}, seed ${seed}`);
        const disturb = (options: Disturbed): Promise<Disturbances> =>
          kind === "etcd"
            ? disturbedEtcd(options)
            : disturbedLmdb({ ...options, directory: join(directory, `history-${seed}`) });
        rows.push(await checked(kind, seed, quick ? 5_000 : 30_000, disturb, context));
      }
    }
    return [{ title: "histories of stores that are killed and cut off: linearizable, watches whole", rows }];
  },
};

async function checked(
  kind: string,
  seed: number,
  calls: number,
  disturb: (options: Disturbed) => Promise<Disturbances>,
  { signal }: MeasurementContext,
): Promise<Row> {
  signal.throwIfAborted();
  const journal = createJournal();
  const { kills, cuts } = await disturb({ journal, clock, seed, calls });
  const begin = clock.monotonic();
  const problems = checkHistory(journal);
  if (problems.length > 0)
    throw new Error(`${kind} with seed ${seed}: ${problems.slice(0, NAMED).join("; ")} (${problems.length} in all)`);
  const events = journal.sessions.reduce(
    (sum, { batches }) => sum + batches.reduce((count, { batch }) => count + batch.events.length, 0),
    0,
  );
  return {
    what: `${kind}, seed ${seed}: faults`,
    value: problems.length,
    unit: "",
    note: `${journal.calls.length} calls, ${journal.sessions.length} watches with ${events} events, ${kills} kills, ${cuts} cuts; checked in ${(clock.monotonic() - begin).toFixed(0)} ms`,
  };
}
