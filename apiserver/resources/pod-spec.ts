/**
 * Pod specs: the part that Pods and all templates share, in the order in which Kubernetes checks it.
 *
 * What only a Pod of its own has (links to Services, its status, what may change) is in pod.ts.
 */
import type { PodSpec } from "../../machinery/objects/kinds.ts";
import { dns1123Label, dns1123Subdomain, qualifiedName } from "../../machinery/objects/names.ts";
import { validateAffinity } from "./affinity.ts";
import { between, named, requireOneOf } from "./checks.ts";
import { defaultRequirements, roundAmounts, validateRequirements } from "./compute-resources.ts";
import { defaultContainer, type PodFacts } from "./container.ts";
import { validateContainerLists } from "./container-lists.ts";
import { validateHostNetworkPorts } from "./container-ports.ts";
import type { FieldErrors } from "./field-errors.ts";
import { each, validateLabels } from "./object-meta.ts";
import { type At, child, item } from "./path.ts";
import { validateDnsConfig, validateDnsPolicy, validateHostAliases, validateHostnameOverride } from "./pod-dns.ts";
import { validatePodClaims, validatePodResources } from "./pod-level-resources.ts";
import { validateOs } from "./pod-os.ts";
import { validatePodSecurityContext } from "./security-context.ts";
import { validateTolerations } from "./tolerations.ts";
import { validateSpread } from "./topology-spread.ts";
import { defaultVolume, validateVolumes } from "./volume.ts";
import { validateHostProcess } from "./windows-options.ts";

const MAX_INT32 = 2 ** 31 - 1;
const RESTART_POLICIES: readonly string[] = ["Always", "OnFailure", "Never"];

export function defaultPodSpec(spec: PodSpec): void {
  spec.dnsPolicy ||= "ClusterFirst";
  spec.restartPolicy ||= "Always";
  spec.terminationGracePeriodSeconds ??= 30;
  spec.schedulerName ||= "default-scheduler";
  spec.securityContext ??= {};
  // One value under two names, of which one is deprecated.
  const account = spec.serviceAccountName || spec.serviceAccount;
  if (account && spec.serviceAccountName !== account) spec.serviceAccountName = account;
  if (account && spec.serviceAccount !== account) spec.serviceAccount = account;
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

/** `podName` is undefined in templates, whose Pods have no name yet. */
export function validatePodSpec(spec: PodSpec, podName: string | undefined, path: At, errors: FieldErrors): void {
  const grace = spec.terminationGracePeriodSeconds;
  if (grace === undefined) errors.required(child(path, "terminationGracePeriodSeconds"));
  const pod: PodFacts = {
    volumes: validateVolumes(spec.volumes, podName ?? "", child(path, "volumes"), errors),
    claims: validatePodClaims(spec.resourceClaims, child(path, "resourceClaims"), errors),
    grace,
    restartPolicy: spec.restartPolicy,
    hostUsers: spec.hostUsers !== false,
  };
  validateContainerLists(spec, pod, path, errors);
  if (spec.resources) validatePodResources(spec, pod.claims, child(path, "resources"), errors);
  validateHostNetworkPorts(spec, podName !== undefined, child(path, "containers"), errors);
  requireOneOf(spec.restartPolicy, RESTART_POLICIES, child(path, "restartPolicy"), errors);
  validateDnsPolicy(spec, path, errors);
  if (spec.nodeSelector) validateLabels(spec.nodeSelector, child(path, "nodeSelector"), errors);
  validatePodSecurityContext(spec, child(path, "securityContext"), errors);
  validateAffinity(spec.affinity, child(path, "affinity"), errors);
  validateDnsConfig(spec, child(path, "dnsConfig"), errors);
  validateGates(spec, path, errors);
  const { topologySpreadConstraints: spread } = spec;
  if (spread) validateSpread(spread, child(path, "topologySpreadConstraints"), errors);
  validateHostProcess(spec, path, errors);
  if (spec.hostUsers === false) validateOwnUsers(spec, path, errors);
  validateNames(spec, path, errors);
  if (spec.overhead) validateRequirements({ limits: spec.overhead }, undefined, child(path, "overhead"), errors);
  validateHostnameOverride(spec, path, errors);
  validateOs(spec, path, errors);
}

/** Readiness gates and scheduling gates. */
function validateGates({ readinessGates, schedulingGates }: PodSpec, path: At, errors: FieldErrors): void {
  for (const [index, { conditionType }] of (readinessGates ?? []).entries()) {
    const at = child(item(child(path, "readinessGates"), index), "conditionType");
    each(qualifiedName(conditionType), at, conditionType, errors);
  }
  const gates = new Set<string>();
  for (const [index, { name }] of (schedulingGates ?? []).entries()) {
    const at = item(child(path, "schedulingGates"), index);
    each(qualifiedName(name), at, name, errors);
    if (gates.has(name)) errors.duplicate(at, name);
    gates.add(name);
  }
}

/** Users of its own do not go with the host's namespaces. */
function validateOwnUsers(spec: PodSpec, path: At, errors: FieldErrors): void {
  for (const [field, name] of [
    ["hostNetwork", "hostNetwork"],
    ["hostPID", "HostPID"],
    ["hostIPC", "HostIPC"],
  ] as const) {
    if (spec[field]) errors.forbidden(child(path, name), "when `pod.Spec.HostUsers` is false");
  }
}

function validateNames(spec: PodSpec, path: At, errors: FieldErrors): void {
  named(spec.serviceAccountName, dns1123Subdomain, child(path, "serviceAccountName"), errors);
  named(spec.nodeName, dns1123Subdomain, child(path, "nodeName"), errors);
  between(spec.activeDeadlineSeconds, 1, MAX_INT32, child(path, "activeDeadlineSeconds"), errors);
  named(spec.hostname, dns1123Label, child(path, "hostname"), errors);
  named(spec.subdomain, dns1123Label, child(path, "subdomain"), errors);
  if (spec.tolerations) validateTolerations(spec.tolerations, child(path, "tolerations"), errors);
  validateHostAliases(spec, child(path, "hostAliases"), errors);
  named(spec.priorityClassName, dns1123Subdomain, child(path, "priorityClassName"), errors);
  const { runtimeClassName: runtime, preemptionPolicy: preemption } = spec;
  if (runtime !== undefined) each(dns1123Subdomain(runtime), child(path, "runtimeClassName"), runtime, errors);
  if (preemption === undefined) return;
  requireOneOf(preemption, ["PreemptLowerPriority", "Never"], child(path, "preemptionPolicy"), errors);
}
