/**
 * InterPodAffinity: near some Pods, apart from others, and away from Pods that want to be apart from it.
 *
 * Required terms filter, here; preferred ones score: preferred-pod-affinity.ts. The terms are parsed in
 * pod-terms.ts, and what they ask for is counted in pod-index.ts, so that nobody looks at every Pod.
 * https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#inter-pod-affinity-and-anti-affinity
 */
import type { Pod } from "../../machinery/objects/kinds.ts";
import { type Cluster, namespaceLabels } from "../cluster.ts";
import { type NodeFilter, type Plugin, type Refused, refused, refusedForGood } from "../framework.ts";
import { kindOf, type Saying } from "../pod-index.ts";
import { type PodInfo, podInfo } from "../pod-info.ts";
import { concerns, type PodTerm } from "../pod-terms.ts";
import type { NodeInfo } from "../snapshot.ts";
import { likingNear } from "./preferred-pod-affinity.ts";
import { domainOf, type Reckoning, reckoning } from "./topology.ts";

const NOT_NEAR = refusedForGood("node(s) didn't match pod affinity rules");
const NOT_APART = refused("node(s) didn't match pod anti-affinity rules");
const UNWANTED = refused("node(s) didn't satisfy existing pods anti-affinity rules");

export interface AffinityArgs {
  /** What a required affinity of a Pod that is there counts for one that it would like to have near. */
  readonly hardPodAffinityWeight?: number;
  /** Preferences of Pods that are there count only for Pods that have some themselves. */
  readonly ignorePreferredTermsOfExistingPods?: boolean;
}

export const interPodAffinity = (args: AffinityArgs): Plugin => ({
  name: "InterPodAffinity",
  hints: [
    "node-added",
    "node-labels",
    { on: "pod-placed", helps: ({ terms }, { object }) => !object || concernsAny(terms?.near, object as Pod) },
    { on: "pod-gone", helps: (pod, { object }) => !object || inTheWay(pod, object as Pod) },
    "pod-changed",
    "namespaces",
  ],
  preFilter(pod, cluster) {
    const { near = [], apart = [] } = pod.terms ?? {};
    const unwanted = createUnwanted(pod, cluster);
    if (near.length + apart.length === 0 && unwanted.empty) return undefined;
    const mates = nearCounts(near, cluster);
    const others = apart.map((term) => ({ term, counts: countsOf(term, cluster) }));
    // The first of a group that wants to be together has nobody to be near to.
    const first = () => mates.total() === 0 && matchesAll(near, pod, cluster);

    return {
      checkSlot: bySlot(near, apart, cluster, pod, first),
      check({ node }) {
        if (near.length > 0 && !isNear(node, near, mates.reckoning, first)) return NOT_NEAR;
        for (const { term, counts } of others) if (counts.at(node, term.topologyKey) > 0) return NOT_APART;
        return unwanted.at(node) ? UNWANTED : undefined;
      },
      ...inThought(pod, cluster, { mates, others, unwanted }),
    };
  },
  preScore: (pod, cluster) => likingNear(pod, cluster, args),
});

/** As `check`, by the numbers of domains. */
function bySlot(
  near: readonly PodTerm[],
  apart: readonly PodTerm[],
  { pods }: Cluster,
  { pod }: PodInfo,
  first: () => boolean,
): (slot: number) => Refused | undefined {
  const counted = ({ topologyKey }: PodTerm, numbers: readonly number[]) => ({
    slots: pods.domains(topologyKey).slots,
    numbers,
  });
  const mates = near.map((term) => counted(term, pods.tally(kindOf(near)).by(term.topologyKey).numbers()));
  const others = apart.map((term) =>
    counted(
      term,
      pods
        .tally(kindOf([term]))
        .by(term.topologyKey)
        .numbers(),
    ),
  );
  const unwanted = pods.saidOf(pod, "apart").map((saying) => counted(saying.term, saying.numbers()));
  const isThere = ({ slots, numbers }: ReturnType<typeof counted>, slot: number) => {
    const domain = slots[slot];
    return domain !== undefined && domain > 0 && (numbers[domain] ?? 0) > 0;
  };
  return (slot) => {
    let all = true;
    for (const one of mates) {
      if (!one.slots[slot]) return NOT_NEAR;
      all &&= isThere(one, slot);
    }
    if (!all && !first()) return NOT_NEAR;
    for (const one of others) if (isThere(one, slot)) return NOT_APART;
    for (const one of unwanted) if (isThere(one, slot)) return UNWANTED;
    return undefined;
  };
}

function isNear(node: NodeInfo["node"], near: readonly PodTerm[], mates: Reckoning, first: () => boolean): boolean {
  let all = true;
  for (const { topologyKey } of near) {
    if (domainOf(node, topologyKey) === undefined) return false;
    all &&= mates.at(node, topologyKey) > 0;
  }
  return all || first();
}

interface Mates {
  readonly reckoning: Reckoning;
  total(): number;
  moved(by: number): void;
}

/** Domains with Pods that are what all terms together ask for. */
function nearCounts(near: readonly PodTerm[], cluster: Cluster): Mates {
  const tally = near.length > 0 ? cluster.pods.tally(kindOf(near)) : undefined;
  let there: number | undefined;
  let moved = 0;
  return {
    reckoning: reckoning((topologyKey) => tally?.by(topologyKey).counts),
    total() {
      there ??= inDomains(near, tally);
      return there + moved;
    },
    moved: (by) => {
      moved += by;
    },
  };
}

/** Pods on nodes without the topology keys are near to nobody. */
function inDomains(near: readonly PodTerm[], tally: ReturnType<Cluster["pods"]["tally"]> | undefined): number {
  if (!tally || tally.total === 0) return 0;
  let total = 0;
  for (const { topologyKey } of near) for (const number of tally.by(topologyKey).counts.values()) total += number;
  return total;
}

/** Domains with Pods that the term is about. */
const countsOf = (term: PodTerm, cluster: Cluster): Reckoning => {
  const tally = cluster.pods.tally(kindOf([term]));
  return reckoning((topologyKey) => tally.by(topologyKey).counts);
};

interface Unwanted {
  readonly empty: boolean;
  at(node: NodeInfo["node"]): boolean;
  shift(term: PodTerm, node: NodeInfo["node"], by: number): void;
}

/** Domains with Pods that want to be apart from this one. */
function createUnwanted(pod: PodInfo, cluster: Cluster): Unwanted {
  const sayings = cluster.pods.saidOf(pod.pod, "apart");
  const keys = new Set(sayings.map(({ term }) => term.topologyKey));
  const of = (topologyKey: string): readonly Saying[] => sayings.filter(({ term }) => term.topologyKey === topologyKey);
  const counts = [...keys].map((topologyKey) => ({ topologyKey, weights: of(topologyKey).map((one) => one.weights) }));
  const shifts = reckoning(() => undefined);
  const shifted = new Set<string>();
  return {
    empty: sayings.length === 0,
    at(node) {
      for (const { topologyKey, weights } of counts) {
        const domain = domainOf(node, topologyKey);
        if (domain === undefined) continue;
        let number = shifted.has(topologyKey) ? shifts.at(node, topologyKey) : 0;
        for (const one of weights) number += one.get(domain) ?? 0;
        if (number > 0) return true;
      }
      for (const topologyKey of shifted) if (!keys.has(topologyKey) && shifts.at(node, topologyKey) > 0) return true;
      return false;
    },
    shift(term, node, by) {
      shifted.add(term.topologyKey);
      shifts.shift(node, term.topologyKey, by);
    },
  };
}

interface Counted {
  readonly mates: Mates;
  readonly others: readonly { readonly term: PodTerm; readonly counts: Reckoning }[];
  readonly unwanted: Unwanted;
}

/** How the counts change when another Pod comes to a node or leaves it. */
function inThought(
  pod: PodInfo,
  cluster: Cluster,
  { mates, others, unwanted }: Counted,
): Pick<NodeFilter, "add" | "remove"> {
  const { near = [] } = pod.terms ?? {};
  const own = namespaceLabels(cluster, pod.pod.metadata.namespace);
  const moved = (other: PodInfo, { node }: NodeInfo, by: 1 | -1) => {
    const labels = namespaceLabels(cluster, other.pod.metadata.namespace);
    if (near.length > 0 && near.every((term) => concerns(term, other.pod, labels))) {
      for (const { topologyKey } of near) mates.reckoning.shift(node, topologyKey, by);
      mates.moved(by * near.filter(({ topologyKey }) => domainOf(node, topologyKey) !== undefined).length);
    }
    for (const { term, counts } of others)
      if (concerns(term, other.pod, labels)) counts.shift(node, term.topologyKey, by);
    for (const term of other.terms?.apart ?? []) if (concerns(term, pod.pod, own)) unwanted.shift(term, node, by);
  };
  return { add: (other, node) => moved(other, node, 1), remove: (other, node) => moved(other, node, -1) };
}

function matchesAll(terms: readonly PodTerm[], { pod }: PodInfo, cluster: Cluster): boolean {
  const labels = namespaceLabels(cluster, pod.metadata.namespace);
  return terms.every((term) => concerns(term, pod, labels));
}

/** Namespaces' labels are not at hand here; a try too many is cheap. */
const mayConcern = (term: PodTerm, pod: Pod): boolean =>
  !term.namespaceSelector.nothing || concerns(term, pod, undefined);
const concernsAny = (terms: readonly PodTerm[] | undefined, pod: Pod) =>
  (terms ?? []).some((term) => mayConcern(term, pod));

/** Whether the Pod that went was one to be apart from, or wanted to be apart from it. */
function inTheWay({ pod, terms }: PodInfo, gone: Pod): boolean {
  return concernsAny(terms?.apart, gone) || concernsAny(podInfo(gone).terms?.apart, pod);
}
