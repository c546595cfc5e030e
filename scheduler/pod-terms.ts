/**
 * Pod terms: what a Pod says about other Pods near it, parsed once. Pure.
 *
 * A term without namespaces means the Pod's own. The labels named by matchLabelKeys and
 * mismatchLabelKeys are taken from the Pod that says so. What follows: plugins/inter-pod-affinity.ts.
 * https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#inter-pod-affinity-and-anti-affinity
 */
import type { Pod, PodSpec } from "../machinery/objects/kinds.ts";
import {
  fromLabelSelector,
  type Labels,
  matches,
  type Requirement,
  type Selector,
} from "../machinery/objects/selectors.ts";

type Affinity = NonNullable<PodSpec["affinity"]>;
type WireTerm = NonNullable<
  NonNullable<Affinity["podAffinity"]>["requiredDuringSchedulingIgnoredDuringExecution"]
>[number];
type WireWeighted = NonNullable<
  NonNullable<Affinity["podAffinity"]>["preferredDuringSchedulingIgnoredDuringExecution"]
>[number];

export interface PodTerm {
  /** The same for terms that ask for the same Pods in the same topology. */
  readonly id: string;
  /** The same for terms that ask for the same Pods. */
  readonly who: string;
  readonly topologyKey: string;
  readonly selector: Selector;
  readonly namespaces: ReadonlySet<string>;
  /** Namespaces by their labels, besides those named. */
  readonly namespaceSelector: Selector;
}

export interface WeightedTerm {
  readonly term: PodTerm;
  /** Negative: rather not near such Pods. */
  readonly weight: number;
}

export interface PodTerms {
  readonly near: readonly PodTerm[];
  readonly apart: readonly PodTerm[];
  readonly preferred: readonly WeightedTerm[];
}

/** Undefined for a Pod that says nothing about others. */
export function podTerms(pod: Pod): PodTerms | undefined {
  const { podAffinity, podAntiAffinity } = pod.spec?.affinity ?? {};
  if (!podAffinity && !podAntiAffinity) return undefined;
  const parse = (term: WireTerm) => podTerm(term, pod);
  const weigh = (sign: 1 | -1) => (soft: WireWeighted) => ({
    term: parse(soft.podAffinityTerm),
    weight: sign * soft.weight,
  });
  return {
    near: (podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []).map(parse),
    apart: (podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []).map(parse),
    preferred: [
      ...(podAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(weigh(1)),
      ...(podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(weigh(-1)),
    ],
  };
}

/** Whether the term is about this Pod, whose namespace has these labels. */
export function concerns(term: PodTerm, { metadata }: Pod, namespaceLabels: Labels | undefined): boolean {
  const { namespace = "", labels } = metadata;
  const there = term.namespaces.has(namespace) || matches(term.namespaceSelector, namespaceLabels);
  return there && matches(term.selector, labels);
}

function podTerm(term: WireTerm, { metadata }: Pod): PodTerm {
  const { namespace = "", labels = {} } = metadata;
  const { topologyKey, namespaceSelector, namespaces = [], matchLabelKeys, mismatchLabelKeys } = term;
  const own = namespaces.length === 0 && !namespaceSelector;
  const selector = also(fromLabelSelector(term.labelSelector), [
    ...likePod(labels, matchLabelKeys, "in"),
    ...likePod(labels, mismatchLabelKeys, "notin"),
  ]);
  const there = own ? [namespace] : namespaces;
  const who = JSON.stringify([selector, there, namespaceSelector]);
  return {
    id: `${topologyKey} ${who}`,
    who,
    topologyKey,
    selector,
    namespaces: new Set(there),
    namespaceSelector: fromLabelSelector(namespaceSelector),
  };
}

/** Requirements that other Pods have the same (or another) value of these labels; keys that the Pod lacks are ignored. */
export function likePod(labels: Labels, keys: readonly string[] | undefined, operator: "in" | "notin"): Requirement[] {
  return (keys ?? []).flatMap((key) => {
    const value = labels[key];
    return value === undefined ? [] : [{ key, operator, values: [value] }];
  });
}

/** The selector with more requirements. */
export function also(selector: Selector, more: readonly Requirement[]): Selector {
  return more.length === 0 || selector.nothing ? selector : { requirements: [...selector.requirements, ...more] };
}
