/**
 * Rows of the core group: Pods, Services, Nodes and what goes with them.
 */
import { dns1123Label } from "../../machinery/objects/names.ts";
import * as cluster from "./columns/cluster.ts";
import * as network from "./columns/network.ts";
import { podColumns } from "./columns/pod.ts";
import * as storage from "./columns/storage.ts";
import * as workloads from "./columns/workloads.ts";
import { configMapStrategy } from "./config-map.ts";
import type { ResourceRow } from "./contract.ts";
import { endpointsStrategy } from "./endpoints.ts";
import { eventStrategy } from "./event.ts";
import { limitRangeStrategy } from "./limit-range.ts";
import { namespaceStrategy } from "./namespace.ts";
import { nodeStrategy } from "./node.ts";
import { persistentVolumeStrategy } from "./persistent-volume.ts";
import { persistentVolumeClaimStrategy } from "./persistent-volume-claim.ts";
import { podStrategy } from "./pod.ts";
import { podTemplateStrategy } from "./pod-template.ts";
import { replicationControllerStrategy } from "./replica-set.ts";
import { resourceQuotaStrategy } from "./resource-quota.ts";
import { group, replicaScale, subresource } from "./row.ts";
import { secretStrategy } from "./secret.ts";
import { serviceStrategy } from "./service.ts";
import { serviceAccountStrategy } from "./service-account.ts";

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
  core("ConfigMap", "configmaps", { strategy: configMapStrategy, short: ["cm"], columns: cluster.configMapColumns }),
  core("Endpoints", "endpoints", {
    strategy: endpointsStrategy,
    short: ["ep"],
    columns: network.endpointsColumns,
  }),
  core("Event", "events", { strategy: eventStrategy, short: ["ev"], columns: cluster.eventColumns }),
  core("LimitRange", "limitranges", { strategy: limitRangeStrategy, short: ["limits"] }),
  core("Namespace", "namespaces", {
    strategy: namespaceStrategy,
    short: ["ns"],
    cluster: true,
    verbs: ["create", "delete", "get", "list", "patch", "update", "watch"],
    status: true,
    names: dns1123Label,
    columns: cluster.namespaceColumns,
    subresources: [subresource("finalize", "Namespace", "update")],
  }),
  core("Node", "nodes", {
    strategy: nodeStrategy,
    short: ["no"],
    cluster: true,
    status: true,
    columns: cluster.nodeColumns,
    subresources: [subresource("proxy", "NodeProxyOptions", ...proxyVerbs)],
  }),
  core("PersistentVolumeClaim", "persistentvolumeclaims", {
    strategy: persistentVolumeClaimStrategy,
    short: ["pvc"],
    status: true,
    columns: storage.persistentVolumeClaimColumns,
  }),
  core("PersistentVolume", "persistentvolumes", {
    strategy: persistentVolumeStrategy,
    short: ["pv"],
    cluster: true,
    status: true,
    columns: storage.persistentVolumeColumns,
  }),
  core("Pod", "pods", {
    strategy: podStrategy,
    generation: true,
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
  core("PodTemplate", "podtemplates", {
    strategy: podTemplateStrategy,
    generation: true,
    columns: workloads.podTemplateColumns,
    storedOnly: true,
  }),
  core("ReplicationController", "replicationcontrollers", {
    strategy: replicationControllerStrategy,
    generation: true,
    short: ["rc"],
    categories: ["all"],
    status: true,
    scale: replicaScale(".spec.selector"),
    columns: workloads.replicationControllerColumns,
  }),
  core("ResourceQuota", "resourcequotas", {
    strategy: resourceQuotaStrategy,
    short: ["quota"],
    status: true,
    columns: cluster.resourceQuotaColumns,
  }),
  core("Secret", "secrets", { strategy: secretStrategy, columns: cluster.secretColumns }),
  core("ServiceAccount", "serviceaccounts", {
    strategy: serviceAccountStrategy,
    short: ["sa"],
    columns: cluster.serviceAccountColumns,
    subresources: [subresource("token", "authentication.k8s.io/v1 TokenRequest", "create")],
  }),
  core("Service", "services", {
    strategy: serviceStrategy,
    short: ["svc"],
    categories: ["all"],
    verbs: ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
    status: true,
    names: dns1123Label,
    columns: network.serviceColumns,
    subresources: [subresource("proxy", "ServiceProxyOptions", ...proxyVerbs)],
  }),
];
