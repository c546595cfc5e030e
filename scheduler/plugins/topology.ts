/**
 * Topology: counts by domain, a domain being all nodes with the same value of a label.
 *
 * A node without the label is in no domain.
 */
import type { Node } from "../../machinery/objects/kinds.ts";

export const HOSTNAME = "kubernetes.io/hostname";
export const ZONE = "topology.kubernetes.io/zone";

export interface Domains {
  /** True while nothing was counted. */
  readonly empty: boolean;
  add(node: Node, topologyKey: string, amount: number): void;
  /** What was counted in the node's domain. */
  at(node: Node, topologyKey: string): number;
  /** The same over all topology keys. */
  total(node: Node): number;
}

export const domainOf = ({ metadata }: Node, topologyKey: string): string | undefined => metadata.labels?.[topologyKey];

export function createDomains(): Domains {
  const counts = new Map<string, Map<string, number>>();
  const at = (node: Node, topologyKey: string) => counts.get(topologyKey)?.get(domainOf(node, topologyKey) ?? "") ?? 0;
  return {
    get empty() {
      return counts.size === 0;
    },
    add(node, topologyKey, amount) {
      const domain = domainOf(node, topologyKey);
      if (domain === undefined) return;
      const domains = counts.get(topologyKey) ?? new Map<string, number>();
      counts.set(topologyKey, domains.set(domain, (domains.get(domain) ?? 0) + amount));
    },
    at,
    total: (node) => [...counts.keys()].reduce((sum, topologyKey) => sum + at(node, topologyKey), 0),
  };
}
