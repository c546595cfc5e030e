/**
 * Rows of everything around the workloads: network, storage, rights, identities, leases, admission.
 */

import { pathSegment } from "../../machinery/objects/names.ts";
import { definitionStrategy } from "../custom/definition.ts";
import { validatingAdmissionPolicyBindingStrategy, validatingAdmissionPolicyStrategy } from "./admission-policy.ts";
import { apiServiceColumns, apiServiceStrategy } from "./api-service.ts";
import * as cluster from "./columns/cluster.ts";
import * as network from "./columns/network.ts";
import * as storage from "./columns/storage.ts";
import type { ResourceRow } from "./contract.ts";
import { csiDriverStrategy, csiNodeStrategy, csiStorageCapacityStrategy, volumeAttachmentStrategy } from "./csi.ts";
import { resourceClaimStrategy, resourceClaimTemplateStrategy, resourceSliceStrategy } from "./devices.ts";
import { endpointSliceStrategy } from "./endpoints.ts";
import { eventsStoredAs, newEventColumns, newEventStrategy } from "./event.ts";
import { flowSchemaStrategy, priorityLevelStrategy } from "./flow-control.ts";
import { ingressClassStrategy, ingressStrategy } from "./ingress.ts";
import { leaseStrategy } from "./lease.ts";
import { mutatingAdmissionPolicyBindingStrategy, mutatingAdmissionPolicyStrategy } from "./mutating-policy.ts";
import { networkPolicyStrategy } from "./network-policy.ts";
import { clusterRoleBindingStrategy, clusterRoleStrategy, roleBindingStrategy, roleStrategy } from "./rbac.ts";
import { group, type RowParts, subresource } from "./row.ts";
import { ipAddressStrategy, serviceCidrStrategy } from "./service-range.ts";
import { signingRequestStrategy } from "./signing-request.ts";
import { storageClassStrategy, volumeAttributesClassStrategy } from "./storage-class.ts";
import { mutatingWebhookStrategy, webhookStrategy } from "./webhooks.ts";

const discovery = group("discovery.k8s.io", "v1");
const coordination = group("coordination.k8s.io", "v1");
const events = group("events.k8s.io", "v1");
const networking = group("networking.k8s.io", "v1");
const rbac = group("rbac.authorization.k8s.io", "v1");
const storageGroup = group("storage.k8s.io", "v1");
const authentication = group("authentication.k8s.io", "v1");
const authorization = group("authorization.k8s.io", "v1");
const certificates = group("certificates.k8s.io", "v1");
const admission = group("admissionregistration.k8s.io", "v1");
const flowControl = group("flowcontrol.apiserver.k8s.io", "v1");
const devices = group("resource.k8s.io", "v1");
const extensions = group("apiextensions.k8s.io", "v1");
const registration = group("apiregistration.k8s.io", "v1");

/** Created and answered, never stored. */
const review: RowParts = { cluster: true, verbs: ["create"], virtual: true };
const stored: RowParts = { cluster: true, storedOnly: true };

export const clusterRows: readonly ResourceRow[] = [
  discovery("EndpointSlice", "endpointslices", {
    strategy: endpointSliceStrategy,
    generation: true,
    columns: network.endpointSliceColumns,
  }),
  coordination("Lease", "leases", { strategy: leaseStrategy, columns: cluster.leaseColumns }),
  events("Event", "events", {
    strategy: newEventStrategy,
    short: ["ev"],
    columns: newEventColumns,
    storedAs: eventsStoredAs,
  }),

  networking("IngressClass", "ingressclasses", {
    strategy: ingressClassStrategy,
    generation: true,
    ...stored,
    columns: network.ingressClassColumns,
  }),
  networking("Ingress", "ingresses", {
    strategy: ingressStrategy,
    generation: true,
    short: ["ing"],
    status: true,
    columns: network.ingressColumns,
    storedOnly: true,
  }),
  networking("IPAddress", "ipaddresses", {
    strategy: ipAddressStrategy,
    cluster: true,
    short: ["ip"],
    columns: network.ipAddressColumns,
  }),
  networking("NetworkPolicy", "networkpolicies", {
    strategy: networkPolicyStrategy,
    generation: true,
    short: ["netpol"],
    columns: network.networkPolicyColumns,
  }),
  networking("ServiceCIDR", "servicecidrs", {
    strategy: serviceCidrStrategy,
    cluster: true,
    status: true,
    columns: network.serviceCidrColumns,
  }),

  rbac("ClusterRoleBinding", "clusterrolebindings", {
    strategy: clusterRoleBindingStrategy,
    cluster: true,
    names: pathSegment,
    columns: cluster.roleBindingColumns,
  }),
  rbac("ClusterRole", "clusterroles", {
    strategy: clusterRoleStrategy,
    cluster: true,
    names: pathSegment,
    columns: cluster.roleColumns,
  }),
  rbac("RoleBinding", "rolebindings", {
    strategy: roleBindingStrategy,
    names: pathSegment,
    columns: cluster.roleBindingColumns,
  }),
  rbac("Role", "roles", { strategy: roleStrategy, names: pathSegment, columns: cluster.roleColumns }),

  storageGroup("CSIDriver", "csidrivers", {
    strategy: csiDriverStrategy,
    generation: true,
    cluster: true,
    columns: storage.csiDriverColumns,
  }),
  storageGroup("CSINode", "csinodes", { strategy: csiNodeStrategy, cluster: true, columns: storage.csiNodeColumns }),
  storageGroup("CSIStorageCapacity", "csistoragecapacities", {
    strategy: csiStorageCapacityStrategy,
  }),
  storageGroup("StorageClass", "storageclasses", {
    strategy: storageClassStrategy,
    cluster: true,
    short: ["sc"],
    columns: storage.storageClassColumns,
  }),
  storageGroup("VolumeAttachment", "volumeattachments", {
    strategy: volumeAttachmentStrategy,
    ...stored,
    status: true,
    columns: storage.volumeAttachmentColumns,
  }),
  storageGroup("VolumeAttributesClass", "volumeattributesclasses", {
    strategy: volumeAttributesClassStrategy,
    ...stored,
    short: ["vac"],
    columns: storage.volumeAttributesClassColumns,
  }),

  authentication("SelfSubjectReview", "selfsubjectreviews", review),
  authentication("TokenReview", "tokenreviews", review),
  authorization("LocalSubjectAccessReview", "localsubjectaccessreviews", { verbs: ["create"], virtual: true }),
  authorization("SelfSubjectAccessReview", "selfsubjectaccessreviews", review),
  authorization("SelfSubjectRulesReview", "selfsubjectrulesreviews", review),
  authorization("SubjectAccessReview", "subjectaccessreviews", review),

  certificates("CertificateSigningRequest", "certificatesigningrequests", {
    strategy: signingRequestStrategy,
    cluster: true,
    short: ["csr"],
    status: true,
    columns: cluster.signingRequestColumns,
    subresources: [
      subresource("approval", "certificates.k8s.io/v1 CertificateSigningRequest", "get", "patch", "update"),
    ],
  }),

  ...(
    [
      ["MutatingWebhookConfiguration", "mutatingwebhookconfigurations", mutatingWebhookStrategy],
      ["ValidatingWebhookConfiguration", "validatingwebhookconfigurations", webhookStrategy],
    ] as const
  ).map(([kind, plural, strategy]) =>
    admission(kind, plural, {
      strategy,
      cluster: true,
      generation: true,
      categories: ["api-extensions"],
      columns: cluster.webhookConfigurationColumns,
    }),
  ),
  admission("MutatingAdmissionPolicy", "mutatingadmissionpolicies", {
    strategy: mutatingAdmissionPolicyStrategy,
    cluster: true,
    generation: true,
    categories: ["api-extensions"],
    columns: cluster.mutatingAdmissionPolicyColumns,
  }),
  admission("MutatingAdmissionPolicyBinding", "mutatingadmissionpolicybindings", {
    strategy: mutatingAdmissionPolicyBindingStrategy,
    cluster: true,
    generation: true,
    categories: ["api-extensions"],
    columns: cluster.policyBindingColumns,
  }),
  admission("ValidatingAdmissionPolicy", "validatingadmissionpolicies", {
    strategy: validatingAdmissionPolicyStrategy,
    cluster: true,
    generation: true,
    status: true,
    categories: ["api-extensions"],
    columns: cluster.validatingAdmissionPolicyColumns,
  }),
  admission("ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings", {
    strategy: validatingAdmissionPolicyBindingStrategy,
    cluster: true,
    generation: true,
    categories: ["api-extensions"],
    columns: cluster.policyBindingColumns,
  }),

  flowControl("FlowSchema", "flowschemas", {
    strategy: flowSchemaStrategy,
    generation: true,
    ...stored,
    status: true,
  }),
  flowControl("PriorityLevelConfiguration", "prioritylevelconfigurations", {
    strategy: priorityLevelStrategy,
    generation: true,
    ...stored,
    status: true,
  }),

  devices("DeviceClass", "deviceclasses", stored),
  devices("ResourceClaim", "resourceclaims", { strategy: resourceClaimStrategy, status: true }),
  devices("ResourceClaimTemplate", "resourceclaimtemplates", {
    strategy: resourceClaimTemplateStrategy,
  }),
  devices("ResourceSlice", "resourceslices", { strategy: resourceSliceStrategy, ...stored }),

  extensions("CustomResourceDefinition", "customresourcedefinitions", {
    cluster: true,
    short: ["crd", "crds"],
    categories: ["api-extensions"],
    status: true,
    generation: true,
    anyFinalizer: true,
    strategy: definitionStrategy,
  }),
  registration("APIService", "apiservices", {
    cluster: true,
    categories: ["api-extensions"],
    status: true,
    names: pathSegment,
    strategy: apiServiceStrategy,
    columns: apiServiceColumns,
  }),
];
