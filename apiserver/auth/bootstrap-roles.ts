/**
 * Bootstrap roles: the cluster roles and bindings that every cluster starts with.
 *
 * A table. Names and rules are those of Kubernetes where Kubernetes has them; our own components'
 * are at the end. Nodes have no rules here: see node-authorizer.ts. Written by ../bootstrap.ts.
 * https://kubernetes.io/docs/reference/access-authn-authz/rbac/#default-roles-and-role-bindings
 */
import { JOINERS } from "../../machinery/join/cluster-facts.ts";
import type { PolicyRule } from "../../machinery/objects/kinds.ts";
import { AUTHENTICATED, MASTERS, NODES, UNAUTHENTICATED } from "./contract.ts";

const READ = "get list watch";
const WRITE = "create delete deletecollection patch update";
const ALL = `${READ} ${WRITE}`;

/** Words separated by spaces; "core" stands for the group "". */
function rule(verbs: string, groups: string, resources: string, names = ""): PolicyRule {
  return {
    verbs: words(verbs),
    apiGroups: words(groups).map((group) => (group === "core" ? "" : group)),
    resources: words(resources),
    ...(names ? { resourceNames: words(names) } : {}),
  };
}

const urls = (paths: string): PolicyRule => ({ verbs: ["get"], nonResourceURLs: words(paths) });
const words = (text: string): string[] => text.split(" ").filter((word) => word !== "");

const events = rule("create patch update", "core events.k8s.io", "events");
const leaderElection = (name: string): PolicyRule[] => [
  rule("create", "coordination.k8s.io", "leases"),
  rule("get list watch update patch", "coordination.k8s.io", "leases", name),
];
const delegatedAuth = [
  rule("create", "authentication.k8s.io", "tokenreviews"),
  rule("create", "authorization.k8s.io", "subjectaccessreviews"),
];

const viewRules: PolicyRule[] = [
  rule(
    READ,
    "core",
    "configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status",
  ),
  rule(
    READ,
    "core",
    "bindings events limitranges namespaces/status pods/log pods/status replicationcontrollers/status resourcequotas resourcequotas/status",
  ),
  rule(READ, "core", "namespaces"),
  rule(READ, "discovery.k8s.io", "endpointslices"),
  rule(
    READ,
    "apps",
    "controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status replicasets replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status",
  ),
  rule(READ, "autoscaling", "horizontalpodautoscalers horizontalpodautoscalers/status"),
  rule(READ, "batch", "cronjobs cronjobs/status jobs jobs/status"),
  rule(READ, "policy", "poddisruptionbudgets poddisruptionbudgets/status"),
  rule(READ, "networking.k8s.io", "ingresses ingresses/status networkpolicies"),
];

const editRules: PolicyRule[] = [
  rule(READ, "core", "pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy"),
  rule("impersonate", "core", "serviceaccounts"),
  rule(WRITE, "core", "pods pods/attach pods/exec pods/portforward pods/proxy"),
  rule("create", "core", "pods/eviction"),
  rule(
    WRITE,
    "core",
    "configmaps events persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets serviceaccounts services services/proxy",
  ),
  rule("create", "core", "serviceaccounts/token"),
  rule(
    WRITE,
    "apps",
    "daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale statefulsets statefulsets/scale",
  ),
  rule(WRITE, "autoscaling", "horizontalpodautoscalers"),
  rule(WRITE, "batch", "cronjobs jobs"),
  rule(WRITE, "policy", "poddisruptionbudgets"),
  rule(WRITE, "networking.k8s.io", "ingresses networkpolicies"),
  rule(ALL, "coordination.k8s.io", "leases"),
];

const adminRules: PolicyRule[] = [
  rule("create", "authorization.k8s.io", "localsubjectaccessreviews"),
  rule(ALL, "rbac.authorization.k8s.io", "rolebindings roles"),
];

export interface BootstrapRole {
  readonly name: string;
  readonly rules: readonly PolicyRule[];
  /** "view": its rules become part of the role of that name. */
  readonly aggregateTo?: string;
  /** "view": its rules are those of all roles with aggregateTo of that name. */
  readonly aggregateFrom?: string;
}

export const bootstrapRoles: readonly BootstrapRole[] = [
  { name: "cluster-admin", rules: [rule("*", "*", "*"), { verbs: ["*"], nonResourceURLs: ["*"] }] },
  { name: "admin", rules: [...adminRules, ...editRules, ...viewRules], aggregateFrom: "admin" },
  { name: "edit", rules: [...editRules, ...viewRules], aggregateFrom: "edit", aggregateTo: "admin" },
  { name: "view", rules: viewRules, aggregateFrom: "view", aggregateTo: "edit" },
  {
    name: "system:aggregated-metrics-reader",
    rules: [rule(READ, "metrics.k8s.io", "pods nodes")],
    aggregateTo: "view",
  },
  { name: "system:aggregate-to-admin", rules: adminRules, aggregateTo: "admin" },
  { name: "system:aggregate-to-edit", rules: editRules, aggregateTo: "edit" },
  { name: "system:aggregate-to-view", rules: viewRules, aggregateTo: "view" },

  { name: "system:public-info-viewer", rules: [urls("/healthz /livez /readyz /version /version/")] },
  {
    name: "system:discovery",
    rules: [urls("/api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/")],
  },
  {
    name: "system:basic-user",
    rules: [
      rule("create", "authorization.k8s.io", "selfsubjectaccessreviews selfsubjectrulesreviews"),
      rule("create", "authentication.k8s.io", "selfsubjectreviews"),
    ],
  },
  {
    name: "system:monitoring",
    rules: [urls("/healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/*")],
  },
  { name: "system:auth-delegator", rules: delegatedAuth },
  {
    name: "system:service-account-issuer-discovery",
    rules: [urls("/.well-known/openid-configuration /openid/v1/jwks")],
  },
  {
    name: "system:kubelet-api-admin",
    rules: [
      rule(READ, "core", "nodes"),
      rule("proxy", "core", "nodes"),
      rule("*", "core", "nodes/log nodes/metrics nodes/proxy nodes/stats"),
    ],
  },
  {
    name: "system:node-bootstrapper",
    rules: [rule(`create ${READ}`, "certificates.k8s.io", "certificatesigningrequests")],
  },
  {
    name: "system:certificates.k8s.io:certificatesigningrequests:nodeclient",
    rules: [rule("create", "certificates.k8s.io", "certificatesigningrequests/nodeclient")],
  },
  {
    name: "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient",
    rules: [rule("create", "certificates.k8s.io", "certificatesigningrequests/selfnodeclient")],
  },
  {
    name: "system:certificates.k8s.io:certificatesigningrequests:selfnodeserver",
    rules: [rule("create", "certificates.k8s.io", "certificatesigningrequests/selfnodeserver")],
  },
  {
    // Ours: identities of what runs on a node besides its kubelet, for the node itself.
    name: "system:k8ts:certificatesigningrequests:nodecomponent",
    rules: [rule("create", "certificates.k8s.io", "certificatesigningrequests/nodecomponent")],
  },
  {
    name: "system:node-problem-detector",
    rules: [rule("get", "core", "nodes"), rule("patch", "core", "nodes/status"), events],
  },
  {
    name: "system:persistent-volume-provisioner",
    rules: [
      rule("create delete get list watch", "core", "persistentvolumes"),
      rule("get list update watch", "core", "persistentvolumeclaims"),
      rule(READ, "storage.k8s.io", "storageclasses"),
      events,
    ],
  },

  {
    name: "system:kube-scheduler",
    rules: [
      events,
      ...leaderElection("kube-scheduler"),
      rule(READ, "core", "nodes namespaces replicationcontrollers services persistentvolumeclaims persistentvolumes"),
      rule(`delete ${READ}`, "core", "pods"),
      rule("create", "core", "bindings pods/binding"),
      rule("patch update", "core", "pods/status"),
      rule(READ, "apps", "replicasets statefulsets"),
      rule(READ, "policy", "poddisruptionbudgets"),
      rule(READ, "storage.k8s.io", "csinodes csidrivers csistoragecapacities storageclasses volumeattachments"),
      // Questions of `kubectl why`, for a scheduler in a process of its own.
      { verbs: ["get", "post"], nonResourceURLs: ["/k8ts/v1/scheduling/*"] },
      ...delegatedAuth,
    ],
  },
  {
    name: "system:volume-scheduler",
    rules: [
      rule(`patch update ${READ}`, "core", "persistentvolumeclaims persistentvolumes"),
      rule(READ, "storage.k8s.io", "storageclasses"),
    ],
  },
  {
    // One identity for all controllers: what namespace deletion and garbage collection need covers most of the rest.
    name: "system:kube-controller-manager",
    rules: [
      events,
      ...leaderElection("kube-controller-manager"),
      rule("get list watch patch update delete deletecollection", "*", "*"),
      rule(
        "create",
        "core",
        "configmaps endpoints namespaces persistentvolumeclaims persistentvolumes pods pods/binding pods/eviction secrets serviceaccounts serviceaccounts/token",
      ),
      rule("create", "apps", "controllerrevisions replicasets"),
      rule("create", "batch", "jobs"),
      rule("create", "discovery.k8s.io", "endpointslices"),
      rule("create", "networking.k8s.io", "ipaddresses"),
      rule("create", "resource.k8s.io", "resourceclaims"),
      rule(
        "approve",
        "certificates.k8s.io",
        "signers",
        "kubernetes.io/kube-apiserver-client kubernetes.io/kube-apiserver-client-kubelet kubernetes.io/kubelet-serving",
      ),
      rule(
        "sign",
        "certificates.k8s.io",
        "signers",
        "kubernetes.io/kube-apiserver-client kubernetes.io/kube-apiserver-client-kubelet kubernetes.io/kubelet-serving kubernetes.io/legacy-unknown",
      ),
      rule("escalate", "rbac.authorization.k8s.io", "clusterroles"),
      ...delegatedAuth,
    ],
  },
  {
    name: "system:node-proxier",
    rules: [
      rule("list watch", "core", "endpoints services"),
      // The proxy also serves host ports, which Kubernetes leaves to a CNI plugin.
      rule("list watch", "core", "pods"),
      // Network policies are applied beside the proxy.
      rule("list watch", "core", "namespaces"),
      rule("list watch", "networking.k8s.io", "networkpolicies"),
      rule(READ, "core", "nodes"),
      rule("list watch", "discovery.k8s.io", "endpointslices"),
      events,
    ],
  },
  {
    name: "system:k8ts:dns",
    rules: [
      rule(READ, "core", "services endpoints pods namespaces nodes"),
      rule(READ, "discovery.k8s.io", "endpointslices"),
      // Stub domains and servers for other names.
      rule(READ, "core", "configmaps", "kube-dns"),
      // Each node's name server keeps the kube-dns Service and its own slice: see kubelet/dns.
      rule("create", "core", "services"),
      rule("create update", "discovery.k8s.io", "endpointslices"),
    ],
  },
];

export interface BootstrapBinding {
  readonly role: string;
  readonly subjects: readonly { readonly kind: "User" | "Group"; readonly name: string }[];
}

const user = (name: string) => ({ kind: "User" as const, name });
const group = (name: string) => ({ kind: "Group" as const, name });

/** Each binding is called like its role. */
export const bootstrapBindings: readonly BootstrapBinding[] = [
  { role: "cluster-admin", subjects: [group(MASTERS)] },
  { role: "system:public-info-viewer", subjects: [group(AUTHENTICATED), group(UNAUTHENTICATED)] },
  { role: "system:discovery", subjects: [group(AUTHENTICATED)] },
  { role: "system:basic-user", subjects: [group(AUTHENTICATED)] },
  { role: "system:monitoring", subjects: [group("system:monitoring")] },
  { role: "system:service-account-issuer-discovery", subjects: [group("system:serviceaccounts")] },
  { role: "system:kube-scheduler", subjects: [user("system:kube-scheduler")] },
  { role: "system:node-bootstrapper", subjects: [group(JOINERS)] },
  { role: "system:certificates.k8s.io:certificatesigningrequests:nodeclient", subjects: [group(JOINERS)] },
  { role: "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient", subjects: [group(NODES)] },
  { role: "system:certificates.k8s.io:certificatesigningrequests:selfnodeserver", subjects: [group(NODES)] },
  { role: "system:k8ts:certificatesigningrequests:nodecomponent", subjects: [group(NODES)] },
  { role: "system:volume-scheduler", subjects: [user("system:kube-scheduler")] },
  { role: "system:kube-controller-manager", subjects: [user("system:kube-controller-manager")] },
  { role: "system:node-proxier", subjects: [user("system:kube-proxy")] },
  { role: "system:k8ts:dns", subjects: [user("system:k8ts:dns")] },
];
