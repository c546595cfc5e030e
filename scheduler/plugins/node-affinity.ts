/** NodeAffinity: nodeSelector and required node affinity filter, preferred node affinity scores. */
import type { Node, NodeSelector, NodeSelectorTerm, Pod } from "../../machinery/objects/kinds.ts";
import { type FilterPlugin, proportional, type ScorePlugin } from "../framework.ts";

type Requirement = NonNullable<NodeSelectorTerm["matchExpressions"]>[number];

const REASONS = ["node(s) didn't match Pod's node affinity/selector"];

export const nodeAffinity: FilterPlugin = {
  name: "NodeAffinity",
  helpedBy: ["node-added", "node-labels"],
  preFilter({ pod }) {
    const wanted = wantsNode(pod);
    return wanted && (({ node }) => (wanted(node) ? [] : REASONS));
  },
};

export const preferredNodeAffinity: ScorePlugin = {
  name: "NodeAffinity",
  weight: 2,
  preScore({ pod }) {
    const preferred = pod.spec?.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution;
    if (!preferred?.length) return undefined;
    return ({ node }) =>
      preferred.reduce((sum, { preference, weight }) => sum + (matchesTerm(preference, node) ? weight : 0), 0);
  },
  normalize: proportional,
};

/** What a Pod requires of its node's labels and name; undefined: nothing. */
export function wantsNode({ spec }: Pod): ((node: Node) => boolean) | undefined {
  const selector = Object.entries(spec?.nodeSelector ?? {});
  const required = spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  if (selector.length === 0 && !required) return undefined;
  return (node) =>
    selector.every(([key, value]) => node.metadata.labels?.[key] === value) &&
    (!required || matchesNodeSelector(required, node));
}

export const matchesNodeSelector = ({ nodeSelectorTerms }: NodeSelector, node: Node): boolean =>
  nodeSelectorTerms.some((term) => matchesTerm(term, node));

/** An empty term matches no node. */
function matchesTerm({ matchExpressions = [], matchFields = [] }: NodeSelectorTerm, node: Node): boolean {
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
