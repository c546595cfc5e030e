/**
 * PodTopologySpread as a preference: fewer of a kind of Pods in a domain score higher.
 *
 * A Pod without constraints of its own is spread over nodes and zones with the Pods of its Service
 * and controller, so that losing a node loses few of them. A topology of few domains weighs less.
 * https://kubernetes.io/docs/concepts/scheduling-eviction/topology-spread-constraints/#internal-default-constraints
 */
import type { Pod } from "../../machinery/objects/kinds.ts";
import type { Cluster } from "../cluster.ts";
import type { NodeScorer } from "../framework.ts";
import type { NodeInfo } from "../snapshot.ts";
import {
  constraintsOf,
  type DefaultConstraint,
  groupConstraints,
  hasOwn,
  keysOf,
  type SpreadConstraint,
} from "./spread-constraints.ts";
import { domainOf, HOSTNAME, ZONE } from "./topology.ts";

export interface SpreadArgs {
  /** "List": only those that follow. */
  readonly defaultingType?: "System" | "List";
  readonly defaultConstraints?: readonly DefaultConstraint[];
}

const SYSTEM_DEFAULTS = [
  { topologyKey: HOSTNAME, maxSkew: 3, whenUnsatisfiable: "ScheduleAnyway" },
  { topologyKey: ZONE, maxSkew: 5, whenUnsatisfiable: "ScheduleAnyway" },
] as const;

/** The score of a node that lacks a topology key of the Pod's own constraints. */
const IGNORED = Number.POSITIVE_INFINITY;

type Liking = (
  pod: Pod,
  cluster: Cluster,
  fitting: readonly NodeInfo[],
  slots?: readonly number[],
) => NodeScorer | undefined;

export const likingFew = ({ defaultingType = "System", defaultConstraints = [] }: SpreadArgs): Liking => {
  const system = defaultingType === "System";
  const defaults = (system ? SYSTEM_DEFAULTS : defaultConstraints).filter(
    ({ whenUnsatisfiable }) => whenUnsatisfiable === "ScheduleAnyway",
  );
  return (pod, cluster, fitting, slots = fitting.map(({ slot }) => slot)) => {
    const own = hasOwn(pod);
    const keys = own ? keysOf(pod, "ScheduleAnyway") : defaults.map(({ topologyKey }) => topologyKey);
    const complete = own || !system ? keys : [];
    const constraints = own
      ? constraintsOf(pod, "ScheduleAnyway", complete)
      : groupConstraints(pod, cluster, defaults, complete);
    if (constraints.length === 0) return undefined;
    const lacks = ({ node }: NodeInfo) => complete.some((key) => domainOf(node, key) === undefined);
    const columns = complete.map((key) => cluster.pods.domains(key).slots);
    const scored = columns.length === 0 ? slots : slots.filter((slot) => columns.every((column) => column[slot]));
    const scores = constraints.map((constraint) => crowding(constraint, cluster, scored));
    return {
      score(node) {
        if (complete.length > 0 && lacks(node)) return IGNORED;
        let sum = 0;
        for (const { score } of scores) sum += score(node);
        return Math.round(sum);
      },
      scoreSlot(slot) {
        for (const column of columns) if (!column[slot]) return IGNORED;
        let sum = 0;
        for (const { scoreSlot } of scores) sum += scoreSlot(slot);
        return Math.round(sum);
      },
      normalize: turned,
    };
  };
};

interface Crowding {
  score(node: NodeInfo): number;
  scoreSlot(slot: number): number;
}

/** How crowded a node's domain is; a node outside the topology is not crowded. `scored`: slots. */
function crowding(
  { topologyKey, maxSkew, kind }: SpreadConstraint,
  { pods }: Cluster,
  scored: readonly number[],
): Crowding {
  const tally = pods.tally(kind);
  const { slots } = pods.domains(topologyKey);
  if (topologyKey === HOSTNAME) {
    const weight = Math.log(scored.length + 2);
    const of = (number: number) => number * weight + maxSkew - 1;
    return {
      score: (info) => (domainOf(info.node, topologyKey) === undefined ? 0 : of(tally.on(info))),
      scoreSlot: (slot) => (slots[slot] ? of(tally.bySlot[slot] ?? 0) : 0),
    };
  }
  const domains = new Set<number>();
  for (const slot of scored) if (slots[slot]) domains.add(slots[slot]);
  const weight = Math.log(domains.size + 2);
  const of = (number: number) => number * weight + maxSkew - 1;
  const topology = tally.by(topologyKey);
  const numbers = topology.numbers();
  return {
    score({ node }) {
      const domain = domainOf(node, topologyKey);
      return domain === undefined ? 0 : of(topology.counts.get(domain) ?? 0);
    },
    scoreSlot(slot) {
      const domain = slots[slot];
      return domain ? of(numbers[domain] ?? 0) : 0;
    },
  };
}

/** The most crowded becomes 0; where nobody is anywhere all are 100. */
function turned(scores: Float64Array): void {
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const score of scores) {
    if (score === IGNORED) continue;
    if (score < least) least = score;
    if (score > most) most = score;
  }
  for (let n = 0; n < scores.length; n++) {
    const score = scores[n] as number;
    if (score === IGNORED) scores[n] = 0;
    else scores[n] = most === 0 ? 100 : (100 * (most + least - score)) / most;
  }
}
