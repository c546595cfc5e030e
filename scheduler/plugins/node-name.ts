/** NodeName and NodeUnschedulable: the node that a Pod names, and nodes that take no new Pods. */
import type { FilterPlugin } from "../framework.ts";
import { tolerates } from "./taint-toleration.ts";

export const nodeName: FilterPlugin = {
  name: "NodeName",
  helpedBy: ["node-added"],
  preFilter({ pod }) {
    const wanted = pod.spec?.nodeName;
    if (!wanted) return undefined;
    return ({ node }) => (node.metadata.name === wanted ? [] : ["node(s) didn't match the requested node name"]);
  },
};

const UNSCHEDULABLE = { key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" };

export const nodeUnschedulable: FilterPlugin = {
  name: "NodeUnschedulable",
  helpedBy: ["node-added", "node-taints"],
  preFilter({ pod }) {
    if (tolerates(pod.spec?.tolerations, UNSCHEDULABLE)) return undefined;
    return ({ node }) => (node.spec?.unschedulable ? ["node(s) were unschedulable"] : []);
  },
};
