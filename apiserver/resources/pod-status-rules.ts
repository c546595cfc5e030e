/**
 * A Pod's status, as its kubelet reports it: what a report may not say, and what it may not take back.
 */
import { familyOf, ipAddress } from "../../machinery/objects/ip.ts";
import type { ContainerStatus, Pod } from "../../machinery/objects/kinds.ts";
import { dns1123Subdomain, qualifiedName } from "../../machinery/objects/names.ts";
import { unchanged } from "./checks.ts";
import type { FieldErrors } from "./field-errors.ts";
import { each } from "./object-meta.ts";
import { type At, child, item } from "./path.ts";
import { validateAnnotationUpdate } from "./pod-annotations.ts";

const OWN_CONDITIONS: ReadonlySet<string> = new Set(["PodScheduled", "Ready", "Initialized"]);

/** What a report leaves out and the server knows. Owners are nobody's business there. */
export function keepForStatusUpdate(pod: Pod, old: Pod): void {
  if (old.metadata.ownerReferences) pod.metadata.ownerReferences = [...old.metadata.ownerReferences];
  else delete pod.metadata.ownerReferences;
  const before = old.status ?? {};
  const status = pod.status ?? {};
  pod.status = status;
  if (before.qosClass) status.qosClass ||= before.qosClass;
  if (before.observedGeneration) status.observedGeneration ||= before.observedGeneration;
  for (const condition of status.conditions ?? []) {
    const generation = before.conditions?.find(({ type }) => type === condition.type)?.observedGeneration;
    if (generation) condition.observedGeneration ||= generation;
  }
}

export function validatePodStatus(pod: Pod, old: Pod, errors: FieldErrors): void {
  const status = pod.status ?? {};
  const before = old.status ?? {};
  validateAnnotationUpdate(pod.metadata.annotations, old.metadata.annotations, "metadata.annotations", errors);
  for (const [index, { type }] of (status.conditions ?? []).entries()) {
    if (OWN_CONDITIONS.has(type)) continue;
    each(qualifiedName(type), child(item("metadata.conditions", index), "Type"), type, errors);
  }
  if (pod.spec?.nodeName !== old.spec?.nodeName) errors.forbidden("status.nodeName", "may not be changed directly");
  const { nominatedNodeName: nominated } = status;
  if (nominated && nominated !== before.nominatedNodeName) {
    each(dns1123Subdomain(nominated), "status.nominatedNodeName", nominated, errors);
  }
  unchanged(status.qosClass, before.qosClass, "status.qosClass", errors);
  validateNoRestarts(pod, old, errors);
  validateClaims(pod, errors);
  validateAddresses("podIPs", status.podIPs, errors);
  if (status.hostIPs?.length && status.hostIP !== status.hostIPs[0]?.ip) {
    errors.invalid("status.hostIPs[0].ip", status.hostIPs[0]?.ip, "must be equal to `hostIP`");
  }
  validateAddresses("hostIPs", status.hostIPs, errors);
}

/** What ended stays ended, where the restart policy says so. */
function validateNoRestarts({ status }: Pod, old: Pod, errors: FieldErrors): void {
  const policy = old.spec?.restartPolicy;
  const of = (name: string) =>
    [...(old.spec?.containers ?? []), ...(old.spec?.initContainers ?? [])].find((one) => one.name === name);
  const mayRun = ({ name, state }: ContainerStatus): boolean => {
    const container = of(name);
    if (container?.restartPolicyRules?.length) return true;
    const own = container?.restartPolicy ?? policy;
    return own === "Always" || (own === "OnFailure" && state?.terminated?.exitCode !== 0);
  };
  const check = (list: "containerStatuses" | "initContainerStatuses" | "ephemeralContainerStatuses") => {
    for (const [index, before] of (old.status?.[list] ?? []).entries()) {
      if (!before.state?.terminated || (list !== "ephemeralContainerStatuses" && mayRun(before))) continue;
      const now = status?.[list]?.find(({ name }) => name === before.name);
      if (!now || now.state?.terminated) continue;
      const at = child(item(child("status", list), index), "state");
      errors.forbidden(at, "may not be transitioned to non-terminated state");
    }
  };
  check("containerStatuses");
  check("initContainerStatuses");
  check("ephemeralContainerStatuses");
}

function validateClaims({ spec, status }: Pod, errors: FieldErrors): void {
  const names = new Set<string>();
  for (const [index, { name, resourceClaimName }] of (status?.resourceClaimStatuses ?? []).entries()) {
    const at = child(item("status.resourceClaimStatuses", index), "name");
    if (!spec?.resourceClaims?.some((claim) => claim.name === name)) {
      errors.invalid(at, name, "must match the name of an entry in `spec.resourceClaims`");
    }
    if (names.has(name)) errors.duplicate(at, name);
    names.add(name);
    if (resourceClaimName) each(dns1123Subdomain(resourceClaimName), at, resourceClaimName, errors);
  }
}

/** One address of each family at most. */
function validateAddresses(field: string, list: readonly { ip?: string }[] | undefined, errors: FieldErrors): void {
  if (!list?.length) return;
  const path: At = child("status", field);
  for (const [index, { ip = "" }] of list.entries()) each(ipAddress(ip), item(path, index), ip, errors);
  if (list.length === 1) return;
  const families = new Set(list.map(({ ip = "" }) => familyOf(ip)));
  if (families.size !== 2 || list.length > 2) {
    errors.invalid(path, list, "may specify no more than one IP for each IP family");
  }
  const seen = new Set<string>();
  for (const [index, { ip = "" }] of list.entries()) {
    if (seen.has(ip)) errors.duplicate(item(path, index), list[index]);
    seen.add(ip);
  }
}
