/**
 * Seeds: what holds of a run of seeds. Two files of tests share them, so that two processors do.
 */
import { beforeAll, describe, expect, it } from "vitest";
import { describePlan, planOf } from "./plan.ts";
import { type Prepared, prepare } from "./server.ts";
import { simulate } from "./world.ts";

const TOGETHER = 20;

export function seedsHold(first: number, count: number): void {
  let prepared: Prepared;
  beforeAll(async () => {
    prepared = await prepare();
  });
  const starts = Array.from({ length: count / TOGETHER }, (_, batch) => first + batch * TOGETHER);
  describe("clusters under faults", () => {
    it.each(starts)(
      `keep their promises and come to rest, seed %i and the ${TOGETHER - 1} after it`,
      async (from) => {
        for (let seed = from; seed < from + TOGETHER; seed++) {
          const { violation } = await simulate(planOf(seed), prepared);
          if (violation !== undefined) expect.fail(`seed ${seed}: ${violation}\n${describePlan(planOf(seed))}`);
        }
      },
      300_000,
    );
  });
}
