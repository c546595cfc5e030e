/**
 * PodTopologySpread: no domain may have many more of a kind of Pods than the one with the fewest.
 *
 * Here is what refuses (whenUnsatisfiable: DoNotSchedule); what only prefers is in preferred-spread.ts,
 * and how a constraint reads in spread-constraints.ts. Pods that are being deleted do not count.
 * https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/
 */
import { matches } from "../../machinery/objects/selectors.ts";
import type { Cluster } from "../cluster.ts";
import type { FilterPlugin } from "../framework.ts";
import { constraintsOf, countSelected, type SpreadConstraint } from "./spread-constraints.ts";
import { domainOf } from "./topology.ts";

const MISSING_LABEL = ["node(s) didn't match pod topology spread constraints (missing required label)"];
const TOO_MANY = ["node(s) didn't match pod topology spread constraints"];

export const topologySpread: FilterPlugin = {
  name: "PodTopologySpread",
  helpedBy: ["node-added", "node-gone", "node-labels", "node-taints", "pod-placed", "pod-gone", "pod-changed"],
  preFilter({ pod }, cluster) {
    const constraints = constraintsOf(pod, "DoNotSchedule");
    if (constraints.length === 0) return undefined;
    const limits = constraints.map((constraint) => {
      const counts = countByDomain(constraint, constraints, pod.metadata.namespace, cluster);
      const enough = counts.size >= constraint.minDomains;
      const fewest = enough ? Math.min(...counts.values()) : 0;
      const itself = matches(constraint.selector, pod.metadata.labels) ? 1 : 0;
      return { topologyKey: constraint.topologyKey, counts, most: constraint.maxSkew + fewest - itself };
    });
    return ({ node }) => {
      for (const { topologyKey, counts, most } of limits) {
        const domain = domainOf(node, topologyKey);
        if (domain === undefined) return MISSING_LABEL;
        if ((counts.get(domain) ?? 0) > most) return TOO_MANY;
      }
      return [];
    };
  },
};

/** Domain ► selected Pods there. Only nodes with all topology keys, and where the Pod might go, make domains. */
function countByDomain(
  constraint: SpreadConstraint,
  all: readonly SpreadConstraint[],
  namespace: string | undefined,
  { nodes }: Cluster,
): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const info of nodes) {
    const complete = all.every(({ topologyKey }) => domainOf(info.node, topologyKey) !== undefined);
    if (!complete || !constraint.includes(info.node)) continue;
    const domain = domainOf(info.node, constraint.topologyKey) as string;
    counts.set(domain, (counts.get(domain) ?? 0) + countSelected(info, constraint.selector, namespace));
  }
  return counts;
}
