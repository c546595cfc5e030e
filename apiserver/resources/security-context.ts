/**
 * Security contexts of containers and Pods.
 */
import type * as models from "@kubernetes/client-node";
import type { Wire } from "../../machinery/objects/wire.ts";
import { between, oneOf } from "./checks.ts";
import type { FieldErrors } from "./field-errors.ts";

type ContainerContext = Wire<models.V1SecurityContext>;
type PodContext = Wire<models.V1PodSecurityContext>;
type Profile = Wire<models.V1SeccompProfile>;

const MAX_ID = 2 ** 31 - 1;
const SYSCTL = /^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$/;

export function validateSecurityContext(context: ContainerContext, path: string, errors: FieldErrors): void {
  between(context.runAsUser, 0, MAX_ID, `${path}.runAsUser`, errors);
  between(context.runAsGroup, 0, MAX_ID, `${path}.runAsGroup`, errors);
  oneOf(context.procMount, ["Default", "Unmasked"], `${path}.procMount`, errors);
  validateProfiles(context, path, errors);
  if (context.allowPrivilegeEscalation !== false) return;
  if (context.privileged) {
    errors.invalid(path, context, "cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
  }
  if (context.capabilities?.add?.includes("CAP_SYS_ADMIN")) {
    errors.invalid(
      path,
      context,
      "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN",
    );
  }
}

export function validatePodSecurityContext(context: PodContext, path: string, errors: FieldErrors): void {
  for (const field of ["fsGroup", "runAsUser", "runAsGroup"] as const) {
    between(context[field], 0, MAX_ID, `${path}.${field}`, errors);
  }
  for (const [index, group] of (context.supplementalGroups ?? []).entries()) {
    between(group, 0, MAX_ID, `${path}.supplementalGroups[${index}]`, errors);
  }
  oneOf(context.fsGroupChangePolicy, ["Always", "OnRootMismatch"], `${path}.fsGroupChangePolicy`, errors);
  oneOf(context.supplementalGroupsPolicy, ["Merge", "Strict"], `${path}.supplementalGroupsPolicy`, errors);
  validateProfiles(context, path, errors);
  const names = new Set<string>();
  for (const [index, { name }] of (context.sysctls ?? []).entries()) {
    const at = `${path}.sysctls[${index}].name`;
    if (!name) errors.required(at);
    else if (name.length > 253 || !SYSCTL.test(name)) {
      errors.invalid(at, name, `must have at most 253 characters and match regex ${SYSCTL.source}`);
    } else if (names.has(name)) errors.duplicate(at, name);
    names.add(name);
  }
}

function validateProfiles(
  { seccompProfile, appArmorProfile }: Pick<ContainerContext, "seccompProfile" | "appArmorProfile">,
  path: string,
  errors: FieldErrors,
): void {
  if (seccompProfile) validateProfile(seccompProfile, `${path}.seccompProfile`, errors);
  if (appArmorProfile) validateProfile(appArmorProfile, `${path}.appArmorProfile`, errors);
}

function validateProfile({ type, localhostProfile }: Profile, path: string, errors: FieldErrors): void {
  if (!type) errors.required(`${path}.type`);
  else oneOf(type, ["Localhost", "RuntimeDefault", "Unconfined"], `${path}.type`, errors);
  if (type === "Localhost" && !localhostProfile) {
    errors.required(`${path}.localhostProfile`, "must be set when seccomp type is Localhost");
  } else if (type !== "Localhost" && localhostProfile !== undefined) {
    errors.invalid(`${path}.localhostProfile`, localhostProfile, "can only be set when seccomp type is Localhost");
  }
}
