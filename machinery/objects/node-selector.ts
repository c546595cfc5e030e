/**
 * Node selectors: which nodes the terms of a required node affinity match. Pure.
 *
 * Pods say with them where they may run, volumes where they can be reached. Terms are joined by OR,
 * what one term says by AND; an empty term matches no node.
 * https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#node-affinity
 */
import type { Node, NodeSelector, NodeSelectorTerm } from "./kinds.ts";

type Requirement = NonNullable<NodeSelectorTerm["matchExpressions"]>[number];
type Described = Pick<Node, "metadata">;

export const matchesNodeSelector = ({ nodeSelectorTerms }: NodeSelector, node: Described): boolean =>
  nodeSelectorTerms.some((term) => matchesNodeTerm(term, node));

export function matchesNodeTerm(
  { matchExpressions = [], matchFields = [] }: NodeSelectorTerm,
  { metadata: { labels = {}, name } }: Described,
): boolean {
  if (matchExpressions.length + matchFields.length === 0) return false;
  return (
    matchExpressions.every((one) => holds(one, labels[one.key])) &&
    matchFields.every((one) => holds(one, one.key === "metadata.name" ? name : undefined))
  );
}

const holds = ({ operator, values = [] }: Requirement, value: string | undefined): boolean =>
  OPERATORS[operator]?.(value, values) ?? false;

const OPERATORS: Readonly<Record<string, (value: string | undefined, values: readonly string[]) => boolean>> = {
  In: (value, values) => value !== undefined && values.includes(value),
  NotIn: (value, values) => value === undefined || !values.includes(value),
  Exists: (value) => value !== undefined,
  DoesNotExist: (value) => value === undefined,
  Gt: (value, [bound]) => isInteger(value) && isInteger(bound) && BigInt(value) > BigInt(bound),
  Lt: (value, [bound]) => isInteger(value) && isInteger(bound) && BigInt(value) < BigInt(bound),
};

const isInteger = (text: string | undefined): text is string => text !== undefined && /^-?\d+$/.test(text);
