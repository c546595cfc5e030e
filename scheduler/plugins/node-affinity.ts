/** NodeAffinity: nodeSelector and required node affinity filter, preferred node affinity scores. */
import type { Node, NodeSelectorTerm } from "../../machinery/objects/kinds.ts";
import { type FilterPlugin, proportional, type ScorePlugin } from "../framework.ts";

type Requirement = NonNullable<NodeSelectorTerm["matchExpressions"]>[number];

export const nodeAffinity: FilterPlugin = {
  name: "NodeAffinity",
  filter({ pod }, { node }) {
    const labels = node.metadata.labels ?? {};
    const selected = Object.entries(pod.spec?.nodeSelector ?? {}).every(([key, value]) => labels[key] === value);
    const required = pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
    const fits = selected && (!required || required.nodeSelectorTerms.some((term) => matchesTerm(term, node)));
    return fits ? [] : ["node(s) didn't match Pod's node affinity/selector"];
  },
};

export const preferredNodeAffinity: ScorePlugin = {
  name: "NodeAffinity",
  weight: 2,
  score({ pod }, { node }) {
    const preferred = pod.spec?.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
    return preferred.reduce((sum, { preference, weight }) => sum + (matchesTerm(preference, node) ? weight : 0), 0);
  },
  normalize: proportional,
};

/** An empty term matches no node. */
export function matchesTerm({ matchExpressions = [], matchFields = [] }: NodeSelectorTerm, node: Node): boolean {
  if (matchExpressions.length + matchFields.length === 0) return false;
  const { labels = {}, name } = node.metadata;
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
