/**
 * Victims: which Pods would have to leave a node so that another fits, and on which node that does least harm. Pure.
 *
 * All Pods of lower priority leave in thought; then as many as possible come back, the more important first,
 * those that a disruption budget protects before all others.
 * https://kubernetes.io/docs/concepts/scheduling-eviction/pod-priority-preemption/
 */
import type { Pod, PodDisruptionBudget } from "../../machinery/objects/kinds.ts";
import { fromLabelSelector, isEverything, matches } from "../../machinery/objects/selectors.ts";
import { fits, type Refusal } from "../decide.ts";
import type { NamedFilter, Nominations, Refused } from "../framework.ts";
import { refused } from "../framework.ts";
import type { PodInfo } from "../pod-info.ts";
import { copyOf, type MutableNodeInfo, type NodeInfo, putPod, takePod } from "../snapshot.ts";

export interface Sacrifice {
  readonly node: NodeInfo;
  /** The most important first; never empty. */
  readonly victims: readonly PodInfo[];
  /** How many of them a disruption budget protects. */
  readonly violations: number;
  /** Of their priorities, all made positive, so that more Pods are always more. */
  readonly sum: number;
  /** When the first of the most important began; "~" where none has. */
  readonly earliest: string;
}

const NO_VICTIMS = refused("No preemption victims found for incoming pod");

export interface DryRun {
  readonly pod: PodInfo;
  readonly filters: readonly NamedFilter[];
  readonly nominations: Nominations;
  readonly budgets: readonly PodDisruptionBudget[];
}

/** Who must leave the node, or why that would not help. */
export function sacrificeOn(node: NodeInfo, run: DryRun): Sacrifice | Refused {
  const { pod, filters, nominations, budgets } = run;
  const lower = [...node.pods.values()].filter((other) => other.priority < pod.priority);
  if (lower.length === 0) return NO_VICTIMS;
  const later = copyOf(node);
  const gone = new Set<PodInfo>();
  for (const other of lower) leave(other);
  try {
    const no = fits(pod, later, filters, nominations);
    if (no) return no;
    lower.sort(byImportance);
    const protectedOnes = violating(lower, budgets);
    let violations = 0;
    for (const other of lower) if (protectedOnes.has(other) && !spared(other)) violations++;
    for (const other of lower) if (!protectedOnes.has(other)) spared(other);
    const victims = lower.filter((other) => gone.has(other));
    const sum = victims.reduce((total, { priority }) => total + priority + OFFSET, 0);
    return { node, victims, violations, sum, earliest: earliestStart(victims) };
  } finally {
    for (const other of [...gone]) come(other);
  }

  function leave(other: PodInfo): void {
    takePod(later, other.pod.metadata.uid);
    move(other, later, "remove");
    gone.add(other);
  }

  function come(other: PodInfo): void {
    putPod(later, other);
    move(other, later, "add");
    gone.delete(other);
  }

  /** Whether the Pod may stay after all. */
  function spared(other: PodInfo): boolean {
    come(other);
    if (!fits(pod, later, filters, nominations)) return true;
    leave(other);
    return false;
  }

  function move(other: PodInfo, on: MutableNodeInfo, how: "add" | "remove"): void {
    for (const { filter } of filters) filter[how]?.(other, on);
  }
}

export const isRefused = (result: Sacrifice | Refused | Refusal): result is Refused => "reasons" in result;

/** Higher priority first, then the one that has run longer. */
export function byImportance(a: PodInfo, b: PodInfo): number {
  if (a.priority !== b.priority) return b.priority - a.priority;
  const [first, second] = [startOf(a.pod), startOf(b.pod)];
  return first === second ? 0 : first < second ? -1 : 1;
}

/** One that has not started yet is the newest. */
const startOf = ({ status }: Pod): string => status?.startTime ?? "~";

/** The Pods that may not be disrupted any more once those before them have been. */
function violating(pods: readonly PodInfo[], budgets: readonly PodDisruptionBudget[]): ReadonlySet<PodInfo> {
  const found = new Set<PodInfo>();
  if (budgets.length === 0) return found;
  const left = budgets.map((budget) => ({
    budget,
    selector: fromLabelSelector(budget.spec?.selector),
    allowed: budget.status?.disruptionsAllowed ?? 0,
  }));
  for (const info of pods) {
    const { namespace, name, labels } = info.pod.metadata;
    if (!labels || Object.keys(labels).length === 0) continue;
    for (const one of left) {
      if (one.budget.metadata.namespace !== namespace || isEverything(one.selector)) continue;
      if (!matches(one.selector, labels) || one.budget.status?.disruptedPods?.[name]) continue;
      if (--one.allowed < 0) found.add(info);
    }
  }
  return found;
}

/** Where it does least harm; of equals the first. */
export function leastHarm(candidates: readonly Sacrifice[]): Sacrifice | undefined {
  let best = candidates[0];
  for (const one of candidates) if (best && harmsLess(one, best)) best = one;
  return best;
}

/** Fewer protected ones, a less important first, less priority in sum, fewer, and then those that began last. */
function harmsLess(a: Sacrifice, b: Sacrifice): boolean {
  if (a.violations !== b.violations) return a.violations < b.violations;
  const [first, second] = [a.victims[0]?.priority ?? 0, b.victims[0]?.priority ?? 0];
  if (first !== second) return first < second;
  if (a.sum !== b.sum) return a.sum < b.sum;
  if (a.victims.length !== b.victims.length) return a.victims.length < b.victims.length;
  return a.earliest > b.earliest;
}

const OFFSET = 2 ** 31;

function earliestStart(victims: readonly PodInfo[]): string {
  let earliest = "~";
  for (const { pod, priority } of victims) {
    if (priority !== victims[0]?.priority) break;
    const start = startOf(pod);
    if (start < earliest) earliest = start;
  }
  return earliest;
}
