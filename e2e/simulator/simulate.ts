/**
 * Simulate: the command that runs seeds, prints what fails with its smallest plan, and tries the mutants.
 *
 * A failing seed is printed with what it takes to see it again; it replays exactly.
 */
import { writeFileSync } from "node:fs";
import { defineComponent } from "../../machinery/process/component.ts";
import { mutants } from "./mutants.ts";
import { findMutant } from "./mutate.ts";
import { describePlan, planOf } from "./plan.ts";
import { type Prepared, prepare } from "./server.ts";
import { kindOf, shrink } from "./shrink.ts";
import { simulate, type Verdict } from "./world.ts";

export class SimulationFailed extends Error {
  override readonly name = "SimulationFailed";
}

export const simulateCommand = defineComponent({
  name: "simulate",
  command: true,
  summary: "Runs whole clusters in virtual time with faults that a seed chooses, and checks what must hold.",
  flags: {
    seeds: { type: "number", default: 200, value: "N", help: "how many seeds to run" },
    from: { type: "number", default: 1, value: "SEED", help: "the first seed" },
    trace: { type: "string", value: "FILE", help: "write the trace of the last seed here" },
    "no-shrink": { type: "boolean", help: "do not cut down what fails" },
    "keep-going": { type: "boolean", help: "do not end at the first seed that fails" },
    mutants: { type: "boolean", help: "break controllers on purpose instead, and see whether each is found" },
  },
  async run(flags, { signal }) {
    const prepared = await prepare();
    if (flags.mutants) return tryMutants(prepared, flags.seeds);
    const { from, seeds } = flags;
    let failed = 0;
    for (let seed = from; seed < from + seeds; seed++) {
      signal.throwIfAborted();
      const verdict = await simulate(planOf(seed), prepared);
      const { violation } = verdict;
      if (flags.trace && (violation || seed === from + seeds - 1))
        writeFileSync(flags.trace, `${verdict.trace.join("\n")}\n`);
      if ((seed - from + 1) % 100 === 0) say(`${seed - from + 1} seeds, ${failed} failed`);
      if (violation === undefined) continue;
      failed++;
      if (flags["no-shrink"]) say(`seed ${seed} fails: ${violation} (${verdict.promise})`);
      else await explain(seed, verdict, prepared);
      if (!flags["keep-going"]) break;
    }
    if (failed > 0) throw new SimulationFailed(`${failed} seed(s) failed`);
    say(`${seeds} seeds from ${from} on: all held`);
  },
});

const say = (text: string) => void process.stdout.write(`${text}\n`);

async function explain(seed: number, found: Verdict, prepared: Prepared): Promise<void> {
  say(`seed ${seed} fails: ${found.violation} (${found.promise})`);
  const { plan, runs } = await shrink(
    planOf(seed),
    async (smaller) => kindOf(await simulate(smaller, prepared)) === kindOf(found),
  );
  const verdict = await simulate(plan, prepared);
  say(`the fewest faults that break the same, found in ${runs} runs: ${verdict.violation}`);
  say(describePlan(plan));
  say(`see it again: npm run simulate -- --from ${seed} --seeds 1 --trace trace.txt`);
}

async function tryMutants(prepared: Prepared, mostSeeds: number): Promise<void> {
  const unseen: string[] = [];
  for (const mutant of mutants) {
    const found = await findMutant(mutant, prepared, mostSeeds);
    say(found ? `${mutant.name}: found by seed ${found.seed}: ${found.violation}` : `${mutant.name}: NOT FOUND`);
    if (!found) unseen.push(mutant.name);
  }
  if (unseen.length > 0) throw new SimulationFailed(`not found: ${unseen.join(", ")}`);
  say(`${mutants.length} mutants, each found`);
}
