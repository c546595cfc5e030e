/**
 * Budgets: evictions alone never bring the Pods of a PodDisruptionBudget below what it asks for.
 *
 * Once as many were ready as should be, and while nobody else takes any, an eviction leaves enough. What others took of
 * late may not be known yet: who reports how many may be evicted, still counts it.
 */
import type { Pod } from "../../../machinery/objects/kinds.ts";
import { desiredHealthy, expectedPods, hasPod } from "./budget-of.ts";
import type { Circumstances, Invariant } from "./invariants.ts";
import { createRecent, RECENT_MS, type Recent } from "./recent.ts";
import { counts, isReady } from "./well.ts";

interface Watched {
  readonly least: Recent;
  /** When whom others than evictions took. */
  readonly taken: Map<string, number>;
  whole: boolean;
}

/**
 * As in Kubernetes, what was evicted is awaited for so long, from the server's time on and by the controller's clock,
 * while its view shows no deletion. With a clock too far ahead, all that is evicted seems to stay.
 */
const AWAITED_MS = 120_000;

const isWell = (pod: Pod | undefined): boolean => pod !== undefined && counts(pod) && isReady(pod);

export function budgets({ aheadMs }: Circumstances): Invariant {
  const watched = new Map<string, Watched>();
  const ahead = createRecent();
  return {
    onWrite(write, objects) {
      if (write.resource !== "pods") return undefined;
      ahead.note(aheadMs(), write.at);
      for (const budget of objects.of("poddisruptionbudgets")) {
        const before = write.before as Pod | undefined;
        const after = write.after as Pod | undefined;
        const pod = (after ?? before) as Pod;
        if (!hasPod(budget, pod)) continue;
        const { uid, name } = budget.metadata;
        const one = watched.get(uid) ?? { least: createRecent(), taken: new Map<string, number>(), whole: false };
        watched.set(uid, one);
        const needed = desiredHealthy(budget, objects);
        one.least.note(needed, write.at);
        const healthy = objects.of("pods").filter((other) => hasPod(budget, other) && isWell(other)).length;
        const taken = isWell(before) && !isWell(after) && !isEvicted(pod);
        if (taken) one.taken.set(pod.metadata.uid, write.at);
        else if (isWell(after)) one.taken.delete(pod.metadata.uid);
        for (const [uid, since] of one.taken) if (write.at - since >= RECENT_MS) one.taken.delete(uid);
        if (healthy >= Math.max(expectedPods(budget, objects), needed)) one.whole = true;
        else if (taken) one.whole = false;
        if (ahead.most(write.at) > AWAITED_MS - RECENT_MS) one.whole = false;
        const least = Math.min(needed, one.least.least(write.at));
        if (one.whole && isWell(before) && !isWell(after) && healthy + one.taken.size < least)
          return `PodDisruptionBudget ${name} has ${healthy} healthy Pods after an eviction, it needs ${least}`;
      }
      return undefined;
    },
  };
}

const isEvicted = ({ status }: Pod): boolean =>
  status?.conditions?.some(({ type, reason }) => type === "DisruptionTarget" && reason === "EvictionByEvictionAPI") ??
  false;
