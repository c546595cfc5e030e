/** Which file describes which kind. A kind that is not here is described field by field: generic.ts. */
import { type ResourceType, typeName } from "../discovery.ts";
import type { Describer } from "./describer.ts";

const table: Readonly<Record<string, () => Promise<Describer>>> = {
  pod: async () => (await import("./pod.ts")).describePod,
  node: async () => (await import("./node.ts")).describeNode,
  service: async () => (await import("./service.ts")).describeService,
  "endpointslice.discovery.k8s.io": async () => (await import("./endpoint-slice.ts")).describeEndpointSlice,
  configmap: async () => (await import("./plain.ts")).describeConfigMap,
  secret: async () => (await import("./plain.ts")).describeSecret,
  namespace: async () => (await import("./plain.ts")).describeNamespace,
  persistentvolumeclaim: async () => (await import("./storage.ts")).describeClaim,
  persistentvolume: async () => (await import("./storage.ts")).describeVolume,
  "storageclass.storage.k8s.io": async () => (await import("./storage.ts")).describeStorageClass,
  "deployment.apps": async () => (await import("./workloads.ts")).describeDeployment,
  "replicaset.apps": async () => (await import("./workloads.ts")).describeReplicaSet,
  "horizontalpodautoscaler.autoscaling": async () => (await import("./autoscaler.ts")).describeAutoscaler,
  "networkpolicy.networking.k8s.io": async () => (await import("./network-policy.ts")).describeNetworkPolicy,
  "job.batch": async () => (await import("./workloads.ts")).describeJob,
};

export async function describerOf(type: ResourceType): Promise<Describer> {
  const name = typeName(type);
  const load = Object.hasOwn(table, name) ? table[name] : undefined;
  return load ? load() : (await import("./generic.ts")).describeGeneric;
}
