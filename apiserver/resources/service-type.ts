/**
 * Types of Services: what each of the four has and needs.
 *
 * Pure predicates over the spec; admission/service-addresses.ts, which allots, goes by them too.
 */
import type { Service } from "../../machinery/objects/kinds.ts";

type Spec = NonNullable<Service["spec"]>;

export const needsAddress = ({ type }: Spec): boolean => type !== "ExternalName";
export const isHeadless = ({ type, clusterIP, clusterIPs }: Spec): boolean =>
  type !== "ExternalName" && (clusterIP === "None" || clusterIPs?.[0] === "None");
export const needsNodePorts = ({ type, allocateLoadBalancerNodePorts }: Spec): boolean =>
  type === "NodePort" || (type === "LoadBalancer" && allocateLoadBalancerNodePorts !== false);
export const needsHealthPort = ({ type, externalTrafficPolicy }: Spec): boolean =>
  type === "LoadBalancer" && externalTrafficPolicy === "Local";
/** Reached from outside the cluster. */
export const isExternal = ({ type, externalIPs }: Spec): boolean =>
  type === "NodePort" || type === "LoadBalancer" || (type === "ClusterIP" && (externalIPs?.length ?? 0) > 0);
