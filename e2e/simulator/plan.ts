/**
 * Plan: everything that a seed decides beforehand: how large the cluster is, what users do, what goes wrong.
 *
 * A plan is data. Leaving parts of it out gives a smaller plan that replays as well: see shrink.ts.
 * What users do is in workload/, what may go wrong in faults.ts.
 */
import { type Fault, faultsOf } from "./faults.ts";
import { random } from "./random.ts";
import type { Shape } from "./shape.ts";
import type { Step } from "./workload/steps.ts";
import { stepsOf } from "./workload/workload.ts";

export interface Plan {
  readonly seed: number;
  readonly shape: Shape;
  readonly steps: readonly Step[];
  readonly faults: readonly Fault[];
}

export function planOf(seed: number): Plan {
  const from = random(seed, "shape");
  const nodes = seed % 100 === 99 ? from.between(100, 200) : from.between(3, 8);
  const candidates = from.chance(0.15) ? 2 : 1;
  const quota = from.chance(0.3);
  const tight = from.chance(0.15);
  const priorities = random(seed, "priorities").chance(tight ? 0.6 : 0.05);
  const events = random(seed, "events").chance(0.2);
  const shape: Shape = { nodes, candidates, quota, tight, priorities, events };
  const steps = stepsOf(seed, shape);
  return { seed, shape, steps, faults: faultsOf(seed, shape, steps) };
}

export function describePlan({ seed, shape, steps, faults }: Plan): string {
  const lines = [
    `seed ${seed}: ${shape.nodes} nodes, ${shape.candidates} candidate(s)${shape.quota ? ", a quota" : ""}${shape.tight ? ", small nodes" : ""}${shape.priorities ? ", priorities" : ""}`,
    ...[...steps.map((step) => ["user", step] as const), ...faults.map((fault) => ["fault", fault] as const)]
      .sort(([, one], [, other]) => one.at - other.at)
      .map(
        ([who, { at, ...what }]) => `  ${(at / 1000).toFixed(3).padStart(8)} ${who.padEnd(5)} ${JSON.stringify(what)}`,
      ),
  ];
  return lines.join("\n");
}
