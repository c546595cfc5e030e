/** Spread constraints: a Pod's topologySpreadConstraints with their defaults and selectors settled. */
import type { Node, Pod, PodSpec } from "../../machinery/objects/kinds.ts";
import { fromLabelSelector, isEverything, matches, type Selector } from "../../machinery/objects/selectors.ts";
import { also, likePod } from "../pod-terms.ts";
import type { NodeInfo } from "../snapshot.ts";
import { wantsNode } from "./node-affinity.ts";
import { toleratesNode } from "./taint-toleration.ts";

type Constraint = NonNullable<PodSpec["topologySpreadConstraints"]>[number];

export interface SpreadConstraint {
  readonly topologyKey: string;
  readonly maxSkew: number;
  readonly minDomains: number;
  readonly selector: Selector;
  /** Whether the node's domain counts for this Pod at all. */
  includes(node: Node): boolean;
}

export function constraintsOf(
  pod: Pod,
  whenUnsatisfiable: "DoNotSchedule" | "ScheduleAnyway",
): readonly SpreadConstraint[] {
  const constraints = pod.spec?.topologySpreadConstraints ?? [];
  return constraints
    .filter((constraint) => constraint.whenUnsatisfiable === whenUnsatisfiable)
    .map((constraint) => {
      const alike = likePod(pod.metadata.labels ?? {}, constraint.matchLabelKeys, "in");
      const selector = also(fromLabelSelector(constraint.labelSelector), alike);
      return spreadConstraint(pod, constraint, selector);
    });
}

export function spreadConstraint(
  pod: Pod,
  constraint: Pick<Constraint, "topologyKey" | "maxSkew" | "minDomains" | "nodeAffinityPolicy" | "nodeTaintsPolicy">,
  selector: Selector,
): SpreadConstraint {
  const {
    topologyKey,
    maxSkew,
    minDomains = 1,
    nodeAffinityPolicy = "Honor",
    nodeTaintsPolicy = "Ignore",
  } = constraint;
  const wanted = nodeAffinityPolicy === "Honor" ? wantsNode(pod) : undefined;
  return {
    topologyKey,
    maxSkew,
    minDomains,
    selector,
    includes: (node) => (wanted?.(node) ?? true) && (nodeTaintsPolicy === "Ignore" || toleratesNode(pod, node)),
  };
}

/** Selected Pods of the namespace on the node. An empty selector counts none. */
export function countSelected({ pods }: NodeInfo, selector: Selector, namespace: string | undefined): number {
  if (isEverything(selector)) return 0;
  let count = 0;
  for (const { pod } of pods.values()) {
    const { metadata } = pod;
    if (metadata.namespace !== namespace || metadata.deletionTimestamp) continue;
    if (matches(selector, metadata.labels)) count++;
  }
  return count;
}
