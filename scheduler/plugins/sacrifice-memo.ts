/**
 * Sacrifice memo: who would have to leave a node for a Pod that asks for the same, while the node has not changed.
 *
 * Many Pods of one controller that all need room compare the same hundreds of nodes. Nothing is kept where more than
 * the node counts: disruption budgets, the Pod's own nomination, filters that go by other nodes too.
 */
import type { NamedFilter, Refused } from "../framework.ts";
import type { PodInfo } from "../pod-info.ts";
import type { NodeInfo } from "../snapshot.ts";
import { asksOf } from "../verdict-memo.ts";
import { type DryRun, type Sacrifice, sacrificeOn } from "./victims.ts";

type Judge = (node: NodeInfo, run: DryRun) => Sacrifice | Refused;

export interface SacrificeMemo {
  of(pod: PodInfo, filters: readonly NamedFilter[]): Judge;
}

/** For the class of Pods that came last. */
export function createSacrificeMemo(): SacrificeMemo {
  let lastClass = "";
  let known: { readonly generation: number; readonly result: Sacrifice | Refused }[] = [];
  return {
    of(pod, filters) {
      if (!filters.every(({ filter }) => filter.local)) return sacrificeOn;
      const id = `${pod.priority} ${asksOf(pod)}`;
      if (id !== lastClass) known = [];
      lastClass = id;
      return (node, run) => {
        if (run.budgets.length > 0 || run.nominations.of(run.pod.pod.metadata.uid) === node.name)
          return sacrificeOn(node, run);
        const { slot, generation } = node;
        const kept = known[slot];
        if (kept?.generation === generation) return kept.result;
        const result = sacrificeOn(node, run);
        known[slot] = { generation, result };
        return result;
      };
    },
  };
}
