/**
 * TaintNodesByCondition: a new Node takes no Pods until something has seen that it is ready.
 *
 * The node lifecycle controller takes the taint away: controllers/node-taints.ts.
 */
import type { Node } from "../../machinery/objects/kinds.ts";
import type { AdmissionPlugin } from "./contract.ts";

const NOT_READY = { key: "node.kubernetes.io/not-ready", effect: "NoSchedule" } as const;

export const taintNodesByCondition: AdmissionPlugin = {
  name: "TaintNodesByCondition",

  mutate({ operation, row, subresource, object }) {
    if (operation !== "CREATE" || row.group !== "" || row.plural !== "nodes" || subresource !== "") return;
    const node = object as unknown as Node;
    const taints = node.spec?.taints ?? [];
    if (taints.some(({ key, effect }) => key === NOT_READY.key && effect === NOT_READY.effect)) return;
    node.spec = { ...node.spec, taints: [...taints, { ...NOT_READY }] };
  },
};
