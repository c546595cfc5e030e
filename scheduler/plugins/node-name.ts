/** NodeName and NodeUnschedulable: the node that a Pod names, and nodes that take no new Pods. */
import type { FilterPlugin } from "../framework.ts";
import { tolerates } from "./taint-toleration.ts";

export const nodeName: FilterPlugin = {
  name: "NodeName",
  filter: ({ pod }, { node }) =>
    pod.spec?.nodeName && pod.spec.nodeName !== node.metadata.name
      ? ["node(s) didn't match the requested node name"]
      : [],
};

const UNSCHEDULABLE = { key: "node.kubernetes.io/unschedulable", effect: "NoSchedule" };

export const nodeUnschedulable: FilterPlugin = {
  name: "NodeUnschedulable",
  filter: ({ pod }, { node }) =>
    node.spec?.unschedulable && !tolerates(pod.spec?.tolerations, UNSCHEDULABLE) ? ["node(s) were unschedulable"] : [],
};
