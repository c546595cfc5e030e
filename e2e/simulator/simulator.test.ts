/** The simulator itself: it replays, it cuts a failing plan down, and it finds what is broken on purpose. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, test } from "vitest";
import { mutants } from "./mutants.ts";
import { mutated } from "./mutate.ts";
import { type Plan, planOf } from "./plan.ts";
import { type Prepared, prepare } from "./server.ts";
import { shrink } from "./shrink.ts";
import { simulate } from "./world.ts";

const root = join(import.meta.dirname, "../..");
let prepared: Prepared;
beforeAll(async () => {
  prepared = await prepare();
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
  const plan = Array.from({ length: 50 }, (_, seed) => planOf(seed)).find(({ faults }) => faults.length >= 8) as Plan;
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
    for (const mutant of mutants) {
      const text = readFileSync(join(root, mutant.file), "utf8");
      expect(mutated(text, mutant)).not.toBe(text);
    }
    expect(mutants.length).toBeGreaterThanOrEqual(14);
  });

  test("are found, every one of them", async () => {
    const command = join(root, "node_modules/.bin/node");
    const { stdout } = await promisify(execFile)(command, [join(root, "main.ts"), "simulate", "--mutants"]);
    expect(stdout).not.toContain("NOT FOUND");
    expect(stdout).toContain(`${mutants.length} mutants, each found`);
  }, 1_800_000);
});
