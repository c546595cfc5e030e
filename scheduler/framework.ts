/**
 * Framework: what a scheduling plugin is, and how plugins decide together. Pure.
 *
 * A plugin looks at the Pod and the cluster once (`preFilter`, `preScore`) and returns a function
 * that judges one node after the other; what it worked out lives in that function alone.
 * A node passes when no filter refuses it; the first refusal counts, in the plugins' order.
 * Scores are whole numbers from 0 to 100 a plugin, weighted. Reasons are Kubernetes' words: they end up in events.
 * https://kubernetes.io/docs/concepts/scheduling-eviction/scheduling-framework/
 */
import type { Cluster } from "./cluster.ts";
import type { Happening } from "./happenings.ts";
import type { PodInfo } from "./pod-info.ts";
import type { NodeInfo } from "./snapshot.ts";

/** Why the Pod cannot run on a node; none: it can. */
export type Reasons = readonly string[];
export type NodeCheck = (node: NodeInfo) => Reasons;
export type NodeScore = (node: NodeInfo) => number;

/** The Pod cannot run anywhere, whatever the node. */
export interface Nowhere {
  readonly nowhere: string;
}

export interface FilterPlugin {
  readonly name: string;
  /** What may change its mind about a Pod that it refused. */
  readonly helpedBy: readonly Happening[];
  /** Undefined: nothing in this Pod concerns it. */
  preFilter(pod: PodInfo, cluster: Cluster): NodeCheck | Nowhere | undefined;
}

export interface ScorePlugin {
  readonly name: string;
  readonly weight: number;
  /** `fitting` are the nodes to be scored: any number each, higher is better. Undefined: all are alike. */
  preScore(pod: PodInfo, cluster: Cluster, fitting: readonly NodeInfo[]): NodeScore | undefined;
  /** Brings raw scores to 0..100; absent where scores are that already. */
  normalize?(scores: readonly number[]): readonly number[];
}

export interface Plugins {
  readonly filters: readonly FilterPlugin[];
  readonly scorers: readonly ScorePlugin[];
}

export interface Refusal {
  readonly plugin: string;
  readonly reasons: Reasons;
}

export interface Verdict {
  readonly node: string;
  /** Absent: the Pod fits. */
  readonly refused?: Refusal;
  readonly score?: number;
}

export interface Decision {
  /** Absent: no node fits. */
  readonly node?: string;
  /** How many nodes there are. */
  readonly nodes: number;
  /** Empty where the Pod was refused before any node was asked. */
  readonly verdicts: readonly Verdict[];
  readonly nowhere?: Refusal;
  /** What may help, where no node fits. */
  readonly helpedBy: readonly Happening[];
}

/** A node is what any Pod may hope for. */
const NO_NODES: readonly Happening[] = ["node-added"];

export function decide(pod: PodInfo, cluster: Cluster, plugins: Plugins, random: () => number): Decision {
  const nodes = cluster.nodes.length;
  if (nodes === 0) return { nodes, verdicts: [], helpedBy: NO_NODES };
  const checks: { readonly plugin: FilterPlugin; readonly check: NodeCheck }[] = [];
  for (const plugin of plugins.filters) {
    const state = plugin.preFilter(pod, cluster);
    if (!state) continue;
    if ("nowhere" in state) {
      const nowhere = { plugin: plugin.name, reasons: [state.nowhere] };
      return { nodes, verdicts: [], nowhere, helpedBy: plugin.helpedBy };
    }
    checks.push({ plugin, check: state });
  }

  const verdicts: Verdict[] = [];
  const fitting: NodeInfo[] = [];
  const helpedBy = new Set<Happening>();
  for (const node of cluster.nodes) {
    const refused = firstRefusal(node, checks, helpedBy);
    if (refused) verdicts.push({ node: node.node.metadata.name, refused });
    else fitting.push(node);
  }
  if (fitting.length === 0) return { nodes, verdicts, helpedBy: [...helpedBy] };

  const scores = totalScores(pod, cluster, fitting, plugins.scorers);
  for (const [index, { node }] of fitting.entries())
    verdicts.push({ node: node.metadata.name, score: scores[index] ?? 0 });
  return { node: pick(fitting, scores, random).node.metadata.name, nodes, verdicts, helpedBy: [] };
}

/** "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable." */
export function failureMessage({ nodes, nowhere, verdicts }: Decision): string {
  if (nodes === 0) return "no nodes available to schedule pods";
  const counts = new Map<string, number>();
  for (const { refused } of verdicts)
    for (const reason of refused?.reasons ?? []) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  const reasons = nowhere?.reasons ?? [...counts].map(([reason, count]) => `${count} ${reason}`).sort();
  return `0/${nodes} nodes are available: ${reasons.join(", ")}.`;
}

function firstRefusal(
  node: NodeInfo,
  checks: readonly { readonly plugin: FilterPlugin; readonly check: NodeCheck }[],
  helpedBy: Set<Happening>,
): Refusal | undefined {
  for (const { plugin, check } of checks) {
    const reasons = check(node);
    if (reasons.length === 0) continue;
    for (const happening of plugin.helpedBy) helpedBy.add(happening);
    return { plugin: plugin.name, reasons };
  }
  return undefined;
}

function totalScores(
  pod: PodInfo,
  cluster: Cluster,
  fitting: readonly NodeInfo[],
  scorers: readonly ScorePlugin[],
): readonly number[] {
  const totals = fitting.map(() => 0);
  if (fitting.length <= 1) return totals;
  for (const plugin of scorers) {
    const score = plugin.preScore(pod, cluster, fitting);
    if (!score) continue;
    const raw = fitting.map(score);
    for (const [index, value] of (plugin.normalize?.(raw) ?? raw).entries())
      totals[index] = (totals[index] ?? 0) + plugin.weight * Math.floor(value);
  }
  return totals;
}

/** One of the best, so that equal nodes share the load. */
function pick(fitting: readonly NodeInfo[], scores: readonly number[], random: () => number): NodeInfo {
  const best = scores.reduce((most, score) => Math.max(most, score));
  const candidates = fitting.filter((_, index) => scores[index] === best);
  return candidates[Math.floor(random() * candidates.length)] as NodeInfo;
}

/** The largest becomes 100, or 0 where `reverse` makes the smallest the best. */
export function proportional(scores: readonly number[], reverse = false): readonly number[] {
  const most = Math.max(...scores);
  if (most === 0) return scores.map(() => (reverse ? 100 : 0));
  return scores.map((score) => (reverse ? 100 - (100 * score) / most : (100 * score) / most));
}
