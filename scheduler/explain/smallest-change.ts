/**
 * Smallest change: what would have to be different so that a Pod that fits nowhere fits on some node. Pure.
 *
 * All filters are asked of every node, not only up to the first refusal; the nodes with the least to be changed are
 * tried again with the change made, so that what is said has been seen to hold. What can be changed: steps.ts.
 */
import type { SchedulingChange } from "../../machinery/objects/scheduling.ts";
import { limits } from "../../machinery/process/limits.ts";
import type { Cluster } from "../cluster.ts";
import { type Decision, decide } from "../decide.ts";
import { type PodInfo, podInfo } from "../pod-info.ts";
import type { Profile } from "../profile.ts";
import type { NodeInfo } from "../snapshot.ts";
import { type Step, stepAnywhere, stepsOf } from "./steps.ts";

export interface Unplaced {
  readonly pod: PodInfo;
  readonly cluster: Cluster;
  readonly profile: Profile;
  /** Of all nodes. */
  readonly decision: Decision;
}

interface Way {
  readonly node: NodeInfo;
  readonly steps: readonly Step[];
  readonly cost: number;
}

/** `breathe` is called often: others may have their turn, and the cluster change; what is told has been tried last. */
export async function smallestChanges(
  unplaced: Unplaced,
  breathe: () => Promise<void> | undefined,
): Promise<readonly SchedulingChange[]> {
  const { decision } = unplaced;
  const { nowhere } = decision;
  if (decision.fitting.length > 0) return [];
  if (decision.nodes === 0) return [{ steps: ["add a node: there is none"], checked: false }];
  if (nowhere)
    return [{ steps: nowhere.reasons.map((reason) => stepAnywhere(nowhere.plugin, reason)), checked: false }];
  const ways: Way[] = [];
  for (const node of decision.asked) {
    ways.push(wayTo(unplaced, node));
    await breathe();
  }
  ways.sort((a, b) => a.cost - b.cost);
  const changes: SchedulingChange[] = [];
  const seen = new Set<string>();
  for (const { node, steps } of ways) {
    await breathe();
    if (changes.length >= limits.triedChanges) break;
    if (isSaid(node, steps, seen)) continue;
    const texts = steps.map(({ text }) => text);
    changes.push({ node: node.name, steps: texts, checked: holds(unplaced, node, steps) });
  }
  return changes.toSorted((a, b) => Number(b.checked) - Number(a.checked)).slice(0, limits.toldChanges);
}

function wayTo({ pod, decision }: Unplaced, node: NodeInfo): Way {
  const steps = decision.filters.flatMap(({ plugin, filter }) => {
    const no = filter.check(node);
    return no ? stepsOf(plugin)(pod, node, no.reasons) : [];
  });
  return { node, steps, cost: steps.reduce((sum, { cost }) => sum + cost, 0) };
}

/** The same words for another node say nothing new. */
function isSaid({ name }: NodeInfo, steps: readonly Step[], seen: Set<string>): boolean {
  const text = steps.map((step) => step.text.replaceAll(name, "")).join();
  if (seen.has(text)) return true;
  seen.add(text);
  return false;
}

/** Whether the plugins let the changed Pod onto the changed node. */
function holds({ pod, cluster, profile }: Unplaced, node: NodeInfo, steps: readonly Step[]): boolean {
  const changedPod = steps.reduce((one, step) => step.pod?.(one) ?? one, pod.pod);
  const info = steps.reduce((one, step) => step.info?.(one) ?? one, changedPod === pod.pod ? pod : podInfo(changedPod));
  const place = steps.reduce((one, step) => step.node?.(one) ?? one, node);
  const alone: Cluster = Object.create(cluster, {
    nodes: { value: [place] },
    node: { value: (name: string) => (name === place.name ? place : undefined) },
  });
  return decide(info, alone, profile, { random: () => 0 }).node !== undefined;
}
