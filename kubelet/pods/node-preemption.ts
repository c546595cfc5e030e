/**
 * Preemption on the node: which Pods make way for a critical one that was bound here and does not fit. Pure.
 *
 * As few as will do, and of the lowest class that will: Guaranteed Pods only when all others together are
 * not enough. Who ends them: allocations.ts.
 */
import type { Pod } from "../../machinery/objects/kinds.ts";
import { isCritical } from "../eviction/ranking.ts";
import type { Shortage, Taken } from "./node-admission.ts";
import { type QosClass, qosClass } from "./qos.ts";

export interface Resident {
  readonly pod: Pod;
  readonly taken: Taken;
}

/** Resource ► how much of it must become free. */
type Missing = ReadonlyMap<string, number>;

/** Undefined when even all that may go are not enough; with what is missing in Kubernetes' words. */
export function victims(
  critical: Pod,
  residents: readonly Resident[],
  short: readonly Shortage[],
): { readonly chosen: readonly Resident[] } | { readonly missing: string } {
  const missing: Missing = new Map(
    short.map(({ name, requested, used, capacity }) => [name, requested - (capacity - used)]),
  );
  const yielding = residents.filter(({ pod }) => yields(pod, critical));
  const left = without(missing, yielding);
  if (left.size > 0) {
    return { missing: `[${[...left].map(([name, amount]) => `(res: ${name}, q: ${amount}), `).join("")}]` };
  }
  const of = (wanted: QosClass) => yielding.filter(({ pod }) => qosClass(pod) === wanted);
  const [bestEffort, burstable] = [of("BestEffort"), of("Burstable")];
  const guaranteed = fewest(of("Guaranteed"), without(missing, [...bestEffort, ...burstable]));
  const middle = fewest(burstable, without(missing, [...bestEffort, ...guaranteed]));
  const least = fewest(bestEffort, without(missing, [...middle, ...guaranteed]));
  return { chosen: [...least, ...middle, ...guaranteed] };
}

function yields(pod: Pod, critical: Pod): boolean {
  return !isCritical(pod) || (critical.spec?.priority ?? 0) > (pod.spec?.priority ?? 0);
}

/** What is still missing once these are gone. */
function without(missing: Missing, gone: readonly Resident[]): Missing {
  const left = [...missing].map(
    ([name, amount]) =>
      [name, amount - gone.reduce((sum, { taken }) => sum + (taken.amounts.get(name) ?? 0), 0)] as const,
  );
  return new Map(left.filter(([, amount]) => amount > 0));
}

/** One after another the one that frees most of what is missing; of equals the smaller one. */
function fewest(from: readonly Resident[], missing: Missing): readonly Resident[] {
  const chosen: Resident[] = [];
  const rest = [...from];
  for (let left = missing; left.size > 0 && rest.length > 0; left = without(left, chosen.slice(-1))) {
    rest.sort((a, b) => distance(a, left) - distance(b, left) || bySize(a, b));
    chosen.push(rest.shift() as Resident);
  }
  return chosen;
}

/** How much would be missing without it, each resource by its own measure. */
function distance({ taken }: Resident, missing: Missing): number {
  return [...missing].reduce((sum, [name, amount]) => {
    const left = Math.max(0, amount - (taken.amounts.get(name) ?? 0));
    return sum + (left / amount) ** 2;
  }, 0);
}

function bySize(a: Resident, b: Resident): number {
  const amount = ({ taken }: Resident, name: string) => taken.amounts.get(name) ?? 0;
  return amount(a, "memory") - amount(b, "memory") || amount(a, "cpu") - amount(b, "cpu");
}
