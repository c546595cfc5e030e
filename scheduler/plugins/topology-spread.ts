/**
 * PodTopologySpread: no domain may have many more of a kind of Pods than the one with the fewest.
 *
 * Here is what refuses (whenUnsatisfiable: DoNotSchedule); what only prefers is in preferred-spread.ts,
 * and how a constraint reads in spread-constraints.ts. Pods that are being deleted do not count.
 * https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/
 */
import type { Pod } from "../../machinery/objects/kinds.ts";
import type { Cluster } from "../cluster.ts";
import type { Column } from "../domains.ts";
import { type NodeFilter, type Plugin, refused, refusedForGood } from "../framework.ts";
import type { PodInfo } from "../pod-info.ts";
import type { NodeInfo } from "../snapshot.ts";
import type { Topology } from "../tally.ts";
import { likingFew, type SpreadArgs } from "./preferred-spread.ts";
import { constraintsOf, groupConstraints, hasOwn, keysOf, type SpreadConstraint } from "./spread-constraints.ts";
import { domainOf } from "./topology.ts";

const MISSING_LABEL = refusedForGood("node(s) didn't match pod topology spread constraints (missing required label)");
const TOO_MANY = refused("node(s) didn't match pod topology spread constraints");

export const topologySpread = (args: SpreadArgs): Plugin => {
  const liking = likingFew(args);
  // those of the system only prefer
  const strict = (args.defaultConstraints ?? []).filter((one) => one.whenUnsatisfiable === "DoNotSchedule");
  const strictKeys = strict.map(({ topologyKey }) => topologyKey);
  return {
    name: "PodTopologySpread",
    hints: [
      "node-added",
      "node-gone",
      "node-labels",
      "node-taints",
      { on: "pod-placed", helps: mayCount },
      { on: "pod-gone", helps: mayCount },
      "pod-changed",
    ],
    preFilter({ pod }, cluster) {
      const constraints = hasOwn(pod)
        ? constraintsOf(pod, "DoNotSchedule", keysOf(pod, "DoNotSchedule"))
        : groupConstraints(pod, cluster, strict, strictKeys);
      return constraints.length === 0
        ? undefined
        : within(constraints.map((constraint) => limitOf(constraint, cluster)));
    },
    preScore: ({ pod }, cluster, fitting, slots) => liking(pod, cluster, fitting, slots),
  };
};

/** A Pod of another namespace is none to be counted. */
const mayCount = (
  { pod }: PodInfo,
  { object }: { readonly object?: { readonly metadata: Pod["metadata"] } },
): boolean => !object || object.metadata.namespace === pod.metadata.namespace;

interface Limit {
  readonly constraint: SpreadConstraint;
  readonly topology: Topology;
  readonly domains: Column;
  /** In thought, so many more in a domain. */
  readonly shifts: Map<string, number>;
  /** The most Pods that the domain may have already. */
  most: number;
}

function limitOf(constraint: SpreadConstraint, cluster: Cluster): Limit {
  const { topologyKey, kind } = constraint;
  const topology = cluster.pods.tally(kind).by(topologyKey);
  const domains = cluster.pods.domains(topologyKey);
  const limit: Limit = { constraint, topology, domains, shifts: new Map(), most: 0 };
  settle(limit);
  return limit;
}

function settle(limit: Limit): void {
  const { constraint, topology, shifts } = limit;
  const { maxSkew, minDomains, counted } = constraint;
  let fewest = 0;
  if (topology.counts.size >= minDomains) fewest = shifts.size === 0 ? topology.fewest() : fewestOf(topology, shifts);
  limit.most = maxSkew + fewest - (counted ? 1 : 0);
}

function fewestOf({ counts }: Topology, shifts: ReadonlyMap<string, number>): number {
  let fewest = Number.POSITIVE_INFINITY;
  for (const [domain, number] of counts) fewest = Math.min(fewest, number + (shifts.get(domain) ?? 0));
  return Number.isFinite(fewest) ? fewest : 0;
}

function within(limits: readonly Limit[]): NodeFilter {
  const moved = ({ pod }: PodInfo, { node }: NodeInfo, by: 1 | -1) => {
    for (const limit of limits) {
      const { topologyKey, kind } = limit.constraint;
      const domain = domainOf(node, topologyKey);
      if (domain === undefined || !kind.includes(pod, undefined) || kind.counts?.(node) === false) continue;
      const now = (limit.shifts.get(domain) ?? 0) + by;
      if (now === 0) limit.shifts.delete(domain);
      else limit.shifts.set(domain, now);
      settle(limit);
    }
  };
  const counted = limits.map(({ topology }) => topology.numbers());
  return {
    checkSlot(slot) {
      for (let n = 0; n < limits.length; n++) {
        const { domains, most } = limits[n] as Limit;
        const domain = domains.slots[slot];
        if (!domain) return MISSING_LABEL;
        if ((counted[n]?.[domain] ?? 0) > most) return TOO_MANY;
      }
      return undefined;
    },
    check({ node }) {
      for (const { constraint, topology, shifts, most } of limits) {
        const domain = domainOf(node, constraint.topologyKey);
        if (domain === undefined) return MISSING_LABEL;
        const number = (topology.counts.get(domain) ?? 0) + (shifts.size === 0 ? 0 : (shifts.get(domain) ?? 0));
        if (number > most) return TOO_MANY;
      }
      return undefined;
    },
    add: (other, node) => moved(other, node, 1),
    remove: (other, node) => moved(other, node, -1),
  };
}
