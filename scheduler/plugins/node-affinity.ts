/** NodeAffinity: nodeSelector and required node affinity filter, preferred node affinity scores. */
import type { Node, Pod } from "../../machinery/objects/kinds.ts";
import { matchesNodeSelector, matchesNodeTerm } from "../../machinery/objects/node-selector.ts";
import { proportional } from "../decide.ts";
import { type Hint, type Plugin, refusedForGood } from "../framework.ts";

const ELSEWHERE = refusedForGood("node(s) didn't match Pod's node affinity/selector");

/** What the configuration asks of the nodes of every Pod of the profile. */
export interface NodeAffinityArgs {
  readonly addedAffinity?: NonNullable<NonNullable<Pod["spec"]>["affinity"]>["nodeAffinity"];
}

export const nodeAffinity = ({ addedAffinity }: NodeAffinityArgs): Plugin => {
  const added = addedAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const addedPreferred = addedAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  return {
    name: "NodeAffinity",
    hints: [helping("node-added"), helping("node-labels")],
    preFilter({ pod }) {
      const wanted = wantsNode(pod);
      if (!wanted && !added) return undefined;
      const only = namedNodes(pod);
      return {
        local: true,
        check: ({ node }) =>
          (wanted?.(node) ?? true) && (!added || matchesNodeSelector(added, node)) ? undefined : ELSEWHERE,
        ...(only ? { only } : {}),
      };
    },
    preScore({ pod }) {
      const own = pod.spec?.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
      const preferred = [...own, ...addedPreferred];
      if (preferred.length === 0) return undefined;
      return {
        local: true,
        score: ({ node }) =>
          preferred.reduce((sum, { preference, weight }) => sum + (matchesNodeTerm(preference, node) ? weight : 0), 0),
        normalize: proportional,
      };
    },
  };
};

/** Only a node that the Pod wants helps it. */
const helping = (on: "node-added" | "node-labels"): Hint => ({
  on,
  helps: ({ pod }, { object }) => !object || (wantsNode(pod)?.(object as Node) ?? true),
});

/** The nodes that a Pod can only be on because each alternative names one, as those of DaemonSets do. */
function namedNodes({ spec }: Pod): ReadonlySet<string> | undefined {
  const terms = spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms;
  if (!terms?.length) return undefined;
  const names = new Set<string>();
  for (const { matchFields } of terms) {
    const named = matchFields?.filter(({ key, operator }) => key === "metadata.name" && operator === "In") ?? [];
    if (named.length === 0) return undefined;
    const [first, ...rest] = named.map(({ values }) => new Set(values));
    for (const name of first ?? []) if (rest.every((set) => set.has(name))) names.add(name);
  }
  return names;
}

/** What a Pod requires of its node's labels and name; undefined: nothing. */
export function wantsNode({ spec }: Pod): ((node: Node) => boolean) | undefined {
  const required = spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  if (!spec?.nodeSelector && !required) return undefined;
  const selector = Object.entries(spec?.nodeSelector ?? {});
  return (node) =>
    selector.every(([key, value]) => node.metadata.labels?.[key] === value) &&
    (!required || matchesNodeSelector(required, node));
}
