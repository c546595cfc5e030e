/**
 * Ranking: which Pod goes first when the node is short of something. Pure.
 *
 * First those that use more than they asked for, then by priority, then by how far they exceed it: so BestEffort
 * goes before Burstable, and a Pod within its requests last. Critical Pods are never chosen: isCritical.
 */
import type { Pod } from "../../machinery/objects/kinds.ts";
import { podAmounts } from "../../machinery/objects/pod-resources.ts";
import { formatQuantity, unitValue } from "../../machinery/objects/quantity.ts";
import { isMirror, isStatic } from "../static-pods/marks.ts";
import type { Starved } from "./thresholds.ts";

/** What a Pod uses; files are of its containers' layers, its logs and its volumes on disk. */
export interface PodUsage {
  readonly memory: number;
  readonly processes: number;
  readonly disk: number;
  readonly inodes: number;
  readonly containers: ReadonlyMap<string, { readonly memory: number; readonly disk: number }>;
}

export interface Candidate {
  readonly pod: Pod;
  /** Undefined where nothing could be read: such a Pod goes first. */
  readonly usage: PodUsage | undefined;
}

const CRITICAL_PRIORITY = 2_000_000_000;

export const isCritical = (pod: Pod): boolean =>
  isStatic(pod) || isMirror(pod) || (pod.spec?.priority ?? 0) >= CRITICAL_PRIORITY;

type Compare = (a: Candidate, b: Candidate) => number;

const uses: Readonly<Record<Starved, (usage: PodUsage) => number>> = {
  memory: ({ memory }) => memory,
  "ephemeral-storage": ({ disk }) => disk,
  inodes: ({ inodes }) => inodes,
  pids: ({ processes }) => processes,
};

/** Those to go first come first. */
export function rank(candidates: readonly Candidate[], starved: Starved): readonly Candidate[] {
  const use = uses[starved];
  const request = ({ pod }: Candidate) => (starved === "pids" ? 0 : podRequest(pod, starved));
  const excess = (one: Candidate) => (one.usage ? use(one.usage) - request(one) : Number.POSITIVE_INFINITY);
  const exceeds: Compare = (a, b) => Number(excess(b) > 0) - Number(excess(a) > 0);
  const priority: Compare = (a, b) => (a.pod.spec?.priority ?? 0) - (b.pod.spec?.priority ?? 0);
  const most: Compare = (a, b) => (excess(a) === excess(b) ? 0 : excess(b) - excess(a));
  const order = starved === "pids" ? [priority, most] : [exceeds, priority, most];
  return candidates.toSorted((a, b) => order.reduce((sign, compare) => sign || compare(a, b), 0));
}

/** What the whole Pod asked for. */
function podRequest(pod: Pod, resource: string): number {
  const asked = podAmounts(pod.spec ?? { containers: [] }, "requests")[resource];
  return asked ? unitValue(formatQuantity(asked)) : 0;
}
