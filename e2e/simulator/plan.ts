/**
 * Plan: everything that a seed decides beforehand: how large the cluster is, what users do, what goes wrong.
 *
 * A plan is data. Leaving parts of it out gives a smaller plan that replays as well: see shrink.ts.
 * What users do is in workload.ts, what may go wrong in faults.ts.
 */
import { type Fault, faultsOf } from "./faults.ts";
import { random } from "./random.ts";
import { type Step, stepsOf } from "./workload.ts";

export interface Shape {
  readonly nodes: number;
  /** Processes of each kind that stand by for leadership; 1 works without a lease. */
  readonly candidates: number;
  readonly quota: boolean;
  /** Nodes are so small that Pods may have to wait for room. */
  readonly tight: boolean;
}

export interface Plan {
  readonly seed: number;
  readonly shape: Shape;
  readonly steps: readonly Step[];
  readonly faults: readonly Fault[];
}

/** Users act and things go wrong until then; afterwards everything has to come to rest. */
export const STORM_MS = 90_000;

export function planOf(seed: number): Plan {
  const from = random(seed, "shape");
  const nodes = seed % 100 === 99 ? from.between(100, 200) : from.between(3, 8);
  const candidates = from.chance(0.3) ? 2 : 1;
  const shape: Shape = { nodes, candidates, quota: from.chance(0.3), tight: from.chance(0.15) };
  const steps = stepsOf(seed, shape);
  return { seed, shape, steps, faults: faultsOf(seed, shape, steps) };
}

export function describePlan({ seed, shape, steps, faults }: Plan): string {
  const lines = [
    `seed ${seed}: ${shape.nodes} nodes, ${shape.candidates} candidate(s)${shape.quota ? ", a quota" : ""}${shape.tight ? ", small nodes" : ""}`,
    ...[...steps.map((step) => ["user", step] as const), ...faults.map((fault) => ["fault", fault] as const)]
      .sort(([, one], [, other]) => one.at - other.at)
      .map(
        ([who, { at, ...what }]) => `  ${(at / 1000).toFixed(3).padStart(8)} ${who.padEnd(5)} ${JSON.stringify(what)}`,
      ),
  ];
  return lines.join("\n");
}
