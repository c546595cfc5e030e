/**
 * Steps: what users do, as data, and the course of one workload from its making to the last word about it.
 */

import type { Random } from "../random.ts";
import type { Shape } from "../shape.ts";
import { STORM_MS } from "../shape.ts";

interface Target {
  readonly resource: string;
  /** "" where there is none. */
  readonly namespace: string;
  readonly name: string;
}

export type Change =
  | ({ readonly verb: "create"; readonly body: object } & Target)
  | ({ readonly verb: "patch"; readonly body: object } & Target)
  | ({ readonly verb: "delete"; readonly propagation: "Background" | "Foreground" | "Orphan" } & Target)
  /** One of the Pods of the workload of this name, or all of a node's, by the eviction API. */
  | ({ readonly verb: "evict"; readonly resource: "pods" | "nodes"; readonly pick: number } & Target);

export type Step = { readonly at: number } & Change;

export interface App {
  readonly from: Random;
  /** For what was added later: another stream, so that the plans of before stay what they were. */
  readonly more: Random;
  readonly shape: Shape;
  readonly namespace: string;
  readonly name: string;
}

export type Resource = "deployments" | "replicasets" | "statefulsets" | "daemonsets" | "jobs" | "cronjobs";

const CPU = ["50m", "100m", "250m"];

/** Names of the classes that users make where Pods differ in priority. */
export const PRIORITIES = ["high", "low"];

export const template = (labels: object, image: string, { from, more: later, shape }: App, more: object = {}) => ({
  metadata: { labels },
  spec: {
    terminationGracePeriodSeconds: from.between(1, 10),
    containers: [{ name: "c", image, resources: { requests: { cpu: from.pick(CPU) } } }],
    ...(shape.priorities && later.chance(0.7) ? { priorityClassName: later.pick(PRIORITIES) } : {}),
    ...more,
  },
});

export const imagePatch = (image: string) => ({ spec: { template: { spec: { containers: [{ name: "c", image }] } } } });

/** Changes in the course of the storm, and the last word at its end. */
export function life(
  app: App,
  resource: Resource,
  body: object,
  changes: readonly (() => object)[],
  last: object,
  lastAt: number = STORM_MS + 1_000,
): Step[] {
  const { from, namespace, name } = app;
  const target = { resource, namespace, name };
  const start = from.between(100, 5_000);
  const steps: Step[] = [{ at: start, verb: "create", ...target, body }];
  const plain = resource === "jobs" || resource === "cronjobs";
  let gone = false;
  for (let count = from.between(0, 7), at = start; count > 0; count--) {
    at += from.between(500, STORM_MS / 5);
    if (at >= STORM_MS) break;
    if (from.chance(0.1)) {
      const propagation = from.pick(["Background", "Background", "Foreground", "Orphan"] as const);
      steps.push({ at, verb: "delete", ...target, propagation: plain ? "Background" : propagation });
      gone = from.chance(0.4);
      if (gone) break;
      at += from.between(0, 3_000);
      steps.push({ at, verb: "create", ...target, body });
    } else steps.push({ at, verb: "patch", ...target, body: from.pick(changes)() });
  }
  if (!gone) steps.push({ at: lastAt, verb: "patch", ...target, body: last });
  return steps;
}
