/**
 * PodTopologySpread as a preference: fewer of a kind of Pods in a domain score higher.
 *
 * A Pod without constraints of its own is spread over nodes and zones with the Pods of its Service
 * and controller, so that losing a node loses few of them. A topology of few domains weighs less.
 * https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/#internal-default-constraints
 */
import type { Pod } from "../../machinery/objects/kinds.ts";
import { isEverything } from "../../machinery/objects/selectors.ts";
import type { Cluster } from "../cluster.ts";
import type { NodeScore, ScorePlugin } from "../framework.ts";
import type { NodeInfo } from "../snapshot.ts";
import { selectorOfGroup } from "./pod-group.ts";
import { constraintsOf, countSelected, type SpreadConstraint, spreadConstraint } from "./spread-constraints.ts";
import { domainOf, HOSTNAME, ZONE } from "./topology.ts";

/** The score of a node that lacks a topology key of the Pod's own constraints. */
const IGNORED = Number.POSITIVE_INFINITY;

export const preferredSpread: ScorePlugin = {
  name: "PodTopologySpread",
  weight: 2,
  preScore({ pod }, cluster, fitting) {
    const own = (pod.spec?.topologySpreadConstraints ?? []).length > 0;
    const constraints = own ? constraintsOf(pod, "ScheduleAnyway") : defaultConstraints(pod, cluster);
    if (constraints.length === 0) return undefined;
    const isComplete = ({ node }: NodeInfo) =>
      !own || constraints.every(({ topologyKey }) => domainOf(node, topologyKey) !== undefined);
    const scored = fitting.filter(isComplete);
    const counting = { all: cluster.nodes.filter(isComplete), scored, namespace: pod.metadata.namespace };
    const scores = constraints.map((constraint) => scoreOf(constraint, counting));
    const ignored = new Set(fitting.filter((node) => !isComplete(node)));
    return (node) => (ignored.has(node) ? IGNORED : Math.round(scores.reduce((sum, score) => sum + score(node), 0)));
  },
  normalize(scores) {
    const counted = scores.filter((score) => score !== IGNORED);
    const [least, most] = [Math.min(...counted), Math.max(...counted)];
    return scores.map((score) => {
      if (score === IGNORED) return 0;
      return most === 0 ? 100 : (100 * (most + least - score)) / most;
    });
  },
};

const DEFAULTS = [
  { topologyKey: HOSTNAME, maxSkew: 3 },
  { topologyKey: ZONE, maxSkew: 5 },
];

function defaultConstraints(pod: Pod, cluster: Cluster): readonly SpreadConstraint[] {
  const selector = selectorOfGroup(pod, cluster);
  return isEverything(selector) ? [] : DEFAULTS.map((constraint) => spreadConstraint(pod, constraint, selector));
}

interface Counting {
  readonly all: readonly NodeInfo[];
  readonly scored: readonly NodeInfo[];
  readonly namespace: string | undefined;
}

/** How crowded a node's domain is; a node outside the topology is not crowded. */
function scoreOf(constraint: SpreadConstraint, { all, scored, namespace }: Counting): NodeScore {
  const { topologyKey, selector, maxSkew } = constraint;
  const weigh = (count: number, domains: number) => count * Math.log(domains + 2) + maxSkew - 1;
  if (topologyKey === HOSTNAME) {
    return (info) =>
      domainOf(info.node, topologyKey) === undefined
        ? 0
        : weigh(countSelected(info, selector, namespace), scored.length);
  }
  const counts = new Map(scored.map(({ node }) => [domainOf(node, topologyKey), 0]));
  for (const info of all) {
    const domain = domainOf(info.node, topologyKey);
    const count = counts.get(domain);
    if (count !== undefined && constraint.includes(info.node))
      counts.set(domain, count + countSelected(info, selector, namespace));
  }
  return ({ node }) => {
    const domain = domainOf(node, topologyKey);
    return domain === undefined ? 0 : weigh(counts.get(domain) ?? 0, counts.size);
  };
}
