/**
 * Kinds: the built-in resources that components name in code, with their static types.
 *
 * A plural is enough to address a resource (`client.get("pods", …)`), the table gives its path.
 * Only what a component uses stands here; everything that the server serves is in apiserver/resources.
 */
import type * as models from "@kubernetes/client-node";
import type { Stored, Wire } from "./wire.ts";

export type Pod = Stored<models.V1Pod>;
export type PodSpec = Wire<models.V1PodSpec>;
export type PodStatus = Wire<models.V1PodStatus>;
export type PodTemplateSpec = Wire<models.V1PodTemplateSpec>;
export type PodCondition = Wire<models.V1PodCondition>;
export type Container = Wire<models.V1Container>;
export type EphemeralContainer = Wire<models.V1EphemeralContainer>;
export type ContainerStatus = Wire<models.V1ContainerStatus>;
export type ContainerState = Wire<models.V1ContainerState>;
export type Probe = Wire<models.V1Probe>;
export type Volume = Wire<models.V1Volume>;
export type Node = Stored<models.V1Node>;
export type NodeCondition = Wire<models.V1NodeCondition>;
export type Taint = Wire<models.V1Taint>;
export type Toleration = Wire<models.V1Toleration>;
export type NodeSelector = Wire<models.V1NodeSelector>;
export type NodeSelectorTerm = Wire<models.V1NodeSelectorTerm>;
export type Service = Stored<models.V1Service>;
export type ServicePort = Wire<models.V1ServicePort>;
export type Endpoints = Stored<models.V1Endpoints>;
export type EndpointSlice = Stored<models.V1EndpointSlice>;
export type Endpoint = Wire<models.V1Endpoint>;
export type ConfigMap = Stored<models.V1ConfigMap>;
export type Secret = Stored<models.V1Secret>;
export type ServiceAccount = Stored<models.V1ServiceAccount>;
export type Namespace = Stored<models.V1Namespace>;
export type CoreEvent = Stored<models.CoreV1Event>;
export type PersistentVolumeClaim = Stored<models.V1PersistentVolumeClaim>;
export type ResourceQuota = Stored<models.V1ResourceQuota>;
export type ServiceCIDR = Stored<models.V1ServiceCIDR>;
export type IPAddress = Stored<models.V1IPAddress>;
export type PersistentVolume = Stored<models.V1PersistentVolume>;
export type ReplicationController = Stored<models.V1ReplicationController>;
export type Deployment = Stored<models.V1Deployment>;
export type DeploymentCondition = Wire<models.V1DeploymentCondition>;
export type ReplicaSet = Stored<models.V1ReplicaSet>;
export type ReplicaSetCondition = Wire<models.V1ReplicaSetCondition>;
export type StatefulSet = Stored<models.V1StatefulSet>;
export type DaemonSet = Stored<models.V1DaemonSet>;
export type ControllerRevision = Stored<models.V1ControllerRevision>;
export type Job = Stored<models.V1Job>;
export type JobCondition = Wire<models.V1JobCondition>;
export type CronJob = Stored<models.V1CronJob>;
export type HorizontalPodAutoscaler = Stored<models.V2HorizontalPodAutoscaler>;
export type PodDisruptionBudget = Stored<models.V1PodDisruptionBudget>;
export type NetworkPolicy = Stored<models.V1NetworkPolicy>;
export type NetworkPolicyPeer = Wire<models.V1NetworkPolicyPeer>;
export type NetworkPolicyPort = Wire<models.V1NetworkPolicyPort>;
export type IPBlock = Wire<models.V1IPBlock>;
export type Lease = Stored<models.V1Lease>;
export type PriorityClass = Stored<models.V1PriorityClass>;
export type RuntimeClass = Stored<models.V1RuntimeClass>;
export type Role = Stored<models.V1Role>;
export type RoleBinding = Stored<models.V1RoleBinding>;
export type ClusterRole = Stored<models.V1ClusterRole>;
export type ClusterRoleBinding = Stored<models.V1ClusterRoleBinding>;
export type PolicyRule = Wire<models.V1PolicyRule>;
export type StorageClass = Stored<models.V1StorageClass>;
export type CSINode = Stored<models.V1CSINode>;
export type CSIDriver = Stored<models.V1CSIDriver>;
export type CSIStorageCapacity = Stored<models.V1CSIStorageCapacity>;
export type VolumeAttachment = Stored<models.V1VolumeAttachment>;
export type ResourceClaim = Stored<models.ResourceV1ResourceClaim>;
export type ResourceClaimTemplate = Stored<models.V1ResourceClaimTemplate>;
export type PodResourceClaim = Wire<models.V1PodResourceClaim>;
export type CertificateSigningRequest = Stored<models.V1CertificateSigningRequest>;

/** Plural name of a resource ► its type. Where two groups share a plural, the core one has the short name. */
export interface Kinds {
  pods: Pod;
  nodes: Node;
  services: Service;
  endpoints: Endpoints;
  configmaps: ConfigMap;
  secrets: Secret;
  serviceaccounts: ServiceAccount;
  namespaces: Namespace;
  events: CoreEvent;
  persistentvolumeclaims: PersistentVolumeClaim;
  persistentvolumes: PersistentVolume;
  replicationcontrollers: ReplicationController;
  resourcequotas: ResourceQuota;
  deployments: Deployment;
  replicasets: ReplicaSet;
  statefulsets: StatefulSet;
  daemonsets: DaemonSet;
  controllerrevisions: ControllerRevision;
  jobs: Job;
  cronjobs: CronJob;
  horizontalpodautoscalers: HorizontalPodAutoscaler;
  poddisruptionbudgets: PodDisruptionBudget;
  networkpolicies: NetworkPolicy;
  leases: Lease;
  endpointslices: EndpointSlice;
  priorityclasses: PriorityClass;
  runtimeclasses: RuntimeClass;
  roles: Role;
  rolebindings: RoleBinding;
  clusterroles: ClusterRole;
  clusterrolebindings: ClusterRoleBinding;
  storageclasses: StorageClass;
  csinodes: CSINode;
  csidrivers: CSIDriver;
  csistoragecapacities: CSIStorageCapacity;
  volumeattachments: VolumeAttachment;
  servicecidrs: ServiceCIDR;
  ipaddresses: IPAddress;
  certificatesigningrequests: CertificateSigningRequest;
  resourceclaims: ResourceClaim;
  resourceclaimtemplates: ResourceClaimTemplate;
}

export type ResourceName = keyof Kinds;

export interface KindInfo {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly namespaced: boolean;
}

const row = (group: string, kind: string, namespaced = true): KindInfo => ({ group, version: "v1", kind, namespaced });

export const kinds: Readonly<Record<ResourceName, KindInfo>> = {
  pods: row("", "Pod"),
  nodes: row("", "Node", false),
  services: row("", "Service"),
  endpoints: row("", "Endpoints"),
  configmaps: row("", "ConfigMap"),
  secrets: row("", "Secret"),
  serviceaccounts: row("", "ServiceAccount"),
  namespaces: row("", "Namespace", false),
  events: row("", "Event"),
  persistentvolumeclaims: row("", "PersistentVolumeClaim"),
  persistentvolumes: row("", "PersistentVolume", false),
  replicationcontrollers: row("", "ReplicationController"),
  resourcequotas: row("", "ResourceQuota"),
  deployments: row("apps", "Deployment"),
  replicasets: row("apps", "ReplicaSet"),
  statefulsets: row("apps", "StatefulSet"),
  daemonsets: row("apps", "DaemonSet"),
  controllerrevisions: row("apps", "ControllerRevision"),
  jobs: row("batch", "Job"),
  cronjobs: row("batch", "CronJob"),
  horizontalpodautoscalers: { ...row("autoscaling", "HorizontalPodAutoscaler"), version: "v2" },
  poddisruptionbudgets: row("policy", "PodDisruptionBudget"),
  leases: row("coordination.k8s.io", "Lease"),
  endpointslices: row("discovery.k8s.io", "EndpointSlice"),
  priorityclasses: row("scheduling.k8s.io", "PriorityClass", false),
  runtimeclasses: row("node.k8s.io", "RuntimeClass", false),
  roles: row("rbac.authorization.k8s.io", "Role"),
  rolebindings: row("rbac.authorization.k8s.io", "RoleBinding"),
  clusterroles: row("rbac.authorization.k8s.io", "ClusterRole", false),
  clusterrolebindings: row("rbac.authorization.k8s.io", "ClusterRoleBinding", false),
  storageclasses: row("storage.k8s.io", "StorageClass", false),
  csinodes: row("storage.k8s.io", "CSINode", false),
  csidrivers: row("storage.k8s.io", "CSIDriver", false),
  csistoragecapacities: row("storage.k8s.io", "CSIStorageCapacity"),
  volumeattachments: row("storage.k8s.io", "VolumeAttachment", false),
  servicecidrs: row("networking.k8s.io", "ServiceCIDR", false),
  ipaddresses: row("networking.k8s.io", "IPAddress", false),
  networkpolicies: row("networking.k8s.io", "NetworkPolicy"),
  certificatesigningrequests: row("certificates.k8s.io", "CertificateSigningRequest", false),
  resourceclaims: row("resource.k8s.io", "ResourceClaim"),
  resourceclaimtemplates: row("resource.k8s.io", "ResourceClaimTemplate"),
};

/** "v1" or "apps/v1". */
export function apiVersionOf({ group, version }: Pick<KindInfo, "group" | "version">): string {
  return group === "" ? version : `${group}/${version}`;
}
