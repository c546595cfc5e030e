/**
 * Rules of Services: what may be asked of one, and what may not change. Behaviour is in service.ts.
 */

import { familyOf, ipError } from "../../machinery/objects/ip.ts";
import type { Service, ServicePort } from "../../machinery/objects/kinds.ts";
import { dns1123Label, dns1123Subdomain, portNumber, qualifiedName } from "../../machinery/objects/names.ts";
import { named, oneOf, portOrName, requireOneOf } from "./checks.ts";
import { PROTOCOLS } from "./container.ts";
import type { FieldErrors } from "./field-errors.ts";
import { each, validateLabels } from "./object-meta.ts";
import { isExternal, isHeadless, needsAddress } from "./service-type.ts";

type Spec = NonNullable<Service["spec"]>;

const TYPES: readonly string[] = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
const POLICIES: readonly string[] = ["Cluster", "Local"];
const KUBELET_PORT = 10250;
const DAY_SECONDS = 86_400;

export function validateService({ spec }: Service, errors: FieldErrors): void {
  if (!spec) {
    errors.required("spec");
    return;
  }
  if (!spec.ports?.length && !isHeadless(spec) && spec.type !== "ExternalName") errors.required("spec.ports");
  validateType(spec, errors);
  validatePorts(spec, errors);
  validateLabels(spec.selector, "spec.selector", errors);
  validateAffinity(spec, errors);
  requireOneOf(spec.type, TYPES, "spec.type", errors);
  for (const [index, address] of (spec.externalIPs ?? []).entries()) {
    if (!familyOf(address)) errors.invalid(`spec.externalIPs[${index}]`, address, ipError);
  }
  validatePolicies(spec, errors);
  if (needsAddress(spec)) validateAddresses(spec, errors);
}

function validateType(spec: Spec, errors: FieldErrors): void {
  const { type } = spec;
  if (type === "ExternalName") {
    const name = spec.externalName?.replace(/\.$/, "");
    if (!name) errors.required("spec.externalName");
    else each(dns1123Subdomain(name), "spec.externalName", name, errors);
    if (spec.clusterIPs?.length) errors.forbidden("spec.clusterIPs", "may not be set when `type` is 'ExternalName'");
  } else if ((type === "LoadBalancer" || type === "NodePort") && isHeadless(spec)) {
    errors.invalid("spec.clusterIPs[0]", "None", `may not be set to 'None' for ${type} services`);
  }
  if (type !== "LoadBalancer") return;
  for (const [index, { port }] of (spec.ports ?? []).entries()) {
    if (port !== KUBELET_PORT) continue;
    errors.invalid(`spec.ports[${index}]`, port, "may not expose port 10250 externally since it is used by kubelet");
  }
}

function validatePorts(spec: Spec, errors: FieldErrors): void {
  const ports = spec.ports ?? [];
  const names = new Set<string>();
  const seen = new Set<string>();
  const nodePorts = new Set<string>();
  for (const [index, port] of ports.entries()) {
    const path = `spec.ports[${index}]`;
    validateName(port, ports.length > 1, names, path, errors);
    each(portNumber(port.port), `${path}.port`, port.port, errors);
    requireOneOf(port.protocol, PROTOCOLS, `${path}.protocol`, errors);
    portOrName(port.targetPort, `${path}.targetPort`, errors);
    named(port.appProtocol, qualifiedName, `${path}.appProtocol`, errors);
    const key = `${port.protocol}/${port.port}`;
    if (seen.has(key)) errors.duplicate(path, { protocol: port.protocol, port: port.port });
    seen.add(key);
    if (!port.nodePort) continue;
    if (spec.type === "ClusterIP") {
      errors.forbidden(`${path}.nodePort`, "may not be used when `type` is 'ClusterIP'");
    }
    const nodeKey = `${port.protocol}/${port.nodePort}`;
    if (nodePorts.has(nodeKey)) errors.duplicate(`${path}.nodePort`, port.nodePort);
    nodePorts.add(nodeKey);
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
  const seconds = sessionAffinityConfig?.clientIP?.timeoutSeconds;
  if (sessionAffinity !== "ClientIP" || seconds === undefined) return;
  if (seconds <= 0 || seconds > DAY_SECONDS) {
    errors.invalid(
      "spec.sessionAffinityConfig.clientIP.timeoutSeconds",
      seconds,
      `must be greater than 0 and less than ${DAY_SECONDS}`,
    );
  }
}

function validatePolicies(spec: Spec, errors: FieldErrors): void {
  if (!isExternal(spec)) {
    if (spec.externalTrafficPolicy) {
      errors.invalid(
        "spec.externalTrafficPolicy",
        spec.externalTrafficPolicy,
        "may only be set for externally-accessible services",
      );
    }
  } else requireOneOf(spec.externalTrafficPolicy, POLICIES, "spec.externalTrafficPolicy", errors);
  oneOf(spec.internalTrafficPolicy, POLICIES, "spec.internalTrafficPolicy", errors);
  oneOf(
    spec.trafficDistribution,
    ["PreferClose", "PreferSameNode", "PreferSameZone"],
    "spec.trafficDistribution",
    errors,
  );
  oneOf(spec.ipFamilyPolicy, ["SingleStack", "PreferDualStack", "RequireDualStack"], "spec.ipFamilyPolicy", errors);
  if (spec.healthCheckNodePort && !(spec.type === "LoadBalancer" && spec.externalTrafficPolicy === "Local")) {
    errors.invalid(
      "spec.healthCheckNodePort",
      spec.healthCheckNodePort,
      "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
    );
  }
}

function validateAddresses({ clusterIP, clusterIPs = [], ipFamilies = [] }: Spec, errors: FieldErrors): void {
  const path = "spec.clusterIPs";
  if (clusterIPs.length > 0 && clusterIPs[0] !== clusterIP) {
    if (!clusterIP) errors.invalid(path, clusterIPs, "must be empty when `clusterIP` is not specified");
    else errors.invalid(path, clusterIPs, "first value must match `clusterIP`");
    return;
  }
  for (const [index, family] of ipFamilies.entries())
    oneOf(family, ["IPv4", "IPv6"], `spec.ipFamilies[${index}]`, errors);
  for (const [index, address] of clusterIPs.entries()) {
    if (address === "None") {
      if (clusterIPs.length > 1) {
        errors.invalid(`${path}[${index}]`, address, "'None' must be the first and only value");
      }
    } else if (!familyOf(address)) errors.invalid(`${path}[${index}]`, address, ipError);
    else if (ipFamilies[index] && familyOf(address) !== ipFamilies[index]) {
      errors.invalid(
        `${path}[${index}]`,
        address,
        `expected an ${ipFamilies[index]} value as indicated by \`ipFamilies[${index}]\``,
      );
    }
  }
}

export function validateServiceUpdate({ spec }: Service, { spec: old }: Service, errors: FieldErrors): void {
  if (!spec || !old || !needsAddress(spec) || !needsAddress(old)) return;
  const before = old.clusterIPs?.[0];
  if (before && spec.clusterIPs?.[0] !== before) {
    errors.invalid("spec.clusterIPs[0]", spec.clusterIPs, "may not change once set");
  }
  const family = old.ipFamilies?.[0];
  if (family && spec.ipFamilies?.[0] !== family) {
    errors.invalid("spec.ipFamilies[0]", spec.ipFamilies, "may not change once set");
  }
  if (old.loadBalancerClass && spec.type === "LoadBalancer" && spec.loadBalancerClass !== old.loadBalancerClass) {
    errors.invalid("spec.loadBalancerClass", spec.loadBalancerClass, "may not change once set");
  }
}
