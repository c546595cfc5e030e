/** TaintToleration: taints that a Pod does not tolerate keep it away, or make a node less liked. */
import type { Node, Pod, Taint, Toleration } from "../../machinery/objects/kinds.ts";
import { type FilterPlugin, proportional, type ScorePlugin } from "../framework.ts";

export const taintToleration: FilterPlugin = {
  name: "TaintToleration",
  helpedBy: ["node-added", "node-taints"],
  preFilter:
    ({ pod }) =>
    ({ node }) =>
      toleratesNode(pod, node) ? [] : ["node(s) had untolerated taint(s)"],
};

export const preferNoSchedule: ScorePlugin = {
  name: "TaintToleration",
  weight: 3,
  preScore:
    ({ pod }) =>
    ({ node }) => {
      const taints = (node.spec?.taints ?? []).filter(({ effect }) => effect === "PreferNoSchedule");
      return taints.filter((taint) => !tolerates(pod.spec?.tolerations, taint)).length;
    },
  normalize: (scores) => proportional(scores, true),
};

/** Whether no taint of the node keeps the Pod away. */
export function toleratesNode({ spec }: Pod, node: Node): boolean {
  const taints = (node.spec?.taints ?? []).filter(({ effect }) => effect === "NoSchedule" || effect === "NoExecute");
  return taints.every((taint) => tolerates(spec?.tolerations, taint));
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
