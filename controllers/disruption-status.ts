/**
 * Status of a PodDisruptionBudget: how many of its Pods are well, and how many may go. Pure.
 *
 * What the eviction API let go (status.disruptedPods) counts as gone before the cache shows it.
 */
import { withCondition } from "../machinery/objects/conditions.ts";
import { resolvePercent } from "../machinery/objects/int-or-string.ts";
import type { Pod, PodDisruptionBudget } from "../machinery/objects/kinds.ts";
import { wireTime } from "../machinery/process/clock.ts";
import { isActive, isReady } from "./pod-state.ts";

export type BudgetStatus = NonNullable<PodDisruptionBudget["status"]>;

/** A Pod that was let go and is not deleted by then stays. */
const DELETION_MS = 2 * 60_000;

/** Whether the budget is of what the Pods' owners ask for, and not of the Pods that are there. */
export function needsScale({ spec }: PodDisruptionBudget): boolean {
  return spec?.maxUnavailable !== undefined || typeof spec?.minAvailable === "string";
}

/** How many Pods there should be, and how many of them well. `scale`: what the owners ask for. */
export function wanted({ spec }: PodDisruptionBudget, pods: number, scale: number) {
  const { minAvailable, maxUnavailable } = spec ?? {};
  if (maxUnavailable !== undefined)
    return { expected: scale, healthy: Math.max(0, scale - resolvePercent(maxUnavailable, scale, "up")) };
  if (typeof minAvailable === "number") return { expected: pods, healthy: minAvailable };
  if (minAvailable !== undefined) return { expected: scale, healthy: resolvePercent(minAvailable, scale, "up") };
  return { expected: 0, healthy: 0 };
}

export interface Disrupted {
  /** Still awaited to go. */
  readonly pods: Readonly<Record<string, string>>;
  /** Let go, and not gone in time. */
  readonly stayed: readonly Pod[];
  /** Milliseconds until the first of them should have gone. */
  readonly wait: number | undefined;
}

export function disrupted({ status }: PodDisruptionBudget, pods: readonly Pod[], now: number): Disrupted {
  const known = status?.disruptedPods ?? {};
  const awaited: Record<string, string> = {};
  const stayed: Pod[] = [];
  let wait: number | undefined;
  for (const pod of pods) {
    const { name, deletionTimestamp } = pod.metadata;
    const since = Object.hasOwn(known, name) ? known[name] : undefined;
    if (!since || deletionTimestamp) continue;
    const left = Date.parse(since) + DELETION_MS - now;
    if (left <= 0) stayed.push(pod);
    else {
      awaited[name] = since;
      wait = Math.min(wait ?? left, left);
    }
  }
  return { pods: awaited, stayed, wait };
}

/** A Pod that a controller ended for a node that is gone may say for long that it is ready: nobody else corrects it. */
export const countHealthy = (pods: readonly Pod[], awaited: Disrupted["pods"]): number =>
  pods.filter((pod) => isActive(pod) && isReady(pod) && !Object.hasOwn(awaited, pod.metadata.name)).length;

export interface Counts {
  readonly expected: number;
  readonly desired: number;
  readonly healthy: number;
  readonly disrupted: Disrupted["pods"];
}

export function statusOf(budget: PodDisruptionBudget, counts: Counts, now: number): BudgetStatus {
  const { expected, desired, healthy } = counts;
  // a budget that has no Pods yet allows nothing: the first ones may be there before this controller looks
  const allowed = expected > 0 ? Math.max(0, healthy - desired) : 0;
  const { generation } = budget.metadata;
  return {
    ...(Object.keys(counts.disrupted).length > 0 ? { disruptedPods: counts.disrupted } : {}),
    disruptionsAllowed: allowed,
    currentHealthy: healthy,
    desiredHealthy: desired,
    expectedPods: expected,
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    conditions: conditionsWith(budget, allowed > 0 ? "SufficientPods" : "InsufficientPods", "", generation, now),
  };
}

/** Nothing may go while nobody knows how many Pods there should be. */
export function failedStatus(budget: PodDisruptionBudget, message: string, now: number): BudgetStatus {
  const { status } = budget;
  return {
    currentHealthy: 0,
    desiredHealthy: 0,
    expectedPods: 0,
    ...status,
    disruptionsAllowed: 0,
    conditions: conditionsWith(budget, "SyncFailed", message, status?.observedGeneration, now),
  };
}

function conditionsWith(
  { status }: PodDisruptionBudget,
  reason: string,
  message: string,
  generation: number | undefined,
  now: number,
): NonNullable<BudgetStatus["conditions"]> {
  const observed = generation === undefined ? {} : { observedGeneration: generation };
  const condition = {
    type: "DisruptionAllowed",
    status: reason === "SufficientPods" ? "True" : "False",
    reason,
    message,
  };
  return withCondition(status?.conditions, { ...condition, ...observed, lastTransitionTime: "" }, wireTime(now));
}
