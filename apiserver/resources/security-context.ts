/**
 * Security contexts of containers and Pods: users, profiles, sysctls. Windows' own part is in windows-options.ts.
 */
import type * as models from "@kubernetes/client-node";
import type { PodSpec } from "../../machinery/objects/kinds.ts";
import type { Wire } from "../../machinery/objects/wire.ts";
import { between, localPath, oneOf } from "./checks.ts";
import type { FieldErrors } from "./field-errors.ts";
import { type At, child, item } from "./path.ts";
import { validateWindowsOptions } from "./windows-options.ts";

type ContainerContext = Wire<models.V1SecurityContext>;
type Profile = Wire<models.V1SeccompProfile>;
type Sysctl = Wire<models.V1Sysctl>;

const MAX_ID = 2 ** 31 - 1;
const SYSCTL_NAME = "^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";
const SYSCTL = new RegExp(SYSCTL_NAME);
const MAX_SYSCTL = 253;
const MAX_PROFILE = 4095;
const PROFILE_TYPES: readonly string[] = ["Localhost", "RuntimeDefault", "Unconfined"];
const LOCALHOST_NEEDED = "must be set when AppArmor type is Localhost";

export function validateSecurityContext(
  context: ContainerContext,
  hostUsers: boolean,
  path: At,
  errors: FieldErrors,
): void {
  validateId(context.runAsUser, "runAsUser", path, errors);
  validateId(context.runAsGroup, "runAsGroup", path, errors);
  if (context.procMount !== undefined) {
    oneOf(context.procMount, ["Default", "Unmasked"], child(path, "procMount"), errors);
    if (hostUsers && context.procMount === "Unmasked") {
      const detail = "`hostUsers` must be false to use `Unmasked`";
      errors.invalid(child(path, "procMount"), context.procMount, detail);
    }
  }
  if (context.seccompProfile) validateSeccomp(context.seccompProfile, child(path, "seccompProfile"), errors);
  if (context.allowPrivilegeEscalation === false) validateNoEscalation(context, path, errors);
  if (context.windowsOptions) validateWindowsOptions(context.windowsOptions, child(path, "windowsOptions"), errors);
  if (context.appArmorProfile) validateAppArmor(context.appArmorProfile, child(path, "appArmorProfile"), errors);
}

function validateNoEscalation(context: ContainerContext, path: At, errors: FieldErrors): void {
  if (context.privileged) {
    errors.invalid(path, context, "cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
  }
  for (const capability of context.capabilities?.add ?? []) {
    if (capability !== "CAP_SYS_ADMIN") continue;
    const detail = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
    errors.invalid(path, context, detail);
  }
}

export function validatePodSecurityContext(spec: PodSpec, path: At, errors: FieldErrors): void {
  const context = spec.securityContext;
  if (spec.hostPID && spec.shareProcessNamespace) {
    const detail = "ShareProcessNamespace and HostPID cannot both be enabled";
    errors.invalid(child(path, "shareProcessNamespace"), true, detail);
  }
  if (!context) return;
  for (const field of ["fsGroup", "runAsUser", "runAsGroup"] as const) validateId(context[field], field, path, errors);
  for (const [index, group] of (context.supplementalGroups ?? []).entries()) {
    between(group, 0, MAX_ID, item(child(path, "supplementalGroups"), index), errors);
  }
  if (context.sysctls) validateSysctls(context.sysctls, spec, child(path, "sysctls"), errors);
  oneOf(context.fsGroupChangePolicy, ["Always", "OnRootMismatch"], child(path, "fsGroupChangePolicy"), errors);
  if (context.seccompProfile) validateSeccomp(context.seccompProfile, child(path, "seccompProfile"), errors);
  if (context.windowsOptions) validateWindowsOptions(context.windowsOptions, child(path, "windowsOptions"), errors);
  if (context.appArmorProfile) validateAppArmor(context.appArmorProfile, child(path, "appArmorProfile"), errors);
  oneOf(context.supplementalGroupsPolicy, ["Merge", "Strict"], child(path, "supplementalGroupsPolicy"), errors);
  oneOf(context.seLinuxChangePolicy, ["MountOption", "Recursive"], child(path, "seLinuxChangePolicy"), errors);
}

function validateId(value: number | undefined, field: string, path: At, errors: FieldErrors): void {
  if (value !== undefined) between(value, 0, MAX_ID, child(path, field), errors);
}

function validateSysctls(sysctls: readonly Sysctl[], spec: PodSpec, path: At, errors: FieldErrors): void {
  const names = new Set<string>();
  for (const [index, { name }] of sysctls.entries()) {
    const at = child(item(path, index), "name");
    if (!name) errors.required(at);
    else if (name.length > MAX_SYSCTL || !SYSCTL.test(name)) {
      errors.invalid(at, name, `must have at most ${MAX_SYSCTL} characters and match regex ${SYSCTL_NAME}`);
    } else if (names.has(name)) errors.duplicate(at, name);
    const namespace = namespaceOf((name ?? "").replaceAll("/", "."));
    if (spec.hostNetwork && namespace === "net") {
      errors.invalid(at, name, "may not be specified when 'hostNetwork' is true");
    } else if (spec.hostIPC && namespace === "ipc") {
      errors.invalid(at, name, "may not be specified when 'hostIPC' is true");
    }
    names.add(name);
  }
}

/** The kernel's namespace that a sysctl belongs to. */
function namespaceOf(sysctl: string): "net" | "ipc" | undefined {
  if (sysctl.startsWith("net.")) return "net";
  return sysctl === "kernel.sem" || /^(kernel\.shm|kernel\.msg|fs\.mqueue\.)/.test(sysctl) ? "ipc" : undefined;
}

function validateSeccomp(profile: Profile, path: At, errors: FieldErrors): void {
  const { type, localhostProfile } = profile;
  if (!type) errors.required(child(path, "type"), "type is required when seccompProfile is set");
  else oneOf(type, PROFILE_TYPES, child(path, "type"), errors);
  const at = child(path, "localhostProfile");
  if (type === "Localhost") {
    if (localhostProfile === undefined) errors.required(at, "must be set when seccomp type is Localhost");
    else localPath(localhostProfile, at, errors);
  } else if (localhostProfile !== undefined) {
    errors.invalid(at, profile, "can only be set when seccomp type is Localhost");
  }
}

function validateAppArmor({ type, localhostProfile: profile }: Profile, path: At, errors: FieldErrors): void {
  const at = child(path, "localhostProfile");
  if (!type) errors.required(child(path, "type"), "type is required when appArmorProfile is set");
  else if (!PROFILE_TYPES.includes(type)) errors.notSupported(child(path, "type"), type, PROFILE_TYPES);
  else if (type !== "Localhost") {
    if (profile !== undefined) errors.invalid(at, profile, "can only be set when AppArmor type is Localhost");
  } else if (profile === undefined) errors.required(at, LOCALHOST_NEEDED);
  else {
    if (profile.trim() !== profile) errors.invalid(at, profile, "must not be padded with whitespace");
    else if (profile === "") errors.required(at, LOCALHOST_NEEDED);
    if (Buffer.byteLength(profile) > MAX_PROFILE) errors.tooLong(at, MAX_PROFILE);
  }
}
