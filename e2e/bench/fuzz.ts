/**
 * Fuzz: the long form of hostile requests to every endpoint, under a new seed each time.
 *
 * A failure is a row with its seed and the shrunken request: the same seed runs the batch again.
 */
import { loadSchema } from "../../apiserver/schema/load.ts";
import { systemClock as clock } from "../../machinery/process/clock.ts";
import { emptyTally, runBatch } from "../fuzz/campaign.ts";
import type { Measurement } from "./bench.ts";
import { atMost, type Row } from "./report.ts";

const REQUESTS = 200_000;
const QUICK_REQUESTS = 10_000;
const BATCH = 2_000;
/** One batch of so many goes over https. */
const HTTPS_EVERY = 10;

export const fuzz: Measurement = {
  name: "fuzz",
  summary: "hostile requests to every endpoint",
  async run({ quick, say, signal }) {
    const schema = await loadSchema();
    const tally = emptyTally();
    const first = Math.floor(clock.random() * 1_000_000_000);
    const batches = (quick ? QUICK_REQUESTS : REQUESTS) / BATCH;
    const begin = clock.monotonic();
    for (let batch = 0; batch < batches; batch++) {
      signal.throwIfAborted();
      const seed = first + batch;
      say(`seed ${seed}, ${tally.requests} requests, ${tally.failures.length} failures`);
      const told = tally.failures.length;
      await runBatch({ schema, seed, requests: BATCH, overHttps: batch % HTTPS_EVERY === 0 }, tally);
      // said at once: what comes later may end the run
      for (const { problem, request } of tally.failures.slice(told)) say(`failure: ${problem} ► ${request}`);
    }
    const seconds = (clock.monotonic() - begin) / 1000;
    const statuses = [...tally.statuses].sort(([a], [b]) => a - b).map(([status, times]) => `${status}: ${times}`);
    const rows: Row[] = [
      {
        what: "requests",
        value: tally.requests,
        unit: "",
        note: `${tally.overHttps} over https; ${statuses.join(", ")}`,
      },
      { what: "requests a second, with all that is looked at", value: tally.requests / seconds, unit: "/s" },
      { what: "objects taken and held to what must hold", value: tally.kept, unit: "" },
      { what: "slowest answer", value: tally.slowestMs, unit: "ms", note: tally.slowest },
      { what: "failures", value: tally.failures.length, unit: "", aim: atMost(0), note: `seeds from ${first}` },
    ];
    for (const { seed, problem, request } of tally.failures)
      rows.push({ what: `failure with seed ${seed}`, value: 1, unit: "", note: `${problem} ► ${request}` });
    return [{ title: "hostile requests to every endpoint", rows }];
  },
};
