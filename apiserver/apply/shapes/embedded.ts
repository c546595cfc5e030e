/**
 * Embedded: which fields of built-in structs hold another struct by value.
 *
 * Such a field is never absent in Kubernetes: `spec` is there, empty, before anyone sets something in it, so that
 * nobody owns the place itself ("." in FieldsV1). All others are pointers. The published types do not mark it.
 */
const BUILT_IN = "io.k8s.";

/** In every kind, and in the templates of kinds. */
const EVERYWHERE: ReadonlySet<string> = new Set(["metadata", "spec", "status"]);
const EXCEPT: ReadonlySet<string> = new Set(["CustomResourceSubresources.status"]);

const ELSEWHERE: Readonly<Record<string, readonly string[]>> = {
  "admissionregistration.v1.MutatingWebhook": ["clientConfig"],
  "admissionregistration.v1.ValidatingWebhook": ["clientConfig"],
  "apps.v1.DaemonSetSpec": ["template", "updateStrategy"],
  "apps.v1.DeploymentSpec": ["template", "strategy"],
  "apps.v1.ReplicaSetSpec": ["template"],
  "apps.v1.StatefulSetSpec": ["template", "updateStrategy"],
  "autoscaling.v1.HorizontalPodAutoscalerSpec": ["scaleTargetRef"],
  "autoscaling.v2.ContainerResourceMetricSource": ["target"],
  "autoscaling.v2.ContainerResourceMetricStatus": ["current"],
  "autoscaling.v2.ExternalMetricSource": ["metric", "target"],
  "autoscaling.v2.ExternalMetricStatus": ["metric", "current"],
  "autoscaling.v2.HorizontalPodAutoscalerSpec": ["scaleTargetRef"],
  "autoscaling.v2.ObjectMetricSource": ["describedObject", "target", "metric"],
  "autoscaling.v2.ObjectMetricStatus": ["metric", "current", "describedObject"],
  "autoscaling.v2.PodsMetricSource": ["metric", "target"],
  "autoscaling.v2.PodsMetricStatus": ["metric", "current"],
  "autoscaling.v2.ResourceMetricSource": ["target"],
  "autoscaling.v2.ResourceMetricStatus": ["current"],
  "batch.v1.CronJobSpec": ["jobTemplate"],
  "batch.v1.JobSpec": ["template"],
  "core.v1.Container": ["resources"],
  "core.v1.ContainerStatus": ["state", "lastState"],
  "core.v1.EphemeralContainer": ["resources"],
  "core.v1.Event": ["involvedObject", "source"],
  "core.v1.NodeDaemonEndpoints": ["kubeletEndpoint"],
  "core.v1.NodeStatus": ["daemonEndpoints", "nodeInfo"],
  "core.v1.PersistentVolumeClaimSpec": ["resources"],
  "core.v1.PodTemplate": ["template"],
  "core.v1.PreferredSchedulingTerm": ["preference"],
  "core.v1.ServiceStatus": ["loadBalancer"],
  "core.v1.WeightedPodAffinityTerm": ["podAffinityTerm"],
  "discovery.v1.Endpoint": ["conditions"],
  "events.v1.Event": ["regarding", "deprecatedSource"],
  "flowcontrol.v1.FlowSchemaSpec": ["priorityLevelConfiguration"],
  "flowcontrol.v1.LimitedPriorityLevelConfiguration": ["limitResponse"],
  "networking.v1.HTTPIngressPath": ["backend"],
  "networking.v1.IngressServiceBackend": ["port"],
  "networking.v1.IngressStatus": ["loadBalancer"],
  "networking.v1.NetworkPolicySpec": ["podSelector"],
  "rbac.v1.ClusterRoleBinding": ["roleRef"],
  "rbac.v1.RoleBinding": ["roleRef"],
  "resource.v1.AllocationResult": ["devices"],
  "resource.v1.ResourceClaimSpec": ["devices"],
  "resource.v1.ResourceSliceSpec": ["pool"],
  "storage.v1.VolumeAttachmentSpec": ["source"],
  "apiextensions.v1.CustomResourceDefinitionSpec": ["names"],
  "apiextensions.v1.CustomResourceDefinitionStatus": ["acceptedNames"],
};

/** "apps.v1.DeploymentSpec", "meta.v1.ObjectMeta". */
const short = (message: string): string => message.split(".").slice(-3).join(".");

export const isBuiltIn = (message: string): boolean => message.startsWith(BUILT_IN);

export function isEmbedded(message: string, field: string): boolean {
  if (!isBuiltIn(message)) return false;
  if (EVERYWHERE.has(field)) return !EXCEPT.has(`${message.slice(message.lastIndexOf(".") + 1)}.${field}`);
  return ELSEWHERE[short(message)]?.includes(field) ?? false;
}
