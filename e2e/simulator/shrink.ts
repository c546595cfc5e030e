/**
 * Shrink: the fewest faults and steps of a plan that still break something.
 *
 * Parts are left out in halves, then in ever smaller pieces, then one by one until none can be spared. What
 * remains replays as the whole plan did: nothing else of it moves when a part is left out. Only what breaks the
 * same promise in the same way counts: another fault that shows on the way is another one's to find.
 */
import type { Plan } from "./plan.ts";
import type { Verdict } from "./world.ts";

export interface Shrunk {
  readonly plan: Plan;
  /** Simulations that it took. */
  readonly runs: number;
}

/** What was broken, apart from the names and numbers of the case; undefined when nothing was. */
export function kindOf({ promise, violation }: Pick<Verdict, "promise" | "violation">): string | undefined {
  if (violation === undefined) return undefined;
  const words = (violation.split("\n")[0] ?? "").split(/\s+/).filter((word) => !/[\d/]/.test(word));
  return `${promise}: ${words.join(" ")}`;
}

/** `breaks` says whether a smaller plan still fails. */
export async function shrink(plan: Plan, breaks: (plan: Plan) => Promise<boolean>, mostRuns = 300): Promise<Shrunk> {
  let runs = 0;
  const tried = async (smaller: Plan) => {
    runs++;
    return breaks(smaller);
  };
  const spare = () => runs < mostRuns;
  const faults = await fewest(plan.faults, (kept) => tried({ ...plan, faults: kept }), spare);
  const steps = await fewest(plan.steps, (kept) => tried({ ...plan, faults, steps: kept }), spare);
  const again = await fewest(faults, (kept) => tried({ ...plan, faults: kept, steps }), spare);
  return { plan: { ...plan, faults: again, steps }, runs };
}

async function fewest<T>(
  all: readonly T[],
  breaks: (kept: readonly T[]) => Promise<boolean>,
  spare: () => boolean,
): Promise<readonly T[]> {
  let kept = all;
  let size = Math.max(1, Math.ceil(kept.length / 2));
  while (kept.length > 0 && spare()) {
    let found = false;
    for (let at = 0; at < kept.length && spare(); ) {
      const fewer = [...kept.slice(0, at), ...kept.slice(at + size)];
      if (await breaks(fewer)) {
        kept = fewer;
        found = true;
      } else at += size;
    }
    if (size === 1 && !found) break;
    size = Math.max(1, Math.floor(size / 2));
  }
  return kept;
}
