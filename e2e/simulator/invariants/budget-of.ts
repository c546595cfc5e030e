/**
 * Budget of: which Pods a PodDisruptionBudget is about, and how many of them have to be well. Written again here on
 * purpose: a check must not share a fault with what it checks.
 */
import type { Pod, PodDisruptionBudget } from "../../../machinery/objects/kinds.ts";
import { controllerOf } from "../../../machinery/objects/owners.ts";
import type { Objects } from "../objects.ts";
import { resolveIntOrPercent } from "./int-or-percent.ts";

export function hasPod({ metadata, spec }: PodDisruptionBudget, pod: Pod): boolean {
  const labels = Object.entries(spec?.selector?.matchLabels ?? {});
  const same = pod.metadata.namespace === metadata.namespace;
  return same && labels.every(([key, value]) => pod.metadata.labels?.[key] === value);
}

type Scaled = { readonly spec?: { readonly replicas?: number } };

/** What the owners of its Pods ask for, a Deployment in place of its ReplicaSets. */
export function expectedPods(budget: PodDisruptionBudget, objects: Objects): number {
  const owners = new Map<string, number>();
  for (const pod of objects.of("pods")) {
    const owner = hasPod(budget, pod) ? objects.byUid(controllerOf(pod)?.uid ?? "") : undefined;
    const above = owner && (objects.byUid(controllerOf(owner)?.uid ?? "") ?? owner);
    if (above) owners.set(above.metadata.uid, (above as Scaled).spec?.replicas ?? 1);
  }
  return [...owners.values()].reduce((sum, replicas) => sum + replicas, 0);
}

export function desiredHealthy(budget: PodDisruptionBudget, objects: Objects): number {
  const { minAvailable, maxUnavailable } = budget.spec ?? {};
  if (typeof minAvailable === "number") return minAvailable;
  const expected = expectedPods(budget, objects);
  if (maxUnavailable !== undefined)
    return Math.max(0, expected - resolveIntOrPercent(maxUnavailable, expected, Math.ceil));
  return minAvailable === undefined ? 0 : resolveIntOrPercent(minAvailable, expected, Math.ceil);
}
