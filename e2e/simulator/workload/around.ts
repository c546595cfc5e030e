/**
 * Around: what users put beside a workload: budgets of disruption with evictions, and autoscalers.
 */

import { random } from "../random.ts";
import { STORM_MS } from "../shape.ts";
import type { App, Step } from "./steps.ts";

/** A budget, and evictions that come one by one and all at once. */
export function budgetSteps({ more, namespace, name }: App): Step[] {
  const rule = more.pick([
    { minAvailable: 1 },
    { minAvailable: 2 },
    { minAvailable: "50%" },
    { maxUnavailable: 1 },
    { maxUnavailable: "40%" },
  ]);
  const policy = more.chance(0.3) ? { unhealthyPodEvictionPolicy: "AlwaysAllow" } : {};
  const spec = { ...rule, ...policy, selector: { matchLabels: { app: name } } };
  const steps: Step[] = [
    { at: more.between(50, 12_000), verb: "create", resource: "poddisruptionbudgets", namespace, name, body: { spec } },
  ];
  for (let at = more.between(8_000, 40_000); at < STORM_MS; at += more.between(6_000, 50_000))
    for (let count = more.between(1, 3); count > 0; count--)
      steps.push({ at, verb: "evict", resource: "pods", namespace, name, pick: more.between(0, 9) });
  return steps;
}

/** What one Pod may use before there are more. */
export const POD_TARGET = 0.5;

export function autoscalerSteps({ more, namespace, name }: App): Step[] {
  const minReplicas = more.between(1, 2);
  const target = { type: "Utilization", averageUtilization: POD_TARGET * 100 };
  const spec = {
    scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name },
    minReplicas,
    maxReplicas: more.between(minReplicas + 1, 6),
    metrics: [{ type: "Resource", resource: { name: "cpu", target } }],
  };
  const at = more.between(100, 20_000);
  return [{ at, verb: "create", resource: "horizontalpodautoscalers", namespace, name, body: { spec } }];
}

const LOAD_CHANGES_MS = 30_000;

/**
 * What all Pods of a workload have to do at a time, in Pods that are as busy as their autoscaler wants them: some
 * whole number and a half, so that it is clear how many Pods that asks for. It stays as it is after the storm.
 */
export function loadOf(seed: number, app: string, elapsed: number): number {
  const phase = Math.floor(Math.min(elapsed, STORM_MS) / LOAD_CHANGES_MS);
  return random(seed, "load", app, phase).between(0, 4) + 0.5;
}
