/** Simulated clusters: 200 seeds hold, replay byte by byte, and fail no more than their few faults ask for. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, it, test } from "vitest";
import { mutants } from "./mutants.ts";
import { mutated } from "./mutate.ts";
import { describePlan, type Plan, planOf } from "./plan.ts";
import { type Prepared, prepare } from "./server.ts";
import { shrink } from "./shrink.ts";
import { simulate } from "./world.ts";

const root = join(import.meta.dirname, "../..");
let prepared: Prepared;
beforeAll(async () => {
  prepared = await prepare();
});

describe("clusters under faults", () => {
  it.each([1, 21, 41, 61, 81, 101, 121, 141, 161, 181])(
    "keep their promises and come to rest, seeds %i and the 19 after it",
    async (first) => {
      for (let seed = first; seed < first + 20; seed++) {
        const { violation } = await simulate(planOf(seed), prepared);
        if (violation !== undefined) expect.fail(`${violation}\n${describePlan(planOf(seed))}`);
      }
    },
    300_000,
  );
});

test("a seed replays byte by byte, whatever ran before it in the process", async () => {
  const plan = planOf(8);
  const first = await simulate(plan, prepared);
  await simulate(planOf(9), prepared);
  const second = await simulate(plan, prepared);
  expect(second.trace.join("\n")).toBe(first.trace.join("\n"));
  expect(first.trace.length).toBeGreaterThan(200);
}, 60_000);

test("a plan that fails is cut down to the parts without which it would not", async () => {
  const plan = planOf(11);
  const needed = plan.faults.slice(2, 4);
  const step = plan.steps[0];
  const breaks = async (smaller: Plan) =>
    needed.every((one) => smaller.faults.includes(one)) && smaller.steps.includes(step as Plan["steps"][number]);
  expect(needed).toHaveLength(2);
  const { plan: least } = await shrink(plan, breaks);
  expect(least.faults).toEqual(needed);
  expect(least.steps).toEqual([step]);
});

describe("controllers broken on purpose", () => {
  test("each is one change of a text that is there", () => {
    for (const mutant of mutants)
      expect(mutated(readFileSync(join(root, mutant.file), "utf8"), mutant)).not.toContain(mutant.find);
    expect(mutants.length).toBeGreaterThanOrEqual(10);
  });

  test("are found, every one of them", async () => {
    const command = join(root, "node_modules/.bin/node");
    const { stdout } = await promisify(execFile)(command, [join(root, "main.ts"), "simulate", "--mutants"]);
    expect(stdout).not.toContain("NOT FOUND");
    expect(stdout).toContain(`${mutants.length} mutants, each found`);
  }, 300_000);
});
