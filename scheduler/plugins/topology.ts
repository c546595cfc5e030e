/**
 * Topology: a domain is all nodes with the same value of a label; a node without the label is in none.
 *
 * `Reckoning` sums counts of several topologies, with what would change if Pods came or went.
 */
import type { Node } from "../../machinery/objects/kinds.ts";

export const HOSTNAME = "kubernetes.io/hostname";
export const ZONE = "topology.kubernetes.io/zone";

export const domainOf = ({ metadata }: Node, topologyKey: string): string | undefined => metadata.labels?.[topologyKey];

export interface Reckoning {
  /** What was counted in the node's domain. */
  at(node: Node, topologyKey: string): number;
  /** In thought, so many more in the node's domain. */
  shift(node: Node, topologyKey: string, by: number): void;
}

/** Goes by counts that others keep, which it does not change. */
export function reckoning(counts: (topologyKey: string) => ReadonlyMap<string, number> | undefined): Reckoning {
  let shifts: Map<string, Map<string, number>> | undefined;
  return {
    at(node, topologyKey) {
      const domain = domainOf(node, topologyKey);
      if (domain === undefined) return 0;
      const counted = counts(topologyKey)?.get(domain) ?? 0;
      return shifts ? counted + (shifts.get(topologyKey)?.get(domain) ?? 0) : counted;
    },
    shift(node, topologyKey, by) {
      const domain = domainOf(node, topologyKey);
      if (domain === undefined) return;
      shifts ??= new Map();
      const domains = shifts.get(topologyKey) ?? new Map<string, number>();
      const now = (domains.get(domain) ?? 0) + by;
      if (now === 0) domains.delete(domain);
      else domains.set(domain, now);
      shifts.set(topologyKey, domains);
    },
  };
}
