/**
 * Pod index: how many Pods of some kind are on each node and in each domain, counted as Pods come and go.
 *
 * A tally is made when it is first asked for, with one look at every Pod, and then kept up to date; those that
 * nobody has asked for lately go. What Pods say about others (anti-affinity, preferences) is kept by what they
 * say: Pods of one Deployment say the same. A node that changes leaves with its Pods and comes again with them.
 */
import type { Node, Pod } from "../machinery/objects/kinds.ts";
import type { Labels } from "../machinery/objects/selectors.ts";
import { limits } from "../machinery/process/limits.ts";
import { type Listers, namespaceLabels } from "./cluster.ts";
import { type Column, createDomainCounts, createDomains, type DomainCounts } from "./domains.ts";
import type { PodInfo } from "./pod-info.ts";
import { concerns, type PodTerm } from "./pod-terms.ts";
import type { NodeInfo } from "./snapshot.ts";
import { createTally, type Tally } from "./tally.ts";

export interface PodKind {
  /** The same for kinds that count the same Pods on the same nodes. */
  readonly id: string;
  includes(pod: Pod, namespaceLabels: Labels | undefined): boolean;
  /** Nodes that count at all; absent: all. */
  counts?(node: Node): boolean;
  /** Whether what it includes depends on the labels of namespaces. */
  readonly byNamespaceLabels: boolean;
}

/** What Pods that are there say about others: one for all that say the same. */
export interface Saying {
  readonly term: PodTerm;
  /** Domain of the term's topology key ► the weights of those that say so there. */
  readonly weights: ReadonlyMap<string, number>;
  /** The same by the domains' numbers. */
  numbers(): readonly number[];
}

export type SayingKind = "near" | "apart" | "preferred";

export interface PodIndex {
  /** The domains of the nodes. */
  domains(topologyKey: string): Column;
  tally(kind: PodKind): Tally;
  /** What placed Pods say that concerns this Pod. */
  saidOf(pod: Pod, kind: SayingKind): readonly Saying[];
  came(info: PodInfo, node: NodeInfo): void;
  left(info: PodInfo, node: NodeInfo): void;
  /** With its Pods. */
  nodeCame(node: NodeInfo): void;
  nodeLeft(node: NodeInfo): void;
  /** Labels of a namespace have changed. */
  namespaceChanged(): void;
}

type Mutable = Saying & { readonly counts: DomainCounts };
const KINDS: readonly SayingKind[] = ["near", "apart", "preferred"];

export function createPodIndex(nodes: () => Iterable<NodeInfo>, listers: Listers): PodIndex {
  /** The one that was asked for last stands last. */
  const tallies = new Map<string, { readonly kind: PodKind; readonly tally: Tally }>();
  const said = {
    near: new Map<string, Mutable>(),
    apart: new Map<string, Mutable>(),
    preferred: new Map<string, Mutable>(),
  };
  const domains = createDomains(nodes);
  const labelsOf = ({ metadata }: Pod) => namespaceLabels({ listers }, metadata.namespace);

  function build(kind: PodKind): Tally {
    const tally = createTally(domains.of);
    for (const node of nodes()) {
      if (kind.counts?.(node.node) === false) continue;
      tally.nodeCame(node);
      let number = 0;
      for (const { pod } of node.pods.values()) if (kind.includes(pod, labelsOf(pod))) number++;
      if (number > 0) tally.add(node, number);
    }
    return tally;
  }

  function counted({ pod }: PodInfo, node: NodeInfo, by: 1 | -1): void {
    if (tallies.size === 0) return;
    const labels = labelsOf(pod);
    for (const { kind, tally } of tallies.values())
      if (kind.counts?.(node.node) !== false && kind.includes(pod, labels)) tally.add(node, by);
  }

  function says({ terms }: PodInfo, { node }: NodeInfo, sign: 1 | -1): void {
    if (!terms) return;
    for (const kind of KINDS) {
      for (const one of terms[kind]) {
        const [term, weight] = "term" in one ? [one.term, one.weight] : [one, 1];
        const domain = node.metadata.labels?.[term.topologyKey];
        if (domain !== undefined) weigh(said[kind], term, domain, sign * weight, domains.of);
      }
    }
  }

  const came = (info: PodInfo, node: NodeInfo) => {
    counted(info, node, 1);
    says(info, node, 1);
  };
  const left = (info: PodInfo, node: NodeInfo) => {
    counted(info, node, -1);
    says(info, node, -1);
  };

  return {
    domains: domains.of,
    tally(kind) {
      const known = tallies.get(kind.id);
      const entry = known ?? { kind, tally: build(kind) };
      tallies.delete(kind.id);
      tallies.set(kind.id, entry);
      if (tallies.size > limits.schedulerTallies) tallies.delete(tallies.keys().next().value as string);
      return entry.tally;
    },
    saidOf(pod, kind) {
      const found: Saying[] = [];
      if (said[kind].size === 0) return found;
      const labels = labelsOf(pod);
      for (const saying of said[kind].values()) if (concerns(saying.term, pod, labels)) found.push(saying);
      return found;
    },
    came,
    left,
    nodeCame(node) {
      domains.came(node);
      for (const { kind, tally } of tallies.values()) if (kind.counts?.(node.node) !== false) tally.nodeCame(node);
      for (const info of node.pods.values()) came(info, node);
    },
    nodeLeft(node) {
      for (const info of node.pods.values()) left(info, node);
      for (const { kind, tally } of tallies.values()) if (kind.counts?.(node.node) !== false) tally.nodeLeft(node);
      domains.left(node);
    },
    namespaceChanged() {
      for (const [id, { kind }] of tallies) if (kind.byNamespaceLabels) tallies.delete(id);
    },
  };
}

/** Pods that all these terms are about. */
export const kindOf = (terms: readonly PodTerm[]): PodKind => ({
  id: terms.map(({ who }) => who).join("&"),
  includes: (pod, labels) => terms.every((term) => concerns(term, pod, labels)),
  byNamespaceLabels: terms.some(({ namespaceSelector }) => !namespaceSelector.nothing),
});

function weigh(
  sayings: Map<string, Mutable>,
  term: PodTerm,
  domain: string,
  by: number,
  columnOf: (topologyKey: string) => Column,
): void {
  const { id } = term;
  const saying = sayings.get(id) ?? createSaying(term, columnOf);
  sayings.set(id, saying);
  const { counts } = saying;
  const weight = (counts.by.get(domain) ?? 0) + by;
  if (weight !== 0) counts.set(domain, weight);
  else counts.delete(domain);
  if (counts.by.size === 0) sayings.delete(id);
}

function createSaying(term: PodTerm, columnOf: (topologyKey: string) => Column): Mutable {
  const counts = createDomainCounts(() => columnOf(term.topologyKey));
  return { term, counts, weights: counts.by, numbers: counts.numbers };
}
