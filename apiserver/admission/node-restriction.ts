/**
 * NodeRestriction: a kubelet writes its own Node, its own Pods' status and its own tokens, nothing else.
 *
 * Which requests reach this at all is decided by auth/node-authorizer.ts.
 */
import type { Node, Pod } from "../../machinery/objects/kinds.ts";
import type { StoredObject } from "../../machinery/objects/wire.ts";
import { nodeNameOf } from "../auth/node-authorizer.ts";
import type { AdmissionPlugin, AdmissionRequest, AdmissionServices } from "./contract.ts";
import { refused } from "./refused.ts";

const MIRROR = "kubernetes.io/config.mirror";
const RESTRICTED_LABELS = "node-restriction.kubernetes.io/";

type Rule = (request: AdmissionRequest, node: string, services: AdmissionServices) => void;

const rules: Readonly<Record<string, Rule>> = {
  "/pods": ownPod,
  "/nodes": ownNode,
  "coordination.k8s.io/leases": ownLease,
};

export const nodeRestriction: AdmissionPlugin = {
  name: "NodeRestriction",

  validate(request, services) {
    const node = nodeNameOf(request.user);
    if (node !== undefined) rules[`${request.row.group}/${request.row.plural}`]?.(request, node, services);
  },
};

function ownPod(request: AdmissionRequest, node: string): void {
  const { operation, subresource, object, old } = request;
  if (operation === "CREATE" && subresource === "") {
    const pod = object as unknown as Pod;
    if (pod.metadata.annotations?.[MIRROR] === undefined)
      throw refused(request, `pod does not have "${MIRROR}" annotation, node "${node}" can only create mirror pods`);
    if (pod.spec?.nodeName !== node)
      throw refused(request, `node "${node}" can only create pods with spec.nodeName set to itself`);
    return;
  }
  if (operation === "UPDATE" && subresource !== "status")
    throw refused(request, `unexpected subresource for node "${node}": only the status of pods may be updated`);
  if (nodeOf(old) !== node)
    throw refused(request, `node "${node}" can only ${operation.toLowerCase()} pods with spec.nodeName set to itself`);
}

const nodeOf = (pod: StoredObject | undefined): string | undefined =>
  (pod as unknown as Pod | undefined)?.spec?.nodeName;

function ownNode(request: AdmissionRequest, node: string): void {
  const { operation, name, object, old, subresource } = request;
  const target = name || object?.metadata.name;
  if (target !== node) throw refused(request, `node "${node}" is not allowed to modify node "${target}"`);
  if (operation === "DELETE") throw refused(request, `node "${node}" is not allowed to delete itself`);
  const restricted = (one: StoredObject | AdmissionRequest["object"]) =>
    JSON.stringify(
      Object.entries(one?.metadata.labels ?? {})
        .filter(([key]) => key.includes(RESTRICTED_LABELS))
        .sort(),
    );
  if (restricted(object) !== restricted(old))
    throw refused(request, `is not allowed to modify labels: ${RESTRICTED_LABELS}`);
  if (operation !== "UPDATE" || subresource !== "") return;
  const taints = (one: unknown) => JSON.stringify((one as Node).spec?.taints ?? []);
  if (taints(object) !== taints(old)) throw refused(request, `node "${node}" is not allowed to modify taints`);
}

function ownLease(request: AdmissionRequest, node: string): void {
  const target = request.name || request.object?.metadata.name;
  if (request.namespace !== "kube-node-lease" || target !== node)
    throw refused(request, `can only access node lease with the same name as the requesting node`);
}
