/**
 * Preferred Pod affinity: nodes near Pods that the Pod would like near, and far from those it would not.
 *
 * Preferences count in both directions, and so do required affinities of Pods that are there already, a little.
 * What is required of a node: inter-pod-affinity.ts.
 */
import type { Cluster } from "../cluster.ts";
import type { NodeScorer } from "../framework.ts";
import { kindOf } from "../pod-index.ts";
import type { PodInfo } from "../pod-info.ts";
import type { AffinityArgs } from "./inter-pod-affinity.ts";
import { domainOf } from "./topology.ts";

interface Weighted {
  readonly topologyKey: string;
  readonly counts: ReadonlyMap<string, number>;
  readonly numbers: () => readonly number[];
  readonly weight: number;
}

export function likingNear(
  { pod, terms }: PodInfo,
  { pods }: Cluster,
  { hardPodAffinityWeight = 1, ignorePreferredTermsOfExistingPods = false }: AffinityArgs,
): NodeScorer | undefined {
  const all: Weighted[] = [];
  const preferred = terms?.preferred ?? [];
  if (preferred.length === 0 && ignorePreferredTermsOfExistingPods) return undefined;
  for (const { term, weights, numbers } of pods.saidOf(pod, "preferred"))
    all.push({ topologyKey: term.topologyKey, counts: weights, numbers, weight: 1 });
  if (hardPodAffinityWeight > 0)
    for (const { term, weights, numbers } of pods.saidOf(pod, "near"))
      all.push({ topologyKey: term.topologyKey, counts: weights, numbers, weight: hardPodAffinityWeight });
  for (const { term, weight } of preferred) {
    const { topologyKey } = term;
    const tally = pods.tally(kindOf([term]));
    if (tally.total === 0) continue;
    const { counts, numbers } = tally.by(topologyKey);
    all.push({ topologyKey, counts, numbers, weight });
  }
  if (all.length === 0) return undefined;
  const columns = all.map(({ topologyKey, numbers, weight }) => {
    return { slots: pods.domains(topologyKey).slots, numbers: numbers(), weight };
  });
  return {
    scoreSlot(slot) {
      let sum = 0;
      for (const { slots, numbers, weight } of columns) {
        const domain = slots[slot];
        if (domain) sum += weight * (numbers[domain] ?? 0);
      }
      return sum;
    },
    score({ node }) {
      let sum = 0;
      for (const { topologyKey, counts, weight } of all) {
        const domain = domainOf(node, topologyKey);
        if (domain !== undefined) sum += weight * (counts.get(domain) ?? 0);
      }
      return sum;
    },
    normalize: spread,
  };
}

/** The smallest becomes 0, the largest 100. */
function spread(scores: Float64Array): void {
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const score of scores) {
    if (score < least) least = score;
    if (score > most) most = score;
  }
  for (let n = 0; n < scores.length; n++)
    scores[n] = most === least ? 0 : (100 * ((scores[n] as number) - least)) / (most - least);
}
