/**
 * InterPodAffinity: near some Pods, apart from others, and away from Pods that want to be apart from it.
 *
 * Required terms filter. Preferred ones score, in both directions, and so do the required
 * affinities of Pods that are there already, a little. The terms are parsed in pod-terms.ts.
 * https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#inter-pod-affinity-and-anti-affinity
 */
import { type Cluster, namespaceLabels } from "../cluster.ts";
import type { FilterPlugin, ScorePlugin } from "../framework.ts";
import type { PodInfo } from "../pod-info.ts";
import { concerns, type PodTerm } from "../pod-terms.ts";
import type { NodeInfo } from "../snapshot.ts";
import { createDomains, type Domains, domainOf } from "./topology.ts";

const NOT_NEAR = ["node(s) didn't match pod affinity rules"];
const NOT_APART = ["node(s) didn't match pod anti-affinity rules"];
const UNWANTED = ["node(s) didn't satisfy existing pods anti-affinity rules"];

export const interPodAffinity: FilterPlugin = {
  name: "InterPodAffinity",
  helpedBy: ["node-added", "node-labels", "pod-placed", "pod-gone", "pod-changed", "namespaces"],
  preFilter(pod, cluster) {
    const { near = [], apart = [] } = pod.terms ?? {};
    const unwanted = whereUnwanted(pod, cluster);
    if (near.length + apart.length === 0 && unwanted.empty) return undefined;
    const mates = whereAllMatch(near, cluster);
    const others = whereAnyMatches(apart, cluster);
    // The first of a group that wants to be together has nobody to be near to.
    const first = mates.empty && matchesAll(near, pod, cluster);

    return ({ node }) => {
      const inDomains = near.every(({ topologyKey }) => domainOf(node, topologyKey) !== undefined);
      if (!inDomains || !(first || near.every(({ topologyKey }) => mates.at(node, topologyKey) > 0))) return NOT_NEAR;
      if (apart.some(({ topologyKey }) => others.at(node, topologyKey) > 0)) return NOT_APART;
      return unwanted.total(node) > 0 ? UNWANTED : [];
    };
  },
};

/** Domains with Pods that want to be apart from this one. */
function whereUnwanted(pod: PodInfo, cluster: Cluster): Domains {
  const domains = createDomains();
  const labels = namespaceLabels(cluster, pod.pod.metadata.namespace);
  for (const { node, withTerms } of cluster.nodes)
    for (const { terms } of withTerms.values())
      for (const term of terms?.apart ?? [])
        if (concerns(term, pod.pod, labels)) domains.add(node, term.topologyKey, 1);
  return domains;
}

/** Domains with Pods that are what all terms together ask for. */
function whereAllMatch(terms: readonly PodTerm[], cluster: Cluster): Domains {
  const domains = createDomains();
  if (terms.length === 0) return domains;
  eachPod(cluster, (other, { node }) => {
    if (matchesAll(terms, other, cluster)) for (const { topologyKey } of terms) domains.add(node, topologyKey, 1);
  });
  return domains;
}

/** Domains by topology key with Pods that any term of that key is about. */
function whereAnyMatches(terms: readonly PodTerm[], cluster: Cluster): Domains {
  const domains = createDomains();
  if (terms.length === 0) return domains;
  eachPod(cluster, (other, { node }) => {
    for (const term of terms)
      if (concerns(term, other.pod, namespaceLabels(cluster, other.pod.metadata.namespace)))
        domains.add(node, term.topologyKey, 1);
  });
  return domains;
}

function matchesAll(terms: readonly PodTerm[], { pod }: PodInfo, cluster: Cluster): boolean {
  const labels = namespaceLabels(cluster, pod.metadata.namespace);
  return terms.every((term) => concerns(term, pod, labels));
}

function eachPod({ nodes }: Cluster, visit: (pod: PodInfo, node: NodeInfo) => void): void {
  for (const node of nodes) for (const pod of node.pods.values()) visit(pod, node);
}

/** What a required affinity of a Pod that is there counts for one that it would like to have near. */
const HARD_WEIGHT = 1;

export const preferredPodAffinity: ScorePlugin = {
  name: "InterPodAffinity",
  weight: 2,
  preScore(pod, cluster) {
    const domains = createDomains();
    const preferred = pod.terms?.preferred ?? [];
    const own = namespaceLabels(cluster, pod.pod.metadata.namespace);
    for (const { node, pods, withTerms } of cluster.nodes) {
      for (const { terms } of withTerms.values()) {
        for (const term of terms?.near ?? [])
          if (concerns(term, pod.pod, own)) domains.add(node, term.topologyKey, HARD_WEIGHT);
        for (const { term, weight } of terms?.preferred ?? [])
          if (concerns(term, pod.pod, own)) domains.add(node, term.topologyKey, weight);
      }
      if (preferred.length === 0) continue;
      for (const other of pods.values())
        for (const { term, weight } of preferred)
          if (concerns(term, other.pod, namespaceLabels(cluster, other.pod.metadata.namespace)))
            domains.add(node, term.topologyKey, weight);
    }
    return domains.empty ? undefined : ({ node }) => domains.total(node);
  },
  normalize(scores) {
    const [least, most] = [Math.min(...scores), Math.max(...scores)];
    return scores.map((score) => (most === least ? 0 : (100 * (score - least)) / (most - least)));
  },
};
