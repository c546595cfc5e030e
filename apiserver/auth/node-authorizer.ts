/**
 * Node authorizer: what a kubelet may do: its own Node, its own Pods, and what those Pods refer to.
 *
 * Other users are not its business (no opinion). That a node writes only its own objects is checked
 * by admission/node-restriction.ts, which sees them; reads are decided here alone, so a rule that lets
 * a write through must never let a read through.
 * https://kubernetes.io/docs/reference/access-authn-authz/node/
 */
import { type FieldSelector, parseFieldSelector } from "../../machinery/objects/field-selectors.ts";
import type { PersistentVolume, Pod } from "../../machinery/objects/kinds.ts";
import { SelectorError } from "../../machinery/objects/selectors.ts";
import {
  type Attributes,
  type Authorizer,
  allow,
  type CachedObjects,
  NODES,
  noOpinion,
  type User,
} from "./contract.ts";
import { accountOf, claimsOf, configMapsOf, isMirror, secretsOf, volumeSecretsOf } from "./pod-references.ts";

const PREFIX = "system:node:";

/** The node that a user is, or undefined. */
export function nodeNameOf({ name, groups }: User): string | undefined {
  return name.startsWith(PREFIX) && groups.includes(NODES) ? name.slice(PREFIX.length) : undefined;
}

/** Whether `node` may do `asked`: true, or why not. */
type Rule = (asked: Attributes, node: string, objects: CachedObjects) => true | string;

const READ = ["get", "list", "watch"];
const always: Rule = () => true;

const ownNode: Rule = ({ name }, node) =>
  name === node || `node '${node}' cannot read ${name ? `'${name}'` : "all nodes"}, only its own Node object`;

/** A list or watch must say that it wants the node's own Pods; a single Pod must be one of them. */
const ownPods: Rule = (asked, node, objects) => {
  if (asked.verb !== "get") {
    const own = selectorOf(asked).some(
      ({ field, operator, value }) => field === "spec.nodeName" && operator === "=" && value === node,
    );
    if (own) return true;
    if (!asked.name) return "can only list/watch pods with spec.nodeName field selector";
  }
  const pod = objects.get("pods", asked.namespace, asked.name) as Pod | undefined;
  return pod?.spec?.nodeName === node || unrelated(node);
};

/** Only what a Pod of the node refers to, by name. */
const referred =
  (names: (pod: Pod) => Iterable<string | undefined>): Rule =>
  ({ namespace, name }, node, objects) => {
    if (!namespace) return "can only read namespaced object of this type";
    if (!name) return "No Object name found";
    return refers(podsOf(node, objects), namespace, name, names) || unrelated(node);
  };

const ownSecrets: Rule = (asked, node, objects) => {
  const direct = referred(secretsOf)(asked, node, objects);
  if (direct === true || !asked.name || !asked.namespace) return direct;
  for (const volume of volumesOf(node, objects))
    for (const { namespace, name } of volumeSecretsOf(volume))
      if (namespace === asked.namespace && name === asked.name) return true;
  return direct;
};

const ownVolumes: Rule = ({ name }, node, objects) => {
  if (!name) return "No Object name found";
  for (const { metadata } of volumesOf(node, objects)) if (metadata.name === name) return true;
  return unrelated(node);
};

const ownAttachments: Rule = ({ name }, node, objects) => {
  const attachment = objects.get("volumeattachments.storage.k8s.io", "", name);
  return (attachment?.["spec"] as { nodeName?: string } | undefined)?.nodeName === node || unrelated(node);
};

const ownLease: Rule = ({ namespace, name, verb }, node) => {
  if (namespace !== "kube-node-lease") return 'can only access leases in the "kube-node-lease" system namespace';
  return verb === "create" || name === node || "can only access node lease with the same name as the requesting node";
};

/** Where the API servers are: a node keeps a tunnel to each. */
const ownServers: Rule = ({ namespace, name }) =>
  (namespace === "default" && name === "kubernetes") || "can only list/watch endpoints of the API servers themselves";

const ownCsiNode: Rule = ({ name, verb }, node) =>
  verb === "create" || name === node || "can only access CSINode with the same name as the requesting node";

/** "group/resource/subresource" ► verbs ► rule. Anything else is refused. */
const rules: Readonly<Record<string, readonly (readonly [readonly string[], Rule])[]>> = {
  "/pods": [
    [READ, ownPods],
    [["create", "delete"], always],
  ],
  "/pods/status": [[["patch", "update"], always]],
  "/pods/eviction": [[["create"], always]],
  "/secrets": [[READ, ownSecrets]],
  "/configmaps": [[READ, referred(configMapsOf)]],
  "/serviceaccounts": [[["get"], referred((pod) => [accountOf(pod)])]],
  "/serviceaccounts/token": [[["create"], referred((pod) => [accountOf(pod)])]],
  "/persistentvolumeclaims": [[["get"], referred(claimsOf)]],
  "/persistentvolumeclaims/status": [[["patch", "update"], referred(claimsOf)]],
  "/persistentvolumes": [[["get"], ownVolumes]],
  "/nodes": [
    [READ, ownNode],
    [["create", "patch", "update"], always],
  ],
  "/nodes/status": [[["patch", "update"], always]],
  "/services": [[READ, always]],
  "/endpoints": [
    [["get"], always],
    [["list", "watch"], ownServers],
  ],
  "/events": [[["create", "patch", "update"], always]],
  "coordination.k8s.io/leases": [[["create", "get", "update", "patch", "delete"], ownLease]],
  "node.k8s.io/runtimeclasses": [[READ, always]],
  "storage.k8s.io/csidrivers": [[READ, always]],
  "storage.k8s.io/csinodes": [[["create", "get", "update", "patch", "delete"], ownCsiNode]],
  "storage.k8s.io/volumeattachments": [[["get"], ownAttachments]],
  "authentication.k8s.io/tokenreviews": [[["create"], always]],
  "authorization.k8s.io/subjectaccessreviews": [[["create"], always]],
  "authorization.k8s.io/localsubjectaccessreviews": [[["create"], always]],
  "certificates.k8s.io/certificatesigningrequests": [[["create", ...READ], always]],
};

const paths: ReadonlySet<string> = new Set(["/k8ts/v1/tunnel"]);

export function createNodeAuthorizer(objects: CachedObjects): Authorizer {
  return (asked) => {
    const node = nodeNameOf(asked.user);
    if (node === undefined) return noOpinion;
    if (!asked.isResource) return paths.has(asked.path) ? allow() : noOpinion;
    const { group, resource, subresource, verb } = asked;
    const key = `${group}/${resource}${subresource ? `/${subresource}` : ""}`;
    const rule = Object.hasOwn(rules, key) ? rules[key]?.find(([verbs]) => verbs.includes(verb))?.[1] : undefined;
    if (!rule) return noOpinion;
    const answer = rule(asked, node, objects);
    return answer === true ? allow() : { kind: "noOpinion", reason: answer };
  };
}

const unrelated = (node: string): string => `no relationship found between node '${node}' and this object`;

/** The node's Pods, without mirror Pods: a node makes those itself, so what they name is not for it to read. */
function* podsOf(node: string, objects: CachedObjects): Generator<Pod> {
  for (const one of objects.podsOn(node)) {
    const pod = one as unknown as Pod;
    if (!isMirror(pod)) yield pod;
  }
}

function refers(
  pods: Iterable<Pod>,
  namespace: string,
  name: string,
  names: (pod: Pod) => Iterable<string | undefined>,
): boolean {
  for (const pod of pods) {
    if (pod.metadata.namespace !== namespace) continue;
    for (const one of names(pod)) if (one === name) return true;
  }
  return false;
}

/** The volumes whose claims the node's Pods use. */
function* volumesOf(node: string, objects: CachedObjects): Generator<PersistentVolume> {
  for (const one of objects.list("persistentvolumes")) {
    const volume = one as unknown as PersistentVolume;
    const { namespace, name } = volume.spec?.claimRef ?? {};
    if (namespace && name && refers(podsOf(node, objects), namespace, name, claimsOf)) yield volume;
  }
}

/** What cannot be read selects nothing here; the request itself fails later. */
function selectorOf({ fieldSelector = "" }: Attributes): FieldSelector {
  try {
    return parseFieldSelector(fieldSelector);
  } catch (error) {
    if (error instanceof SelectorError) return [];
    throw error;
  }
}
