/**
 * Annotations that mean something to Pods: older forms of fields, deletion cost, the mark of a mirrored Pod.
 *
 * Where a field has the same meaning, both must say the same.
 */
import type { PodSpec, Toleration } from "../../machinery/objects/kinds.ts";
import { eachContainer } from "./each-container.ts";
import type { FieldErrors } from "./field-errors.ts";
import { type At, child, entry } from "./path.ts";
import { validateTolerations } from "./tolerations.ts";

export type Annotations = Readonly<Record<string, string>>;

export const MIRROR = "kubernetes.io/config.mirror";
const TOLERATIONS = "scheduler.alpha.kubernetes.io/tolerations";
const DELETION_COST = "controller.kubernetes.io/pod-deletion-cost";
export const SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod";
export const SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/";
export const APPARMOR = "container.apparmor.security.beta.kubernetes.io/";
const NONE: Annotations = Object.freeze({});

export function validatePodAnnotations(
  annotations: Annotations | undefined,
  spec: PodSpec,
  path: At,
  errors: FieldErrors,
): void {
  if (!annotations) return;
  for (const key in annotations) {
    if (!key.includes("kubernetes.io/")) continue;
    const value = annotations[key]!;
    if (key === MIRROR && !spec.nodeName) {
      errors.invalid(entry(path, key), value, "must set spec.nodeName if mirror pod annotation is set");
    } else if (key === TOLERATIONS && value) validateOldTolerations(value, path, errors);
    else if (key === DELETION_COST && !isInt32(value))
      errors.invalid(entry(path, key), value, "must be a 32bit integer");
    else if (key === SECCOMP_POD || key.startsWith(SECCOMP_CONTAINER)) validateSeccomp(value, child(path, key), errors);
    else if (key.startsWith(APPARMOR)) validateAppArmor(key, value, spec, path, errors);
  }
}

function validateOldTolerations(value: string, path: At, errors: FieldErrors): void {
  let tolerations: unknown;
  try {
    tolerations = JSON.parse(value);
  } catch (error) {
    errors.invalid(path, TOLERATIONS, error instanceof Error ? error.message : String(error));
    return;
  }
  if (!Array.isArray(tolerations)) {
    errors.invalid(path, TOLERATIONS, "cannot unmarshal into a list of tolerations");
  } else validateTolerations(tolerations as Toleration[], child(path, TOLERATIONS), errors);
}

/** Without a sign or zeros in front, as numbers are written. */
const isInt32 = (text: string): boolean =>
  /^(0|-?[1-9]\d{0,9})$/.test(text) && Math.abs(Number(text)) <= 2 ** 31 && Number(text) !== 2 ** 31;

function validateSeccomp(profile: string, path: At, errors: FieldErrors): void {
  if (["runtime/default", "docker/default", "unconfined"].includes(profile)) return;
  if (!profile.startsWith("localhost/")) {
    errors.invalid(path, profile, "must be a valid seccomp profile");
    return;
  }
  const file = profile.slice("localhost/".length);
  if (file.startsWith("/")) errors.invalid(path, file, "must be a relative path");
  if (file.split("/").includes("..")) errors.invalid(path, file, "must not contain '..'");
}

function validateAppArmor(key: string, profile: string, spec: PodSpec, path: At, errors: FieldErrors): void {
  const name = key.slice(APPARMOR.length);
  const found = [...eachContainer(spec, "")].some(([container]) => container.name === name);
  if (!found) errors.invalid(entry(path, key), name, "container not found");
  if (profile === "" || profile === "runtime/default" || profile === "unconfined") return;
  if (profile.startsWith("localhost/")) return;
  errors.invalid(entry(path, key), profile, `invalid AppArmor profile name: ${JSON.stringify(profile)}`);
}

interface Profile {
  readonly type?: string;
  readonly localhostProfile?: string;
}

/** What annotations say of profiles must be what fields say. `path` is the spec's. */
export function validateProfilesMatch(
  annotations: Annotations | undefined,
  spec: PodSpec,
  path: At,
  errors: FieldErrors,
): void {
  if (!annotations || !hasProfiles(annotations)) return;
  const ofPod = spec.securityContext;
  const field = (at: At, name: string): At => child(child(at, "securityContext"), name);
  compare(ofPod?.seccompProfile, annotations[SECCOMP_POD], "seccomp", field(path, "seccompProfile"), errors);
  for (const [{ name, securityContext }, at] of eachContainer(spec, path)) {
    const annotation = annotations[SECCOMP_CONTAINER + name];
    compare(securityContext?.seccompProfile, annotation, "seccomp", field(at, "seccompProfile"), errors);
  }
  if (spec.os?.name === "windows") return;
  for (const [{ name, securityContext }, at] of eachContainer(spec, path)) {
    const profile = securityContext?.appArmorProfile ?? ofPod?.appArmorProfile;
    compare(profile, annotations[APPARMOR + name], "apparmor", field(at, "appArmorProfile"), errors);
  }
}

function hasProfiles(annotations: Annotations): boolean {
  for (const key in annotations) {
    if (key === SECCOMP_POD || key.startsWith(SECCOMP_CONTAINER) || key.startsWith(APPARMOR)) return true;
  }
  return false;
}

function compare(
  profile: Profile | undefined,
  annotation: string | undefined,
  what: string,
  path: At,
  errors: FieldErrors,
): void {
  if (!profile || annotation === undefined) return;
  const prefix = "localhost/";
  const same = {
    Unconfined: annotation === "unconfined",
    RuntimeDefault: annotation === "runtime/default" || (what === "seccomp" && annotation === "docker/default"),
    Localhost: annotation.startsWith(prefix),
  }[profile.type ?? ""];
  if (same === false) errors.forbidden(child(path, "type"), `${what} type in annotation and field must match`);
  else if (profile.type === "Localhost" && annotation.slice(prefix.length) !== profile.localhostProfile) {
    errors.forbidden(child(path, "localhostProfile"), `${what} profile in annotation and field must match`);
  }
}

/** An update leaves alone what the kubelet and AppArmor rely on. */
export function validateAnnotationUpdate(
  next: Annotations = NONE,
  old: Annotations = NONE,
  path: At,
  errors: FieldErrors,
): void {
  for (const key in old) {
    if (next[key] === old[key]) continue;
    if (key.startsWith(APPARMOR)) errors.forbidden(entry(path, key), "may not remove or update AppArmor annotations");
    if (key === MIRROR) errors.forbidden(entry(path, key), "may not remove or update mirror pod annotation");
  }
  for (const key in next) {
    if (Object.hasOwn(old, key)) continue;
    if (key.startsWith(APPARMOR)) errors.forbidden(entry(path, key), "may not add AppArmor annotations");
    if (key === MIRROR) errors.forbidden(entry(path, key), "may not add mirror pod annotation");
  }
}
