/**
 * Pod specs: the part that Pods and all templates share.
 *
 * What only a Pod of its own has (links to Services, its status, what may change) is in pod.ts.
 */
import type { Container, PodSpec } from "../../machinery/objects/kinds.ts";
import { dns1123Label, dns1123Subdomain, qualifiedName } from "../../machinery/objects/names.ts";
import { between, named, oneOf, requireOneOf } from "./checks.ts";
import { defaultRequirements, roundAmounts, validateRequirements } from "./compute-resources.ts";
import { defaultContainer, type PodFacts, validateContainer, validateRunning } from "./container.ts";
import type { FieldErrors } from "./field-errors.ts";
import { each } from "./object-meta.ts";
import { validatePlacement } from "./placement.ts";
import { validatePodDns } from "./pod-dns.ts";
import { validatePodSecurityContext } from "./security-context.ts";
import { defaultVolume, validateVolumes } from "./volume.ts";

const MAX_INT32 = 2 ** 31 - 1;

export function defaultPodSpec(spec: PodSpec): void {
  spec.dnsPolicy ||= "ClusterFirst";
  spec.restartPolicy ||= "Always";
  spec.terminationGracePeriodSeconds ??= 30;
  spec.schedulerName ||= "default-scheduler";
  spec.securityContext ??= {};
  // One value under two names, of which one is deprecated.
  const account = spec.serviceAccountName || spec.serviceAccount;
  if (account) spec.serviceAccountName = spec.serviceAccount = account;
  if (spec.resources) defaultRequirements(spec.resources);
  roundAmounts(spec.overhead);
  for (const volume of spec.volumes ?? []) defaultVolume(volume);
  for (const container of spec.initContainers ?? []) defaultContainer(container);
  for (const container of spec.containers ?? []) defaultContainer(container);
  for (const container of spec.ephemeralContainers ?? []) defaultContainer(container);
}

/** On the host's network a container's port is the host's. Only for Pods: in a template the author's silence is kept. */
export function defaultHostPorts({ containers, initContainers = [] }: PodSpec): void {
  for (const { ports = [] } of [...initContainers, ...(containers ?? [])]) {
    for (const port of ports) port.hostPort ||= port.containerPort;
  }
}

export function validatePodSpec(spec: PodSpec, path: string, errors: FieldErrors): void {
  const volumes = validateVolumes(spec.volumes ?? [], `${path}.volumes`, errors);
  const pod: PodFacts = {
    volumes,
    grace: spec.terminationGracePeriodSeconds,
    hostNetwork: spec.hostNetwork === true,
  };
  validateContainers(spec.containers, pod, `${path}.containers`, errors);
  validateInitContainers(spec, pod, `${path}.initContainers`, errors);
  validateEphemeral(spec, pod, `${path}.ephemeralContainers`, errors);
  requireOneOf(spec.restartPolicy, ["Always", "OnFailure", "Never"], `${path}.restartPolicy`, errors);
  validatePodDns(spec, path, errors);
  validatePlacement(spec, path, errors);
  if (spec.securityContext) validatePodSecurityContext(spec.securityContext, `${path}.securityContext`, errors);
  if (spec.resources) validateRequirements(spec.resources, `${path}.resources`, errors);
  for (const field of ["serviceAccountName", "nodeName", "priorityClassName", "runtimeClassName"] as const) {
    named(spec[field], dns1123Subdomain, `${path}.${field}`, errors);
  }
  between(spec.activeDeadlineSeconds, 1, MAX_INT32, `${path}.activeDeadlineSeconds`, errors);
  oneOf(spec.preemptionPolicy, ["PreemptLowerPriority", "Never"], `${path}.preemptionPolicy`, errors);
  oneOf(spec.os?.name, ["linux", "windows"], `${path}.os.name`, errors);
  validateHostNamespaces(spec, path, errors);
  validateNames(spec, path, errors);
}

function validateHostNamespaces(spec: PodSpec, path: string, errors: FieldErrors): void {
  if (spec.hostPID && spec.shareProcessNamespace) {
    const at = `${path}.securityContext.shareProcessNamespace`;
    errors.invalid(at, true, "ShareProcessNamespace and HostPID cannot both be enabled");
  }
  if (spec.hostUsers !== false) return;
  for (const [field, name] of [
    ["hostNetwork", "hostNetwork"],
    ["hostPID", "HostPID"],
    ["hostIPC", "HostIPC"],
  ] as const) {
    if (spec[field]) errors.forbidden(`${path}.${name}`, "when `pod.Spec.HostUsers` is false");
  }
}

/** Names that need no file of their own: readiness gates, scheduling gates. */
function validateNames(spec: PodSpec, path: string, errors: FieldErrors): void {
  for (const [index, { conditionType }] of (spec.readinessGates ?? []).entries()) {
    each(qualifiedName(conditionType), `${path}.readinessGates[${index}].conditionType`, conditionType, errors);
  }
  const gates = new Set<string>();
  for (const [index, { name }] of (spec.schedulingGates ?? []).entries()) {
    const at = `${path}.schedulingGates[${index}]`;
    each(qualifiedName(name), at, name, errors);
    if (gates.has(name)) errors.duplicate(at, name);
    gates.add(name);
  }
}

function validateContainers(
  containers: readonly Container[] | undefined,
  pod: PodFacts,
  path: string,
  errors: FieldErrors,
): void {
  if (!containers?.length) {
    errors.required(path);
    return;
  }
  const names = new Set<string>();
  const ports = new Set<string>();
  for (const [index, container] of containers.entries()) {
    const at = `${path}[${index}]`;
    validateName(container.name, names, at, errors);
    validateContainer(container, pod, at, errors);
    validateRunning(container, pod.grace, at, errors);
    validateHostPorts(container, ports, at, errors);
  }
}

/** No two containers may ask for the same port of the host. */
function validateHostPorts({ ports }: Container, seen: Set<string>, path: string, errors: FieldErrors): void {
  for (const [index, { hostPort, hostIP = "", protocol = "TCP" }] of (ports ?? []).entries()) {
    if (!hostPort) continue;
    const key = `${protocol}/${hostIP}/${hostPort}`;
    if (seen.has(key)) errors.duplicate(`${path}.ports[${index}].hostPort`, key);
    seen.add(key);
  }
}

const ONLY_RUNNING = ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] as const;

function validateInitContainers(
  { containers, initContainers = [] }: PodSpec,
  pod: PodFacts,
  path: string,
  errors: FieldErrors,
): void {
  const names = new Set((containers ?? []).map(({ name }) => name));
  for (const [index, container] of initContainers.entries()) {
    const at = `${path}[${index}]`;
    validateName(container.name, names, at, errors);
    validateContainer(container, pod, at, errors);
    validateHostPorts(container, new Set(), at, errors);
    if (container.restartPolicy === "Always") {
      validateRunning(container, pod.grace, at, errors);
      continue;
    }
    for (const field of ONLY_RUNNING) {
      if (container[field] === undefined) continue;
      errors.forbidden(`${at}.${field}`, "may not be set for init containers without restartPolicy=Always");
    }
  }
}

function validateEphemeral(
  { containers, initContainers = [], ephemeralContainers = [] }: PodSpec,
  pod: PodFacts,
  path: string,
  errors: FieldErrors,
): void {
  if (ephemeralContainers.length === 0) return;
  const targets = new Set([...(containers ?? []), ...initContainers].map(({ name }) => name));
  const names = new Set(targets);
  for (const [index, container] of ephemeralContainers.entries()) {
    const at = `${path}[${index}]`;
    validateName(container.name, names, at, errors);
    validateContainer(container, pod, at, errors);
    const { targetContainerName: target } = container;
    if (target && !targets.has(target)) errors.notFound(`${at}.targetContainerName`, target);
    for (const field of [...ONLY_RUNNING, "ports"] as const) {
      if (container[field] !== undefined)
        errors.forbidden(`${at}.${field}`, "cannot be set for an Ephemeral Container");
    }
  }
}

function validateName(name: string | undefined, taken: Set<string>, path: string, errors: FieldErrors): void {
  if (!name) {
    errors.required(`${path}.name`);
    return;
  }
  each(dns1123Label(name), `${path}.name`, name, errors);
  if (taken.has(name)) errors.duplicate(`${path}.name`, name);
  taken.add(name);
}
