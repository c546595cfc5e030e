/** Spread constraints: a Pod's topologySpreadConstraints with their defaults and selectors settled. */
import type { Node, Pod, PodSpec } from "../../machinery/objects/kinds.ts";
import { fromLabelSelector, isEverything, matches, type Selector } from "../../machinery/objects/selectors.ts";
import type { Cluster } from "../cluster.ts";
import type { PodKind } from "../pod-index.ts";
import { also, likePod } from "../pod-terms.ts";
import { wantsNode } from "./node-affinity.ts";
import { selectorOfGroup } from "./pod-group.ts";
import { toleratesNode } from "./taint-toleration.ts";
import { domainOf } from "./topology.ts";

type Constraint = NonNullable<PodSpec["topologySpreadConstraints"]>[number];

export interface SpreadConstraint {
  readonly topologyKey: string;
  readonly maxSkew: number;
  readonly minDomains: number;
  /** Whether the Pod is one of those that it counts. */
  readonly counted: boolean;
  /** The Pods that count, on the nodes that count for this Pod. */
  readonly kind: PodKind;
}

type Settled = Omit<Constraint, "labelSelector" | "matchLabelKeys"> & { readonly selector: Selector };

/** `complete`: only nodes with the topology keys of all constraints count. */
export function constraintsOf(
  pod: Pod,
  whenUnsatisfiable: "DoNotSchedule" | "ScheduleAnyway",
  complete: readonly string[],
): readonly SpreadConstraint[] {
  const constraints = pod.spec?.topologySpreadConstraints ?? [];
  return constraints
    .filter((constraint) => constraint.whenUnsatisfiable === whenUnsatisfiable)
    .map((constraint) => {
      const alike = likePod(pod.metadata.labels ?? {}, constraint.matchLabelKeys, "in");
      return spreadConstraint(
        pod,
        { ...constraint, selector: also(fromLabelSelector(constraint.labelSelector), alike) },
        complete,
      );
    });
}

/** What Pods without constraints of their own are spread by. */
export type DefaultConstraint = Omit<Constraint, "labelSelector" | "matchLabelKeys">;

/** Of a Pod without constraints of its own, with the Pods of its Service and controller; none where it has neither. */
export function groupConstraints(
  pod: Pod,
  cluster: Cluster,
  defaults: readonly DefaultConstraint[],
  complete: readonly string[],
): readonly SpreadConstraint[] {
  if (defaults.length === 0 || hasOwn(pod)) return [];
  const selector = selectorOfGroup(pod, cluster);
  if (isEverything(selector)) return [];
  return defaults.map((constraint) => spreadConstraint(pod, { ...constraint, selector }, complete));
}

export const hasOwn = ({ spec }: Pod): boolean => (spec?.topologySpreadConstraints ?? []).length > 0;

/** The topology keys of those constraints. */
export const keysOf = ({ spec }: Pod, whenUnsatisfiable: string): readonly string[] =>
  (spec?.topologySpreadConstraints ?? [])
    .filter((constraint) => constraint.whenUnsatisfiable === whenUnsatisfiable)
    .map(({ topologyKey }) => topologyKey);

export function spreadConstraint(pod: Pod, constraint: Settled, complete: readonly string[]): SpreadConstraint {
  const { topologyKey, maxSkew, minDomains = 1, selector } = constraint;
  return {
    topologyKey,
    maxSkew,
    minDomains,
    counted: matches(selector, pod.metadata.labels),
    kind: kindOf(pod, constraint, complete),
  };
}

/** Pods of the namespace that the selector takes, but those on their way out. An empty selector counts none. */
function kindOf(pod: Pod, constraint: Settled, complete: readonly string[]): PodKind {
  const { selector, nodeAffinityPolicy = "Honor", nodeTaintsPolicy = "Ignore" } = constraint;
  const { namespace } = pod.metadata;
  const { nodeSelector, affinity, tolerations } = pod.spec ?? {};
  const wanted = nodeAffinityPolicy === "Honor" ? wantsNode(pod) : undefined;
  const asTaints = nodeTaintsPolicy === "Honor";
  const required = affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const none = isEverything(selector);
  return {
    id: JSON.stringify([
      namespace,
      selector,
      complete,
      wanted && [nodeSelector, required],
      asTaints && (tolerations ?? []),
    ]),
    includes: ({ metadata }) =>
      !none && metadata.namespace === namespace && !metadata.deletionTimestamp && matches(selector, metadata.labels),
    counts: (node: Node) =>
      complete.every((key) => domainOf(node, key) !== undefined) &&
      (wanted?.(node) ?? true) &&
      (!asTaints || toleratesNode(pod, node)),
    byNamespaceLabels: false,
  };
}
