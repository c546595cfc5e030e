/**
 * NodeRestriction: a kubelet writes its own Node, the status of its own Pods, its own lease and tokens for
 * its own Pods, nothing else.
 *
 * Which requests reach this at all is decided by auth/node-authorizer.ts.
 * https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/#noderestriction
 */

import { equalJson } from "../../machinery/objects/json-value.ts";
import type { Node, PersistentVolumeClaim, Pod } from "../../machinery/objects/kinds.ts";
import { notFound } from "../../machinery/objects/status.ts";
import type { KubeObject } from "../../machinery/objects/wire.ts";
import { nodeNameOf } from "../auth/node-authorizer.ts";
import { claimsOf, configMapsOf, isMirror, MIRROR, secretsOf } from "../auth/pod-references.ts";
import type { AdmissionPlugin, AdmissionRequest, AdmissionServices } from "./contract.ts";
import { forbiddenChanges } from "./node-labels.ts";
import { refused } from "./refused.ts";

/** Why the node may not, or nothing. */
type Rule = (
  request: AdmissionRequest,
  node: string,
  services: AdmissionServices,
) => Promise<string | undefined> | string | undefined;

/** "group/resource/subresource" ► its rule; else the resource's own with "*". */
const rules: Readonly<Record<string, Rule>> = {
  "/pods": ownPod,
  "/pods/status": ownPodStatus,
  "/pods/eviction": ownPodEviction,
  "/pods/*": ({ subresource }) =>
    `unexpected pod subresource ${JSON.stringify(subresource)}, only 'status' and 'eviction' are allowed`,
  "/nodes": ownNode,
  "/nodes/*": ownNode,
  "/persistentvolumeclaims/status": claimStatus,
  "/persistentvolumeclaims": () => "may only update PVC status",
  "/persistentvolumeclaims/*": () => "may only update PVC status",
  "/serviceaccounts/token": podToken,
  "coordination.k8s.io/leases": ownLease,
  "storage.k8s.io/csinodes": ownCsiNode,
};

export const nodeRestriction: AdmissionPlugin = {
  name: "NodeRestriction",

  validate(request, services) {
    const node = nodeNameOf(request.user);
    if (node === undefined || request.operation === "CONNECT") return undefined;
    return checkNode(request, node, services);
  },
};

async function checkNode(request: AdmissionRequest, node: string, services: AdmissionServices): Promise<void> {
  if (node === "") throw refused(request, `could not determine node from user ${JSON.stringify(request.user.name)}`);
  const resource = `${request.row.group}/${request.row.plural}`;
  const rule = request.subresource
    ? (rules[`${resource}/${request.subresource}`] ?? rules[`${resource}/*`])
    : rules[resource];
  const why = await rule?.(request, node, services);
  if (why !== undefined) throw refused(request, why);
}

const quoted = (text: string): string => JSON.stringify(text);
const nodeOf = (pod: KubeObject | undefined): string | undefined => (pod as unknown as Pod | undefined)?.spec?.nodeName;
const unexpected = ({ operation }: AdmissionRequest): string => `unexpected operation ${quoted(operation)}`;

function ownPod(request: AdmissionRequest, node: string, services: AdmissionServices) {
  if (request.operation === "CREATE") return mirrorPod(request.object as unknown as Pod, node, services);
  if (request.operation !== "DELETE")
    return `${unexpected(request)}, node ${quoted(node)} can only create and delete mirror pods`;
  if (nodeOf(request.old) === node) return undefined;
  return `node ${quoted(node)} can only delete pods with spec.nodeName set to itself`;
}

/** A Pod from a file on the node, shown to the cluster: it is owned by the node and refers to nothing. */
function mirrorPod(pod: Pod, node: string, { objects }: AdmissionServices): string | undefined {
  const who = `node ${quoted(node)}`;
  if (!isMirror(pod)) return `pod does not have ${quoted(MIRROR)} annotation, ${who} can only create mirror pods`;
  if (pod.spec?.nodeName !== node) return `${who} can only create pods with spec.nodeName set to itself`;

  const owners = pod.metadata.ownerReferences ?? [];
  const [owner] = owners;
  if (owners.length > 1) return `${who} can only create pods with a single owner reference set to itself`;
  if (owner?.apiVersion !== "v1" || owner.kind !== "Node" || owner.name !== node)
    return `${who} can only create pods with an owner reference set to itself`;
  if (!owner.controller) return `${who} can only create pods with a controller owner reference set to itself`;
  if (owner.blockOwnerDeletion) return `${who} must not set blockOwnerDeletion on an owner reference`;
  const own = objects.get("nodes", "", node);
  if (!own) throw notFound("nodes", node);
  if (owner.uid !== own.metadata.uid) return `node ${node} UID mismatch: expected ${owner.uid} got ${own.metadata.uid}`;

  if (pod.spec.serviceAccountName) return `${who} can not create pods that reference a service account`;
  if (any(secretsOf(pod))) return `${who} can not create pods that reference secrets`;
  if (any(configMapsOf(pod))) return `${who} can not create pods that reference configmaps`;
  if (pod.spec.volumes?.some(({ projected }) => projected?.sources?.some((source) => source.clusterTrustBundle)))
    return `${who} can not create pods that reference clustertrustbundles`;
  if (any(claimsOf(pod))) return `${who} can not create pods that reference persistentvolumeclaims`;
  return undefined;
}

function any(names: Iterable<string | undefined>): boolean {
  for (const name of names) if (name !== undefined) return true;
  return false;
}

function ownPodStatus(request: AdmissionRequest, node: string): string | undefined {
  if (request.operation !== "UPDATE") return unexpected(request);
  if (nodeOf(request.old) !== node)
    return `node ${quoted(node)} can only update pod status for pods with spec.nodeName set to itself`;
  const { object, old } = request as unknown as { object: Pod; old: Pod };
  if (!equalJson(object.metadata.labels ?? {}, old.metadata.labels ?? {}))
    return `node ${quoted(node)} cannot update labels through pod status`;
  if (!equalJson(object.status?.resourceClaimStatuses ?? [], old.status?.resourceClaimStatuses ?? []))
    return `node ${quoted(node)} cannot update resource claim statues`;
  return undefined;
}

function ownPodEviction(request: AdmissionRequest, node: string, { objects }: AdmissionServices): string | undefined {
  const { namespace, name } = request;
  const pod = objects.get("pods", namespace, name);
  if (!pod) throw notFound("pods", name);
  return nodeOf(pod) === node ? undefined : `node ${node} can only evict pods with spec.nodeName set to itself`;
}

function ownNode(request: AdmissionRequest, node: string): string | undefined {
  const { operation, name } = request;
  const who = `node ${quoted(node)}`;
  if (name !== node) return `${who} is not allowed to modify node ${quoted(name)}`;
  const { object, old } = request as unknown as { object: Node | undefined; old: Node | undefined };
  if (operation === "DELETE" || !object) return `${who} is not allowed to delete itself`;

  const source = object.spec?.configSource;
  if (operation === "CREATE" && source) return `${who} is not allowed to create pods with a non-nil configSource`;
  if (source && !equalJson(source, old?.spec?.configSource))
    return `${who} is not allowed to update configSource to a new non-nil configSource`;
  if (operation === "UPDATE" && !equalJson(object.spec?.taints ?? [], old?.spec?.taints ?? []))
    return `${who} is not allowed to modify taints`;

  const labels = forbiddenChanges(object.metadata.labels, old?.metadata.labels).join(", ");
  if (labels === "") return undefined;
  return operation === "CREATE"
    ? `${who} is not allowed to set the following labels: ${labels}`
    : `is not allowed to modify labels: ${labels}`;
}

function claimStatus(request: AdmissionRequest, node: string): string | undefined {
  if (request.operation !== "UPDATE") return unexpected(request);
  if (equalJson(fixedPart(request.object), fixedPart(request.old))) return undefined;
  return `node ${quoted(node)} is not allowed to update fields other than status.capacity and status.conditions`;
}

/** A claim without what a kubelet reports after it has resized the volume. */
function fixedPart(claim: KubeObject | undefined): unknown {
  const { metadata, status, ...rest } = claim as unknown as PersistentVolumeClaim;
  const { resourceVersion, managedFields, ...meta } = metadata;
  const { capacity, conditions, allocatedResources, allocatedResourceStatuses, ...other } = status ?? {};
  return { ...rest, metadata: meta, status: other };
}

/** A token that a node asks for is bound to a Pod that runs there, for an audience that the Pod itself asks for. */
async function podToken(request: AdmissionRequest, node: string, services: AdmissionServices) {
  const spec = (request.object?.["spec"] ?? {}) as {
    audiences?: string[];
    boundObjectRef?: { kind?: string; apiVersion?: string; name?: string; uid?: string };
  };
  const ref = spec.boundObjectRef;
  if (ref?.apiVersion !== "v1" || ref.kind !== "Pod" || !ref.name) return "node requested token not bound to a pod";
  if (!ref.uid) return "node requested token with a pod binding without a uid";
  const { namespace } = request;
  const cached = services.objects.get("pods", namespace, ref.name);
  const found = cached?.metadata.uid === ref.uid ? cached : await services.read("pods", namespace, ref.name);
  if (!found) throw notFound("pods", ref.name);
  const pod = found as unknown as Pod;
  if (pod.metadata.uid !== ref.uid)
    return `the UID in the bound object reference (${ref.uid}) does not match the UID in record. The object might have been deleted and then recreated`;
  if (nodeOf(found) !== node) return "node requested token bound to a pod scheduled on a different node";
  return unknownAudience(pod, spec.audiences ?? []);
}

function unknownAudience(pod: Pod, audiences: readonly string[]): string | undefined {
  if (audiences.length > 1) return "node may only request 0 or 1 audiences";
  const [wanted = ""] = audiences;
  const asksFor = pod.spec?.volumes?.some(({ projected }) =>
    projected?.sources?.some(
      ({ serviceAccountToken }) => serviceAccountToken && (serviceAccountToken.audience ?? "") === wanted,
    ),
  );
  return asksFor ? undefined : `audience ${quoted(wanted)} not found in pod spec volume`;
}

function ownLease({ namespace, name }: AdmissionRequest, node: string): string | undefined {
  if (namespace !== "kube-node-lease") return 'can only access leases in the "kube-node-lease" system namespace';
  return name === node ? undefined : "can only access node lease with the same name as the requesting node";
}

function ownCsiNode({ name }: AdmissionRequest, node: string): string | undefined {
  return name === node ? undefined : "can only access CSINode with the same name as the requesting node";
}
