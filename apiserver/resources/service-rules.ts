/**
 * Rules of Services: what may be asked of one, in Kubernetes' order. Behaviour is in service.ts, addresses and families
 * in service-address-rules.ts.
 */
import { cidr, familyOf, ipError } from "../../machinery/objects/ip.ts";
import type { Service, ServicePort } from "../../machinery/objects/kinds.ts";
import { dns1123Label, dns1123Subdomain, portNumber, qualifiedName } from "../../machinery/objects/names.ts";
import { named, oneOf, portOrName, requireOneOf } from "./checks.ts";
import { PROTOCOLS } from "./container.ts";
import type { FieldErrors } from "./field-errors.ts";
import { each, validateLabels } from "./object-meta.ts";
import { validateAddresses, validateAddressUpdate } from "./service-address-rules.ts";
import { isExternal, isHeadless, needsHealthPort } from "./service-type.ts";
import { validateOrdinary } from "./special-addresses.ts";

type Spec = NonNullable<Service["spec"]>;

const TYPES: readonly string[] = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
const POLICIES: readonly string[] = ["Cluster", "Local"];
const KUBELET_PORT = 10250;
const DAY_SECONDS = 86_400;
const SOURCE_RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges";
const LOAD_BALANCER_ONLY = "may only be used when `type` is 'LoadBalancer'";

export function validateService({ spec, metadata }: Service, errors: FieldErrors): void {
  if (!spec) {
    errors.required("spec");
    return;
  }
  if (!spec.ports?.length && !isHeadless(spec) && spec.type !== "ExternalName") errors.required("spec.ports");
  validateType(spec, errors);
  validatePorts(spec, errors);
  validateLabels(spec.selector, "spec.selector", errors);
  validateAffinity(spec, errors);
  validateAddresses(spec, errors);
  for (const [index, address] of (spec.externalIPs ?? []).entries()) {
    const at = `spec.externalIPs[${index}]`;
    if (!familyOf(address)) errors.invalid(at, address, ipError);
    else validateOrdinary(address, at, errors);
  }
  requireOneOf(spec.type, TYPES, "spec.type", errors);
  validateNodePorts(spec, errors);
  validateSourceRanges(spec, metadata.annotations?.[SOURCE_RANGES], errors);
  validateLoadBalancer(spec, errors);
  validatePolicies(spec, errors);
}

function validateType(spec: Spec, errors: FieldErrors): void {
  const { type } = spec;
  if (type === "LoadBalancer") {
    for (const [index, { port }] of (spec.ports ?? []).entries()) {
      if (port !== KUBELET_PORT) continue;
      errors.invalid(`spec.ports[${index}]`, port, "may not expose port 10250 externally since it is used by kubelet");
    }
  }
  if ((type === "LoadBalancer" || type === "NodePort") && isHeadless(spec))
    errors.invalid("spec.clusterIPs[0]", "None", `may not be set to 'None' for ${type} services`);
  if (type !== "ExternalName") return;
  for (const field of ["clusterIPs", "ipFamilies", "ipFamilyPolicy"] as const)
    if (spec[field]?.length) errors.forbidden(`spec.${field}`, "may not be set for ExternalName services");
  // it may end with a dot, which says that it is complete
  const name = spec.externalName?.replace(/\.$/, "");
  if (!name) errors.required("spec.externalName");
  else each(dns1123Subdomain(name), "spec.externalName", name, errors);
}

function validatePorts({ ports = [] }: Spec, errors: FieldErrors): void {
  const names = new Set<string>();
  for (const [index, port] of ports.entries()) {
    const path = `spec.ports[${index}]`;
    validateName(port, ports.length > 1, names, path, errors);
    each(portNumber(port.port), `${path}.port`, port.port, errors);
    requireOneOf(port.protocol, PROTOCOLS, `${path}.protocol`, errors);
    portOrName(port.targetPort, `${path}.targetPort`, errors);
    named(port.appProtocol, qualifiedName, `${path}.appProtocol`, errors);
  }
}

function validateName(
  { name }: ServicePort,
  required: boolean,
  taken: Set<string>,
  path: string,
  errors: FieldErrors,
): void {
  if (!name) {
    if (required) errors.required(`${path}.name`);
    return;
  }
  each(dns1123Label(name), `${path}.name`, name, errors);
  if (taken.has(name)) errors.duplicate(`${path}.name`, name);
  taken.add(name);
}

function validateAffinity({ sessionAffinity, sessionAffinityConfig }: Spec, errors: FieldErrors): void {
  requireOneOf(sessionAffinity, ["ClientIP", "None"], "spec.sessionAffinity", errors);
  if (sessionAffinity === "None" && sessionAffinityConfig)
    errors.forbidden("spec.sessionAffinityConfig", "must not be set when session affinity is None");
  if (sessionAffinity !== "ClientIP") return;
  const seconds = sessionAffinityConfig?.clientIP?.timeoutSeconds;
  if (seconds === undefined) errors.required("spec.sessionAffinityConfig", "when session affinity type is ClientIP");
  else if (seconds <= 0 || seconds > DAY_SECONDS)
    errors.invalid(
      "spec.sessionAffinityConfig.clientIP.timeoutSeconds",
      seconds,
      `must be greater than 0 and less than ${DAY_SECONDS}`,
    );
}

function validateNodePorts({ type, ports = [] }: Spec, errors: FieldErrors): void {
  const nodePorts = new Set<string>();
  const seen = new Set<string>();
  for (const [index, { nodePort }] of ports.entries()) {
    if (type === "ClusterIP" && nodePort)
      errors.forbidden(`spec.ports[${index}].nodePort`, "may not be used when `type` is 'ClusterIP'");
  }
  for (const [index, { protocol, nodePort }] of ports.entries()) {
    const key = `${protocol}/${nodePort}`;
    if (nodePort && nodePorts.has(key)) errors.duplicate(`spec.ports[${index}].nodePort`, nodePort);
    nodePorts.add(key);
  }
  for (const [index, { protocol, port }] of ports.entries()) {
    const key = `${protocol}/${port}`;
    // as Kubernetes shows it: all fields of a port, of which two count
    const shown = { Name: "", Protocol: protocol, AppProtocol: null, Port: port, TargetPort: 0, NodePort: 0 };
    if (seen.has(key)) errors.duplicate(`spec.ports[${index}]`, shown);
    seen.add(key);
  }
}

/** The field's name is written like this in Kubernetes' messages. */
const RANGES_FIELD = "spec.LoadBalancerSourceRanges";

function validateSourceRanges(spec: Spec, annotation: string | undefined, errors: FieldErrors): void {
  const ranges = spec.loadBalancerSourceRanges ?? [];
  const isAnnotation = ranges.length === 0 && annotation !== undefined;
  if (ranges.length === 0 && !isAnnotation) return;
  const path = isAnnotation ? `metadata.annotations[${SOURCE_RANGES}]` : RANGES_FIELD;
  if (spec.type !== "LoadBalancer") errors.forbidden(path, LOAD_BALANCER_ONLY);
  const values = isAnnotation ? (annotation.trim() ? annotation.split(",") : []) : ranges;
  for (const [index, value] of values.entries())
    each(cidr(value.trim()), isAnnotation ? path : `${path}[${index}]`, value.trim(), errors);
}

function validateLoadBalancer({ type, allocateLoadBalancerNodePorts, loadBalancerClass }: Spec, errors: FieldErrors) {
  const isBalanced = type === "LoadBalancer";
  if (allocateLoadBalancerNodePorts !== undefined && !isBalanced)
    errors.forbidden("spec.allocateLoadBalancerNodePorts", LOAD_BALANCER_ONLY);
  if (loadBalancerClass === undefined) return;
  if (isBalanced) each(qualifiedName(loadBalancerClass), "spec.loadBalancerClass", loadBalancerClass, errors);
  else errors.forbidden("spec.loadBalancerClass", LOAD_BALANCER_ONLY);
}

function validatePolicies(spec: Spec, errors: FieldErrors): void {
  const { externalTrafficPolicy, healthCheckNodePort } = spec;
  const path = "spec.externalTrafficPolicy";
  if (isExternal(spec)) requireOneOf(externalTrafficPolicy, POLICIES, path, errors);
  else if (externalTrafficPolicy)
    errors.invalid(path, externalTrafficPolicy, "may only be set for externally-accessible services");
  if (healthCheckNodePort) {
    if (needsHealthPort(spec))
      each(portNumber(healthCheckNodePort), "spec.healthCheckNodePort", healthCheckNodePort, errors);
    else
      errors.invalid(
        "spec.healthCheckNodePort",
        healthCheckNodePort,
        "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
      );
  }
  oneOf(spec.internalTrafficPolicy, POLICIES, "spec.internalTrafficPolicy", errors);
  const distributions = ["PreferClose", "PreferSameNode", "PreferSameZone"];
  oneOf(spec.trafficDistribution, distributions, "spec.trafficDistribution", errors);
}

export function validateServiceUpdate({ spec }: Service, { spec: old }: Service, errors: FieldErrors): void {
  if (!spec || !old) return;
  validateAddressUpdate(spec, old, errors);
  const balanced = spec.type === "LoadBalancer" && old.type === "LoadBalancer";
  if (balanced && spec.loadBalancerClass !== old.loadBalancerClass)
    errors.invalid("spec.loadBalancerClass", spec.loadBalancerClass, "may not change once set");
}

/** Fields that are not what people take them for. */
export function serviceWarnings({ spec, metadata }: Service): string[] {
  const warnings: string[] = [];
  if (metadata.annotations?.["service.kubernetes.io/topology-aware-hints"] !== undefined)
    warnings.push(
      "annotation service.kubernetes.io/topology-aware-hints is deprecated, please use service.kubernetes.io/topology-mode instead",
    );
  if (spec && isHeadless(spec)) {
    if (spec.loadBalancerIP) warnings.push("spec.loadBalancerIP is ignored for headless services");
    if (spec.externalIPs?.length) warnings.push("spec.externalIPs is ignored for headless services");
    if (spec.sessionAffinity && spec.sessionAffinity !== "None")
      warnings.push("spec.SessionAffinity is ignored for headless services");
  }
  if (spec?.type === "ExternalName" && spec.externalIPs?.length)
    warnings.push('spec.externalIPs is ignored when spec.type is "ExternalName"');
  if (spec?.trafficDistribution === "PreferClose")
    warnings.push('spec.trafficDistribution: "PreferClose" is deprecated, use "PreferSameZone"');
  return warnings;
}
