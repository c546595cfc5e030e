/**
 * Node authorizer: what a kubelet may do: its own Node, its own Pods, and what those Pods refer to.
 *
 * Other users are not its business (no opinion). That a node writes only its own objects is checked
 * here by name where the path tells it, and by admission/node-restriction.ts where the body does.
 * https://kubernetes.io/docs/reference/access-authn-authz/node/
 */
import type { Pod } from "../../machinery/objects/kinds.ts";
import {
  type Attributes,
  type Authorizer,
  allow,
  type CachedObjects,
  NODES,
  noOpinion,
  type User,
} from "./contract.ts";

const PREFIX = "system:node:";

/** The node that a user is, or undefined. */
export function nodeNameOf({ name, groups }: User): string | undefined {
  return name.startsWith(PREFIX) && groups.includes(NODES) ? name.slice(PREFIX.length) : undefined;
}

/** Whether `node` may do `asked`: true, or why not. */
type Rule = (asked: Attributes, node: string, objects: CachedObjects) => true | string;

const READ = ["get", "list", "watch"];
const always: Rule = () => true;

const ownName: Rule = ({ name }, node) => name === node || `can only access node "${node}"`;

/** A list or watch must say that it wants the node's own Pods; a single Pod must be one of them. */
const ownPods: Rule = (asked, node, objects) => {
  if (asked.verb === "get") {
    const pod = objects.get("pods", asked.namespace, asked.name) as Pod | undefined;
    return !pod || pod.spec?.nodeName === node || `can only read pods bound to node "${node}"`;
  }
  const wanted = `spec.nodeName=${node}`;
  const terms = (asked.fieldSelector ?? "").split(",").map((term) => term.replace("==", "="));
  return terms.includes(wanted) || "can only list/watch pods with spec.nodeName field selector";
};

/** Only what a Pod of the node refers to, by name. */
const referred =
  (refers: (pod: Pod, name: string) => boolean): Rule =>
  (asked, node, objects) => {
    if (!asked.name) return "no single object was named";
    for (const pod of objects.podsOn(node))
      if (pod.metadata.namespace === asked.namespace && refers(pod as unknown as Pod, asked.name)) return true;
    return `no relationship found between node '${node}' and this object`;
  };

const ownLease: Rule = ({ namespace, name, verb }, node) => {
  if (namespace !== "kube-node-lease") return 'can only access leases in the "kube-node-lease" system namespace';
  return verb === "create" || name === node || `can only access node lease with the same name as the requesting node`;
};

/** "group/resource/subresource" ► verbs ► rule. Anything else is refused. */
const rules: Readonly<Record<string, readonly (readonly [readonly string[], Rule])[]>> = {
  "/pods": [
    [READ, ownPods],
    [["create", "delete"], always],
  ],
  "/pods/status": [[["get", "patch", "update"], always]],
  "/pods/eviction": [[["create"], always]],
  "/secrets": [[READ, referred(refersToSecret)]],
  "/configmaps": [[READ, referred(refersToConfigMap)]],
  "/serviceaccounts": [[["get"], referred((pod, name) => accountOf(pod) === name)]],
  "/serviceaccounts/token": [[["create"], referred((pod, name) => accountOf(pod) === name)]],
  "/persistentvolumeclaims": [[["get"], referred(refersToClaim)]],
  "/persistentvolumes": [[["get"], always]],
  "/nodes": [
    [READ, always],
    [["create"], always],
    [["patch", "update"], ownName],
  ],
  "/nodes/status": [[["get", "patch", "update"], ownName]],
  "/services": [[READ, always]],
  "/endpoints": [[["get"], always]],
  "/namespaces": [[READ, always]],
  "/events": [[["create", "patch", "update"], always]],
  "events.k8s.io/events": [[["create", "patch", "update"], always]],
  "coordination.k8s.io/leases": [[["create", "get", "update", "patch", "delete"], ownLease]],
  "discovery.k8s.io/endpointslices": [[READ, always]],
  "node.k8s.io/runtimeclasses": [[READ, always]],
  "storage.k8s.io/csidrivers": [[READ, always]],
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
    const rule = rules[key]?.find(([verbs]) => verbs.includes(verb))?.[1];
    if (!rule) return noOpinion;
    const answer = rule(asked, node, objects);
    return answer === true ? allow() : { kind: "noOpinion", reason: answer };
  };
}

function accountOf({ spec }: Pod): string {
  return spec?.serviceAccountName || "default";
}

function refersToClaim({ spec }: Pod, name: string): boolean {
  return spec?.volumes?.some((volume) => volume.persistentVolumeClaim?.claimName === name) ?? false;
}

function refersToConfigMap(pod: Pod, name: string): boolean {
  const volumes = pod.spec?.volumes?.some(
    ({ configMap, projected }) =>
      configMap?.name === name || projected?.sources?.some((source) => source.configMap?.name === name),
  );
  return volumes || containersOf(pod).some((container) => refersInEnvironment(container, "configMap", name));
}

function refersToSecret(pod: Pod, name: string): boolean {
  if (pod.spec?.imagePullSecrets?.some((secret) => secret.name === name)) return true;
  const volumes = pod.spec?.volumes?.some(
    ({ secret, projected }) =>
      secret?.secretName === name || projected?.sources?.some((source) => source.secret?.name === name),
  );
  return volumes || containersOf(pod).some((container) => refersInEnvironment(container, "secret", name));
}

type Environment = Pick<NonNullable<Pod["spec"]>["containers"][number], "env" | "envFrom">;

function containersOf({ spec }: Pod): readonly Environment[] {
  return [...(spec?.containers ?? []), ...(spec?.initContainers ?? []), ...(spec?.ephemeralContainers ?? [])];
}

function refersInEnvironment({ env, envFrom }: Environment, kind: "configMap" | "secret", name: string): boolean {
  const whole = envFrom?.some((source) => source[`${kind}Ref`]?.name === name);
  return whole || (env?.some(({ valueFrom }) => valueFrom?.[`${kind}KeyRef`]?.name === name) ?? false);
}
