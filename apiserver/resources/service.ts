/**
 * Service: a stable address in front of Pods.
 *
 * Addresses and node ports are allotted in the transaction of the write (admission/service-addresses.ts); here stand the
 * defaults, what an update keeps of an allotment or gives back, and the rules (service-rules.ts).
 */
import type { Service } from "../../machinery/objects/kinds.ts";
import type { Strategy } from "./contract.ts";
import { serviceWarnings, validateService, validateServiceUpdate } from "./service-rules.ts";
import { isExternal, isHeadless, needsAddress, needsHealthPort, needsNodePorts } from "./service-type.ts";

type Spec = NonNullable<Service["spec"]>;
type Type = "ClusterIP" | "NodePort" | "LoadBalancer" | "ExternalName";

/** Three hours. */
const CLIENT_IP_SECONDS = 10_800;

export const serviceStrategy: Strategy<Service> = {
  defaults({ spec }) {
    if (!spec) return;
    spec.sessionAffinity ||= "None";
    if (spec.sessionAffinity === "None") delete spec.sessionAffinityConfig;
    else {
      spec.sessionAffinityConfig ??= {};
      spec.sessionAffinityConfig.clientIP ??= {};
      spec.sessionAffinityConfig.clientIP.timeoutSeconds ??= CLIENT_IP_SECONDS;
    }
    spec.type ||= "ClusterIP";
    for (const port of spec.ports ?? []) {
      port.protocol ||= "TCP";
      if (port.targetPort === undefined || port.targetPort === "" || port.targetPort === 0) port.targetPort = port.port;
    }
    if (isExternal(spec)) spec.externalTrafficPolicy ||= "Cluster";
    if (needsAddress(spec)) spec.internalTrafficPolicy ||= "Cluster";
    if (spec.type === "LoadBalancer") spec.allocateLoadBalancerNodePorts ??= true;
    if (spec.clusterIP && !spec.clusterIPs) spec.clusterIPs = [spec.clusterIP];
  },

  prepareForCreate(service) {
    service.status = { loadBalancer: {} };
    if (service.spec) defaultFamilies(service.spec);
  },

  prepareForUpdate({ spec }, { spec: old }) {
    if (!spec || !old) return;
    keepAllotted(spec, old);
    toOneFamily(spec, old);
    giveBack(spec, old);
    if (!needsAddress(old) || spec.type !== "ExternalName") defaultFamilies(spec);
  },

  validate: validateService,
  validateUpdate: validateServiceUpdate,
  warnings: serviceWarnings,
  selectableFields: ({ spec }) => ({ "spec.clusterIP": spec?.clusterIP ?? "", "spec.type": spec?.type ?? "" }),
  allowUnconditionalUpdate: true,
};

/** IPv4 is the first family of a cluster; a headless Service without selector may name both. */
function defaultFamilies(spec: Spec): void {
  if (!needsAddress(spec)) return;
  const free = isHeadless(spec) && Object.keys(spec.selector ?? {}).length === 0;
  if (!spec.ipFamilyPolicy) spec.ipFamilyPolicy = free && !spec.ipFamilies ? "RequireDualStack" : "SingleStack";
  if (spec.ipFamilies?.length) return;
  const v6 = spec.clusterIPs?.[0]?.includes(":");
  spec.ipFamilies = free && spec.ipFamilyPolicy === "RequireDualStack" ? ["IPv4", "IPv6"] : [v6 ? "IPv6" : "IPv4"];
}

/** What the author leaves out of an update is what the server had given. */
function keepAllotted(spec: Spec, old: Spec): void {
  if (needsAddress(old) && needsAddress(spec)) {
    if (!spec.clusterIP && old.clusterIP) {
      spec.clusterIP = old.clusterIP;
      delete spec.clusterIPs;
    }
    if (!spec.clusterIPs?.length && old.clusterIPs) spec.clusterIPs = [...old.clusterIPs];
    if (!spec.ipFamilies?.length && old.ipFamilies) spec.ipFamilies = [...old.ipFamilies];
    if (!spec.ipFamilyPolicy && old.ipFamilyPolicy) spec.ipFamilyPolicy = old.ipFamilyPolicy;
  }
  if (needsNodePorts(old) && needsNodePorts(spec)) {
    // By name: all else of a port may have changed.
    const given = new Map((old.ports ?? []).map(({ name, nodePort }) => [name ?? "", nodePort]));
    const used = new Set((spec.ports ?? []).map(({ nodePort }) => nodePort));
    for (const port of spec.ports ?? []) {
      const nodePort = given.get(port.name ?? "");
      if (!port.nodePort && nodePort && !used.has(nodePort)) port.nodePort = nodePort;
    }
  }
  if (needsHealthPort(old) && needsHealthPort(spec) && !spec.healthCheckNodePort && old.healthCheckNodePort) {
    spec.healthCheckNodePort = old.healthCheckNodePort;
  }
}

/** Who asks for one family only, and leaves the rest as it was, keeps the first of both. */
function toOneFamily(spec: Spec, old: Spec): void {
  if (spec.ipFamilyPolicy !== "SingleStack" || (old.ipFamilyPolicy ?? "SingleStack") === "SingleStack") return;
  for (const field of ["ipFamilies", "clusterIPs"] as const)
    if (spec[field]?.length === 2 && spec[field].join() === old[field]?.join()) spec[field] = spec[field].slice(0, 1);
}

/** What belongs to the old type only, and was left as it is, goes with it. */
function giveBack(spec: Spec, old: Spec): void {
  const [type, before] = [spec.type as Type, old.type as Type];
  if (before !== "ExternalName" && type === "ExternalName" && spec.clusterIP === old.clusterIP) {
    for (const field of ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] as const) delete spec[field];
  }
  if (needsNodePorts(old) && !needsNodePorts(spec)) {
    const given = new Set((old.ports ?? []).map(({ nodePort }) => nodePort));
    for (const port of spec.ports ?? []) if (given.has(port.nodePort)) delete port.nodePort;
  }
  if (needsHealthPort(old) && !needsHealthPort(spec) && spec.healthCheckNodePort === old.healthCheckNodePort) {
    delete spec.healthCheckNodePort;
  }
  const leftOver = [
    ["allocateLoadBalancerNodePorts", type !== "LoadBalancer"],
    ["loadBalancerClass", type !== "LoadBalancer" && before === "LoadBalancer"],
    ["externalTrafficPolicy", !isExternal(spec)],
    ["internalTrafficPolicy", !needsAddress(spec)],
  ] as const;
  for (const [field, goes] of leftOver) if (goes && spec[field] === old[field]) delete spec[field];
}
