/**
 * Ingress and NetworkPolicy: stored and checked; nothing serves or enforces them yet.
 */
import type * as models from "@kubernetes/client-node";
import { familyOf } from "../../machinery/objects/ip.ts";
import { dns1123Subdomain, portName, portNumber, wildcardDns1123Subdomain } from "../../machinery/objects/names.ts";
import type { Stored, Wire } from "../../machinery/objects/wire.ts";
import { named, oneOf, portOrName, requireNamed } from "./checks.ts";
import { PROTOCOLS } from "./container.ts";
import type { Strategy } from "./contract.ts";
import type { FieldErrors } from "./field-errors.ts";
import { validateLabelSelector } from "./label-selector.ts";
import { each } from "./object-meta.ts";

export type Ingress = Stored<models.V1Ingress>;
export type NetworkPolicy = Stored<models.V1NetworkPolicy>;
type Backend = Wire<models.V1IngressBackend>;
type Path = Wire<models.V1HTTPIngressPath>;

const PATH_TYPES: readonly string[] = ["Exact", "ImplementationSpecific", "Prefix"];
const BAD_SEQUENCES: readonly string[] = ["//", "/./", "/../", "%2f", "%2F"];
const BAD_ENDINGS: readonly string[] = ["/..", "/."];

export const ingressStrategy: Strategy<Ingress> = {
  prepareForCreate(ingress) {
    ingress.status = { loadBalancer: {} };
  },
  validate({ spec = {} }, errors) {
    if (!spec.rules?.length && !spec.defaultBackend) {
      errors.invalid("spec", [], "either `defaultBackend` or `rules` must be specified");
    }
    if (spec.defaultBackend) validateBackend(spec.defaultBackend, "spec.defaultBackend", errors);
    named(spec.ingressClassName, dns1123Subdomain, "spec.ingressClassName", errors);
    for (const [index, { host, http }] of (spec.rules ?? []).entries()) {
      const at = `spec.rules[${index}]`;
      validateHost(host, `${at}.host`, errors);
      if (!http) continue;
      if (!http.paths?.length) errors.required(`${at}.http.paths`);
      for (const [place, path] of (http.paths ?? []).entries()) {
        validatePath(path, `${at}.http.paths[${place}]`, errors);
      }
    }
  },
  allowUnconditionalUpdate: true,
};

function validateHost(host: string | undefined, path: string, errors: FieldErrors): void {
  if (!host) return;
  if (familyOf(host)) errors.invalid(path, host, "must be a DNS name, not an IP address");
  else each((host.includes("*") ? wildcardDns1123Subdomain : dns1123Subdomain)(host), path, host, errors);
}

function validatePath({ path, pathType, backend }: Path, at: string, errors: FieldErrors): void {
  if (!pathType) errors.required(`${at}.pathType`, "pathType must be specified");
  else if (pathType !== "ImplementationSpecific" && PATH_TYPES.includes(pathType)) {
    if (!path?.startsWith("/")) errors.invalid(`${at}.path`, path ?? "", "must be an absolute path");
    for (const bad of BAD_SEQUENCES) {
      if (path?.includes(bad)) errors.invalid(`${at}.path`, path, `must not contain '${bad}'`);
    }
    for (const bad of BAD_ENDINGS) {
      if (path?.endsWith(bad)) errors.invalid(`${at}.path`, path, `cannot end with '${bad}'`);
    }
  } else if (path && !path.startsWith("/")) errors.invalid(`${at}.path`, path, "must be an absolute path");
  oneOf(pathType, PATH_TYPES, `${at}.pathType`, errors);
  if (!backend) errors.required(`${at}.backend`);
  else validateBackend(backend, `${at}.backend`, errors);
}

function validateBackend({ service, resource }: Backend, path: string, errors: FieldErrors): void {
  if (service && resource) {
    errors.invalid(path, "", "cannot set both resource and service backends");
  } else if (!service && !resource) errors.required(path, "port name or number is required");
  if (!service) return;
  requireNamed(service.name, dns1123Subdomain, `${path}.service.name`, errors);
  const { name, number } = service.port ?? {};
  if (name && number) errors.invalid(path, "", "cannot set both port name & port number");
  else if (name) each(portName(name), `${path}.service.port.name`, name, errors);
  else if (number) each(portNumber(number), `${path}.service.port.number`, number, errors);
  else errors.required(path, "port name or number is required");
}

export const networkPolicyStrategy: Strategy<NetworkPolicy> = {
  defaults({ spec }) {
    if (!spec) return;
    spec.podSelector ??= {};
    spec.policyTypes ??= spec.egress?.length ? ["Ingress", "Egress"] : ["Ingress"];
    for (const { ports } of [...(spec.ingress ?? []), ...(spec.egress ?? [])]) {
      for (const port of ports ?? []) port.protocol ??= "TCP";
    }
  },
  validate({ spec }, errors) {
    validateLabelSelector(spec?.podSelector, "spec.podSelector", errors);
    for (const [index, type] of (spec?.policyTypes ?? []).entries()) {
      oneOf(type, ["Egress", "Ingress"], `spec.policyTypes[${index}]`, errors);
    }
    for (const [name, rules] of [
      ["ingress", spec?.ingress],
      ["egress", spec?.egress],
    ] as const) {
      for (const [index, { ports }] of (rules ?? []).entries()) {
        for (const [place, { port, protocol }] of (ports ?? []).entries()) {
          const at = `spec.${name}[${index}].ports[${place}]`;
          oneOf(protocol, PROTOCOLS, `${at}.protocol`, errors);
          if (port !== undefined) portOrName(port, `${at}.port`, errors);
        }
      }
    }
  },
  allowUnconditionalUpdate: true,
};
