/** TaintToleration: taints that a Pod does not tolerate keep it away, or make a node less liked. */
import type { Node, Pod, Taint, Toleration } from "../../machinery/objects/kinds.ts";
import { tolerates as toleratedBy } from "../../machinery/objects/tolerations.ts";
import { proportional } from "../decide.ts";
import { type Hint, type Plugin, refusedForGood } from "../framework.ts";

const UNTOLERATED = refusedForGood("node(s) had untolerated taint(s)");

export const taintToleration: Plugin = {
  name: "TaintToleration",
  hints: [helping("node-added"), helping("node-taints")],
  preFilter: ({ pod }) => ({ local: true, check: ({ node }) => (toleratesNode(pod, node) ? undefined : UNTOLERATED) }),
  preScore({ pod }, { dislikedNodes }) {
    if (dislikedNodes === 0) return undefined;
    return {
      local: true,
      score({ node }) {
        let number = 0;
        for (const taint of node.spec?.taints ?? [])
          if (isSoft(taint) && !tolerates(pod.spec?.tolerations, taint)) number++;
        return number;
      },
      normalize: (scores) => proportional(scores, true),
    };
  },
};

const isSoft = ({ effect }: Taint) => effect === "PreferNoSchedule";

function helping(on: "node-added" | "node-taints"): Hint {
  return { on, helps: ({ pod }, { object }) => !object || toleratesNode(pod, object as Node) };
}

/** Whether no taint of the node keeps the Pod away. */
export function toleratesNode({ spec }: Pod, node: Node): boolean {
  const taints = node.spec?.taints;
  if (!taints) return true;
  return taints.every((taint) => isSoft(taint) || tolerates(spec?.tolerations, taint));
}

export function tolerates(tolerations: readonly Toleration[] | undefined, taint: Taint): boolean {
  return (tolerations ?? []).some((toleration) => toleratedBy(toleration, taint));
}
