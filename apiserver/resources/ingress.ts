/**
 * Ingress and IngressClass: which Services are reached from outside under which names. Stored and checked; nothing
 * serves them by itself.
 */
import type * as models from "@kubernetes/client-node";
import { familyOf } from "../../machinery/objects/ip.ts";
import {
  dns1035Label,
  dns1123Label,
  dns1123Subdomain,
  portName,
  portNumber,
  wildcardDns1123Subdomain,
} from "../../machinery/objects/names.ts";
import type { Stored, Wire } from "../../machinery/objects/wire.ts";
import { IMMUTABLE, named, oneOf, required, requireNamed } from "./checks.ts";
import type { Strategy } from "./contract.ts";
import type { FieldErrors } from "./field-errors.ts";
import { each } from "./object-meta.ts";

export type Ingress = Stored<models.V1Ingress>;
type IngressClass = Stored<models.V1IngressClass>;
type Backend = Wire<models.V1IngressBackend>;
type Path = Wire<models.V1HTTPIngressPath>;
type Spec = Wire<models.V1IngressSpec>;

const PATH_TYPES: readonly string[] = ["Exact", "ImplementationSpecific", "Prefix"];
const BAD_SEQUENCES: readonly string[] = ["//", "/./", "/../", "%2f", "%2F"];
const BAD_ENDINGS: readonly string[] = ["/..", "/."];
const OLD_CLASS = "kubernetes.io/ingress.class";

export const ingressStrategy: Strategy<Ingress> = {
  prepareForCreate(ingress) {
    ingress.status = { loadBalancer: {} };
  },
  validate({ spec = {} }, errors) {
    if (!spec.rules?.length && !spec.defaultBackend) {
      errors.invalid("spec", [], "either `defaultBackend` or `rules` must be specified");
    }
    if (spec.defaultBackend) validateBackend(spec.defaultBackend, "spec.defaultBackend", errors);
    for (const [index, rule] of (spec.rules ?? []).entries()) validateRule(rule, `spec.rules[${index}]`, errors);
    validateTls(spec, errors);
    named(spec.ingressClassName, dns1123Subdomain, "spec.ingressClassName", errors);
  },
  validateCreate({ metadata, spec }, errors) {
    const old = metadata.annotations?.[OLD_CLASS];
    if (old !== undefined && spec?.ingressClassName !== undefined && old !== spec.ingressClassName)
      errors.invalid(
        `metadata.annotations[${OLD_CLASS}]`,
        old,
        "must match `ingressClassName` when both are specified",
      );
  },
  validateStatusUpdate({ status }, _old, errors) {
    for (const [index, { ip, hostname }] of (status?.loadBalancer?.ingress ?? []).entries()) {
      const at = `status.loadBalancer.ingress[${index}]`;
      if (ip && !familyOf(ip)) errors.invalid(`${at}.ip`, ip, "must be a valid IP address");
      named(hostname, dns1123Subdomain, `${at}.hostname`, errors);
      if (hostname && familyOf(hostname))
        errors.invalid(`${at}.hostname`, hostname, "must be a DNS name, not an IP address");
    }
  },
  warnings: ({ metadata }) =>
    metadata.annotations?.[OLD_CLASS] === undefined
      ? []
      : [`annotation "${OLD_CLASS}" is deprecated, please use 'spec.ingressClassName' instead`],
  allowUnconditionalUpdate: true,
};

function validateRule({ host, http }: NonNullable<Spec["rules"]>[number], at: string, errors: FieldErrors): void {
  if (host) {
    if (familyOf(host)) errors.invalid(`${at}.host`, host, "must be a DNS name, not an IP address");
    validateHost(host, `${at}.host`, errors);
  }
  if (!http) return;
  if (!http.paths?.length) errors.required(`${at}.http.paths`);
  for (const [place, path] of (http.paths ?? []).entries()) validatePath(path, `${at}.http.paths[${place}]`, errors);
}

const validateHost = (host: string, path: string, errors: FieldErrors): void =>
  each((host.includes("*") ? wildcardDns1123Subdomain : dns1123Subdomain)(host), path, host, errors);

function validateTls({ tls }: Spec, errors: FieldErrors): void {
  for (const [index, { hosts, secretName }] of (tls ?? []).entries()) {
    for (const [place, host] of (hosts ?? []).entries())
      validateHost(host, `spec.tls[${index}].hosts[${place}]`, errors);
    named(secretName, dns1123Subdomain, `spec.tls[${index}].secretName`, errors);
  }
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
  if (service && resource) errors.invalid(path, "", "cannot set both resource and service backends");
  else if (resource) validateResource(resource, `${path}.resource`, errors);
  else if (!service) errors.required(path, "port name or number is required");
  if (!service || resource) return;
  if (!service.name) errors.required(`${path}.service.name`);
  else each(dns1035Label(service.name), `${path}.service.name`, service.name, errors);
  const { name, number } = service.port ?? {};
  if (name && number) errors.invalid(path, "", "cannot set both port name & port number");
  else if (name) each(portName(name), `${path}.service.port.name`, name, errors);
  else if (number) each(portNumber(number), `${path}.service.port.number`, number, errors);
  else errors.required(path, "port name or number is required");
}

function validateResource({ kind, name }: NonNullable<Backend["resource"]>, path: string, errors: FieldErrors): void {
  required(kind, `${path}.kind`, errors);
  required(name, `${path}.name`, errors);
}

const LONGEST_CONTROLLER = 250;
const SCOPES: readonly string[] = ["Cluster", "Namespace"];

export const ingressClassStrategy: Strategy<IngressClass> = {
  defaults({ spec }) {
    if (spec?.parameters) spec.parameters.scope ??= "Cluster";
  },
  validate({ spec }, errors) {
    const { controller = "", parameters } = spec ?? {};
    if (controller.length > LONGEST_CONTROLLER) errors.tooLong("spec.controller", LONGEST_CONTROLLER);
    validateController(controller, errors);
    if (parameters) validateParameters(parameters, errors);
  },
  validateUpdate({ spec }, old, errors) {
    if (spec?.controller !== old.spec?.controller) errors.invalid("spec.controller", spec?.controller, IMMUTABLE);
  },
  allowUnconditionalUpdate: true,
};

/** "example.com/ingress" */
function validateController(controller: string, errors: FieldErrors): void {
  const path = "spec.controller";
  const slash = controller.indexOf("/");
  if (controller === "") errors.required(path);
  else if (slash <= 0 || slash === controller.length - 1)
    errors.invalid(path, controller, 'must be a domain-prefixed path (such as "acme.io/foo")');
  else {
    each(dns1123Subdomain(controller.slice(0, slash)), path, controller.slice(0, slash), errors);
    const rest = controller.slice(slash + 1);
    if (!/^[A-Za-z0-9/\-._~%!$&'()*+,;=:]+$/.test(rest))
      errors.invalid(path, rest, "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')");
  }
}

type Parameters = NonNullable<NonNullable<IngressClass["spec"]>["parameters"]>;

function validateParameters({ apiGroup, kind, name, scope, namespace }: Parameters, errors: FieldErrors): void {
  const path = "spec.parameters";
  named(apiGroup, dns1123Subdomain, `${path}.apiGroup`, errors);
  required(kind, `${path}.kind`, errors);
  required(name, `${path}.name`, errors);
  if (!scope) errors.required(`${path}.scope`);
  else oneOf(scope, SCOPES, `${path}.scope`, errors);
  if (scope === "Namespace") {
    if (!namespace) errors.required(`${path}.namespace`, "`parameters.scope` is set to 'Namespace'");
    else requireNamed(namespace, dns1123Label, `${path}.namespace`, errors);
  }
  if (scope === "Cluster" && namespace !== undefined)
    errors.forbidden(`${path}.namespace`, "`parameters.scope` is set to 'Cluster'");
}
