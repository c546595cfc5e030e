/** TaintToleration: taints that a Pod does not tolerate keep it away, or make a node less liked. */
import type { Node, Pod, Taint, Toleration } from "../../machinery/objects/kinds.ts";
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

/** https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/ */
export function tolerates(tolerations: readonly Toleration[] | undefined, taint: Taint): boolean {
  return (tolerations ?? []).some(({ key, operator, value, effect }) => {
    if (effect && effect !== taint.effect) return false;
    if (key && key !== taint.key) return false;
    const compare = COMPARE[operator || "Equal"];
    return compare?.(key ?? "", value ?? "", taint.value ?? "") ?? false;
  });
}

const COMPARE: Readonly<Record<string, (key: string, value: string, taint: string) => boolean>> = {
  Exists: () => true,
  Equal: (key, value, taint) => key !== "" && value === taint,
  Gt: (key, value, taint) => key !== "" && isInteger(value) && isInteger(taint) && BigInt(taint) > BigInt(value),
  Lt: (key, value, taint) => key !== "" && isInteger(value) && isInteger(taint) && BigInt(taint) < BigInt(value),
};

const isInteger = (text: string) => /^-?\d+$/.test(text);
