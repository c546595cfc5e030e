/**
 * Tally: numbers of Pods by node and by domain, with the fewest of a topology at hand.
 *
 * A domain is all nodes with the same value of a label; a node without the label is in none. A topology is
 * summed up when it is first asked for. Who is counted is settled by the caller: pod-index.ts.
 */
import { type Column, createDomainCounts } from "./domains.ts";
import type { NodeInfo } from "./snapshot.ts";

export interface Topology {
  /** Domain ► its Pods; domains without any too. */
  readonly counts: ReadonlyMap<string, number>;
  /** The same by the domains' numbers (domains.ts). */
  numbers(): readonly number[];
  /** The smallest of them; 0 where there is no domain. */
  fewest(): number;
}

export interface Tally {
  on(node: Pick<NodeInfo, "slot">): number;
  /** The same by slot. */
  readonly bySlot: readonly number[];
  by(topologyKey: string): Topology;
  readonly total: number;
  add(node: NodeInfo, by: number): void;
  nodeCame(node: NodeInfo): void;
  nodeLeft(node: NodeInfo): void;
}

interface Sums extends Topology {
  add(domain: string, by: number): void;
  domainCame(domain: string): void;
  domainLeft(domain: string): void;
}

export function createTally(columnOf: (topologyKey: string) => Column): Tally {
  const bySlot: number[] = [];
  const nodes = new Set<NodeInfo>();
  const topologies = new Map<string, Sums>();
  let total = 0;

  return {
    get total() {
      return total;
    },
    bySlot,
    on: ({ slot }) => bySlot[slot] ?? 0,
    by(topologyKey) {
      let sums = topologies.get(topologyKey);
      if (sums) return sums;
      sums = createSums(() => columnOf(topologyKey));
      for (const { slot, node } of nodes) {
        const domain = node.metadata.labels?.[topologyKey];
        if (domain === undefined) continue;
        sums.domainCame(domain);
        const number = bySlot[slot];
        if (number) sums.add(domain, number);
      }
      topologies.set(topologyKey, sums);
      return sums;
    },
    add({ slot, node }, by) {
      while (bySlot.length <= slot) bySlot.push(0);
      bySlot[slot] = (bySlot[slot] as number) + by;
      total += by;
      for (const [topologyKey, sums] of topologies) {
        const domain = node.metadata.labels?.[topologyKey];
        if (domain !== undefined) sums.add(domain, by);
      }
    },
    nodeCame(info) {
      nodes.add(info);
      for (const [topologyKey, sums] of topologies) {
        const domain = info.node.metadata.labels?.[topologyKey];
        if (domain !== undefined) sums.domainCame(domain);
      }
    },
    nodeLeft(info) {
      nodes.delete(info);
      for (const [topologyKey, sums] of topologies) {
        const domain = info.node.metadata.labels?.[topologyKey];
        if (domain !== undefined) sums.domainLeft(domain);
      }
    },
  };
}

function createSums(column: () => Column): Sums {
  const kept = createDomainCounts(column);
  const counts = kept.by;
  const nodesIn = new Map<string, number>();
  /** Number of Pods ► how many domains have so many. */
  const having = new Map<number, number>();
  let least = 0;

  const note = (number: number, by: 1 | -1) => {
    const now = (having.get(number) ?? 0) + by;
    if (now === 0) having.delete(number);
    else having.set(number, now);
    if (by === 1 && (number < least || having.size === 1)) least = number;
  };

  return {
    counts,
    numbers: kept.numbers,
    fewest() {
      if (having.size === 0) return 0;
      if (!having.has(least)) least = Math.min(...having.keys());
      return least;
    },
    add(domain, by) {
      const number = counts.get(domain);
      if (number === undefined) return;
      note(number, -1);
      kept.set(domain, number + by);
      note(number + by, 1);
    },
    domainCame(domain) {
      const known = nodesIn.get(domain) ?? 0;
      nodesIn.set(domain, known + 1);
      if (known > 0) return;
      kept.set(domain, 0);
      note(0, 1);
    },
    domainLeft(domain) {
      const known = nodesIn.get(domain) ?? 0;
      if (known > 1) return void nodesIn.set(domain, known - 1);
      nodesIn.delete(domain);
      note(counts.get(domain) ?? 0, -1);
      kept.delete(domain);
    },
  };
}
