/** A short soak, by another seed each day; `npm run soak` takes an hour. */
import { expect, test } from "vitest";
import { systemClock } from "../../machinery/process/clock.ts";
import { canRunContainers } from "../harness/cluster.ts";
import { soak } from "./soak.ts";

const SECONDS = Number(process.env["K8TS_SOAK_SECONDS"] ?? 300);

test.skipIf(!canRunContainers)(
  "after random faults everything is as asked and nothing leaked",
  { timeout: (SECONDS + 900) * 1000 },
  async () => {
    const seed = Math.floor(systemClock.now() / 86_400_000);
    expect(
      await soak({ seconds: SECONDS, seed, say: (line) => void process.stdout.write(`${line}\n`) }),
    ).toBeGreaterThan(0);
  },
);
