/** NodeName and NodeUnschedulable: the node that a Pod names, and nodes that take no new Pods. */
import { type Plugin, refusedForGood } from "../framework.ts";
import { tolerates } from "./taint-toleration.ts";

const OTHER_NODE = refusedForGood("node(s) didn't match the requested node name");

export const nodeName: Plugin = {
  name: "NodeName",
  hints: ["node-added"],
  preFilter({ pod }) {
    const wanted = pod.spec?.nodeName;
    if (!wanted) return undefined;
    return { local: true, check: ({ name }) => (name === wanted ? undefined : OTHER_NODE) };
  },
};

const CORDONED = { key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" };
const UNSCHEDULABLE = refusedForGood("node(s) were unschedulable");

export const nodeUnschedulable: Plugin = {
  name: "NodeUnschedulable",
  hints: ["node-added", "node-taints"],
  preFilter({ pod }) {
    if (tolerates(pod.spec?.tolerations, CORDONED)) return undefined;
    return { local: true, check: ({ node }) => (node.spec?.unschedulable ? UNSCHEDULABLE : undefined) };
  },
};
