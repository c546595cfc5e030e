/** NodeAffinity: nodeSelector and required node affinity filter, preferred node affinity scores. */
import type { Node, Pod } from "../../machinery/objects/kinds.ts";
import { matchesNodeSelector, matchesNodeTerm } from "../../machinery/objects/node-selector.ts";
import { type FilterPlugin, proportional, type ScorePlugin } from "../framework.ts";

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
      preferred.reduce((sum, { preference, weight }) => sum + (matchesNodeTerm(preference, node) ? weight : 0), 0);
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
