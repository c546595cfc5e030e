/**
 * Rows of the core group: Pods, Services, Nodes and what goes with them.
 */
import { dns1123Label } from "../../machinery/objects/names.ts";
import * as cluster from "./columns/cluster.ts";
import * as network from "./columns/network.ts";
import { podColumns } from "./columns/pod.ts";
import * as storage from "./columns/storage.ts";
import * as workloads from "./columns/workloads.ts";
import type { ResourceRow } from "./contract.ts";
import { group, replicaScale, subresource } from "./row.ts";

const core = group("", "v1");

const proxyVerbs = ["create", "delete", "get", "patch", "update"] as const;

export const coreRows: readonly ResourceRow[] = [
  core("Binding", "bindings", { verbs: ["create"], virtual: true }),
  core("ComponentStatus", "componentstatuses", {
    short: ["cs"],
    cluster: true,
    verbs: ["get", "list"],
    columns: cluster.componentStatusColumns,
    storedOnly: true,
  }),
  core("ConfigMap", "configmaps", { short: ["cm"], columns: cluster.configMapColumns }),
  core("Endpoints", "endpoints", { short: ["ep"], columns: network.endpointsColumns, storedOnly: true }),
  core("Event", "events", { short: ["ev"], columns: cluster.eventColumns }),
  core("LimitRange", "limitranges", { short: ["limits"], storedOnly: true }),
  core("Namespace", "namespaces", {
    short: ["ns"],
    cluster: true,
    verbs: ["create", "delete", "get", "list", "patch", "update", "watch"],
    status: true,
    names: dns1123Label,
    columns: cluster.namespaceColumns,
    subresources: [subresource("finalize", "Namespace", "update")],
  }),
  core("Node", "nodes", {
    short: ["no"],
    cluster: true,
    status: true,
    columns: cluster.nodeColumns,
    subresources: [subresource("proxy", "NodeProxyOptions", ...proxyVerbs)],
  }),
  core("PersistentVolumeClaim", "persistentvolumeclaims", {
    short: ["pvc"],
    status: true,
    columns: storage.persistentVolumeClaimColumns,
    storedOnly: true,
  }),
  core("PersistentVolume", "persistentvolumes", {
    short: ["pv"],
    cluster: true,
    status: true,
    columns: storage.persistentVolumeColumns,
    storedOnly: true,
  }),
  core("Pod", "pods", {
    short: ["po"],
    categories: ["all"],
    status: true,
    columns: podColumns,
    subresources: [
      subresource("attach", "PodAttachOptions", "create", "get"),
      subresource("binding", "Binding", "create"),
      subresource("ephemeralcontainers", "Pod", "get", "patch", "update"),
      subresource("eviction", "policy/v1 Eviction", "create"),
      subresource("exec", "PodExecOptions", "create", "get"),
      subresource("log", "Pod", "get"),
      subresource("portforward", "PodPortForwardOptions", "create", "get"),
      subresource("proxy", "PodProxyOptions", ...proxyVerbs),
      subresource("resize", "Pod", "get", "patch", "update"),
    ],
  }),
  core("PodTemplate", "podtemplates", { columns: workloads.podTemplateColumns, storedOnly: true }),
  core("ReplicationController", "replicationcontrollers", {
    short: ["rc"],
    categories: ["all"],
    status: true,
    scale: replicaScale(".spec.selector"),
    columns: workloads.replicationControllerColumns,
    storedOnly: true,
  }),
  core("ResourceQuota", "resourcequotas", {
    short: ["quota"],
    status: true,
    columns: cluster.resourceQuotaColumns,
    storedOnly: true,
  }),
  core("Secret", "secrets", { columns: cluster.secretColumns }),
  core("ServiceAccount", "serviceaccounts", {
    short: ["sa"],
    columns: cluster.serviceAccountColumns,
    subresources: [subresource("token", "authentication.k8s.io/v1 TokenRequest", "create")],
  }),
  core("Service", "services", {
    short: ["svc"],
    categories: ["all"],
    verbs: ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
    status: true,
    names: dns1123Label,
    columns: network.serviceColumns,
    subresources: [subresource("proxy", "ServiceProxyOptions", ...proxyVerbs)],
  }),
];
