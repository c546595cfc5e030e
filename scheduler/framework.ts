/**
 * Framework: what a scheduling plugin is, and how plugins decide together. Pure.
 *
 * A node passes when no filter refuses it; the first refusal counts, in the plugins' order.
 * Scores are 0 to 100 a plugin, weighted. Reasons are Kubernetes' words: they end up in events.
 * https://kubernetes.io/docs/concepts/scheduling-eviction/scheduling-framework/
 */
import type { PodInfo } from "./pod-info.ts";
import type { NodeInfo } from "./snapshot.ts";

export interface FilterPlugin {
  readonly name: string;
  /** Reasons why the Pod cannot run there; none: it can. */
  filter(pod: PodInfo, node: NodeInfo): readonly string[];
}

export interface ScorePlugin {
  readonly name: string;
  readonly weight: number;
  /** Any number; higher is better. */
  score(pod: PodInfo, node: NodeInfo): number;
  /** Brings raw scores to 0..100; absent where `score` does already. */
  normalize?(scores: readonly number[]): readonly number[];
}

export interface Verdict {
  readonly node: string;
  /** The plugin that refused, with its reasons; absent: the Pod fits. */
  readonly refused?: { readonly plugin: string; readonly reasons: readonly string[] };
  readonly score?: number;
}

export interface Decision {
  /** Absent: no node fits. */
  readonly node?: string;
  readonly verdicts: readonly Verdict[];
}

export function decide(
  pod: PodInfo,
  nodes: readonly NodeInfo[],
  filters: readonly FilterPlugin[],
  scorers: readonly ScorePlugin[],
  random: () => number,
): Decision {
  const verdicts: Verdict[] = [];
  const fitting: NodeInfo[] = [];
  for (const node of nodes) {
    const refused = firstRefusal(pod, node, filters);
    if (refused) verdicts.push({ node: node.node.metadata.name, refused });
    else fitting.push(node);
  }
  const scores = totalScores(pod, fitting, scorers);
  for (const [index, node] of fitting.entries())
    verdicts.push({ node: node.node.metadata.name, score: scores[index] ?? 0 });
  const best = Math.max(...scores);
  const candidates = fitting.filter((_, index) => scores[index] === best);
  const chosen = candidates[Math.floor(random() * candidates.length)];
  return chosen ? { node: chosen.node.metadata.name, verdicts } : { verdicts };
}

/** "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable." */
export function failureMessage({ verdicts }: Decision): string {
  if (verdicts.length === 0) return "no nodes available to schedule pods";
  const counts = new Map<string, number>();
  for (const { refused } of verdicts)
    for (const reason of refused?.reasons ?? []) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  const reasons = [...counts].map(([reason, count]) => `${count} ${reason}`).sort();
  return `0/${verdicts.length} nodes are available: ${reasons.join(", ")}.`;
}

function firstRefusal(pod: PodInfo, node: NodeInfo, filters: readonly FilterPlugin[]): Verdict["refused"] {
  for (const { name, filter } of filters) {
    const reasons = filter(pod, node);
    if (reasons.length) return { plugin: name, reasons };
  }
  return undefined;
}

function totalScores(pod: PodInfo, nodes: readonly NodeInfo[], scorers: readonly ScorePlugin[]): readonly number[] {
  const totals = nodes.map(() => 0);
  if (nodes.length <= 1) return totals;
  for (const { weight, score, normalize } of scorers) {
    const raw = nodes.map((node) => score(pod, node));
    for (const [index, value] of (normalize?.(raw) ?? raw).entries())
      totals[index] = (totals[index] ?? 0) + weight * value;
  }
  return totals;
}

/** The largest becomes 100, or 0 where `reverse` makes the smallest the best. */
export function proportional(scores: readonly number[], reverse = false): readonly number[] {
  const most = Math.max(...scores);
  if (most === 0) return scores.map(() => (reverse ? 100 : 0));
  return scores.map((score) => (reverse ? 100 - (100 * score) / most : (100 * score) / most));
}
