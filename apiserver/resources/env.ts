/**
 * Environment of containers: variables and where their values come from.
 *
 * Fields of the Pod and resources of a container can also become files: volume-files.ts uses the same rules.
 */
import type * as models from "@kubernetes/client-node";
import { configMapKey, dns1123Label, dns1123Subdomain, envName, qualifiedName } from "../../machinery/objects/names.ts";
import { canonicalQuantity } from "../../machinery/objects/quantity.ts";
import type { Wire } from "../../machinery/objects/wire.ts";
import { ownLocalPath, required, requireNamed } from "./checks.ts";
import type { FieldErrors } from "./field-errors.ts";
import { each } from "./object-meta.ts";
import { type At, child, item } from "./path.ts";

export type EnvVar = Wire<models.V1EnvVar>;
type EnvVarSource = Wire<models.V1EnvVarSource>;
type EnvFromSource = Wire<models.V1EnvFromSource>;
type FieldRef = Wire<models.V1ObjectFieldSelector>;
type ResourceRef = Wire<models.V1ResourceFieldSelector>;

export function defaultEnv(env: readonly EnvVar[]): void {
  for (const { valueFrom } of env) if (valueFrom?.fieldRef) defaultFieldRef(valueFrom.fieldRef);
}

export function defaultFieldRef(ref: FieldRef): void {
  ref.apiVersion ||= "v1";
}

/** `volumes` are the names of the Pod's empty directories, which variables may be read from. */
export function validateEnv(
  env: readonly EnvVar[],
  volumes: ReadonlyMap<string, { readonly emptyDir?: unknown }>,
  path: At,
  errors: FieldErrors,
): void {
  for (let index = 0; index < env.length; index++) {
    const one = env[index]!;
    const wrong = one.name ? envName(one.name) : undefined;
    if (!wrong) errors.required(child(item(path, index), "name"));
    else if (wrong.length > 0) each(wrong, child(item(path, index), "name"), one.name, errors);
    if (one.valueFrom) validateSource(one, one.valueFrom, volumes, child(item(path, index), "valueFrom"), errors);
  }
}

function validateSource(
  { value }: EnvVar,
  source: EnvVarSource,
  volumes: ReadonlyMap<string, { readonly emptyDir?: unknown }>,
  path: At,
  errors: FieldErrors,
): void {
  const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef, fileKeyRef } = source;
  let given = 0;
  if (fieldRef) {
    given += 1;
    validateFieldRef(fieldRef, ENV_FIELDS, child(path, "fieldRef"), errors);
  }
  if (resourceFieldRef) {
    given += 1;
    validateResourceRef(resourceFieldRef, false, child(path, "resourceFieldRef"), errors);
  }
  if (configMapKeyRef) {
    given += 1;
    validateKeyRef(configMapKeyRef, child(path, "configMapKeyRef"), errors);
  }
  if (secretKeyRef) {
    given += 1;
    validateKeyRef(secretKeyRef, child(path, "secretKeyRef"), errors);
  }
  if (fileKeyRef) {
    given += 1;
    validateFileKey(fileKeyRef, volumes, child(path, "fileKeyRef"), errors);
  }
  if (given === 0) {
    errors.invalid(
      path,
      "",
      "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`",
    );
  } else if (value) errors.invalid(path, "", "may not be specified when `value` is not empty");
  else if (given > 1) errors.invalid(path, "", "may not have more than one field specified at a time");
}

function validateKeyRef(ref: { name?: string; key: string }, path: At, errors: FieldErrors): void {
  each(dns1123Subdomain(ref.name ?? ""), child(path, "name"), ref.name ?? "", errors);
  requireNamed(ref.key, configMapKey, child(path, "key"), errors);
}

function validateFileKey(
  ref: Wire<models.V1FileKeySelector>,
  volumes: ReadonlyMap<string, { readonly emptyDir?: unknown }>,
  path: At,
  errors: FieldErrors,
): void {
  requireNamed(ref.key, envName, child(path, "key"), errors);
  requireNamed(ref.volumeName, dns1123Label, child(path, "volumeName"), errors);
  if (required(ref.path, child(path, "path"), errors)) ownLocalPath(ref.path, child(path, "path"), errors);
  if (!ref.volumeName) return;
  const volume = volumes.get(ref.volumeName);
  if (!volume) errors.notFound(child(path, "volumeName"), ref.volumeName);
  else if (!volume.emptyDir) {
    errors.invalid(child(path, "volumeName"), ref.volumeName, "referenced volume must be of type emptyDir");
  }
}

/** Fields that a variable may take its value from, and those that only a file may. */
export const ENV_FIELDS: readonly string[] = [
  "metadata.name",
  "metadata.namespace",
  "metadata.uid",
  "spec.nodeName",
  "spec.serviceAccountName",
  "status.hostIP",
  "status.hostIPs",
  "status.podIP",
  "status.podIPs",
];
export const VOLUME_FIELDS: readonly string[] = [
  "metadata.annotations",
  "metadata.labels",
  "metadata.name",
  "metadata.namespace",
  "metadata.uid",
];
const KNOWN_FIELDS: ReadonlySet<string> = new Set([...ENV_FIELDS, ...VOLUME_FIELDS, "spec.restartPolicy"]);

/** An older name of a field ► its name now. */
const RENAMED: Readonly<Record<string, string>> = { "spec.host": "spec.nodeName" };

export function validateFieldRef(ref: FieldRef, allowed: readonly string[], path: At, errors: FieldErrors): void {
  if (!required(ref.apiVersion, child(path, "apiVersion"), errors)) return;
  if (!required(ref.fieldPath, child(path, "fieldPath"), errors)) return;
  const field = RENAMED[ref.fieldPath] ?? ref.fieldPath;
  if (allowed.includes(field)) return;
  const [, map, key = ""] = field.endsWith("']") ? (/^(.+)\['(.*)'\]$/.exec(field) ?? []) : [];
  const refused = (why: string): void => {
    errors.invalid(child(path, "fieldPath"), ref.fieldPath, `error converting fieldPath: ${why}`);
  };
  if (ref.apiVersion !== "v1") refused(`unsupported pod version: ${ref.apiVersion}`);
  else if (map === "metadata.annotations") each(qualifiedName(key.toLowerCase()), path, key.toLowerCase(), errors);
  else if (map === "metadata.labels") each(qualifiedName(key), path, key, errors);
  else if (map !== undefined) refused(`field label does not support subscript: ${ref.fieldPath}`);
  else if (!KNOWN_FIELDS.has(field)) refused(`field label not supported: ${ref.fieldPath}`);
  else errors.notSupported(child(path, "fieldPath"), field, allowed);
}

const RESOURCE_FIELDS: readonly string[] = [
  "limits.cpu",
  "limits.ephemeral-storage",
  "limits.memory",
  "requests.cpu",
  "requests.ephemeral-storage",
  "requests.memory",
];
const HUGE_PAGES = /^(limits|requests)\.hugepages-/;

export function validateResourceRef(ref: ResourceRef, inVolume: boolean, path: At, errors: FieldErrors): void {
  if (inVolume && !ref.containerName) errors.required(child(path, "containerName"));
  else if (!ref.resource) errors.required(child(path, "resource"));
  else if (!RESOURCE_FIELDS.includes(ref.resource) && !HUGE_PAGES.test(ref.resource)) {
    errors.notSupported(child(path, "resource"), ref.resource, RESOURCE_FIELDS);
  }
  validateDivisor(ref, path, errors);
}

const BYTES: readonly string[] = ["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];

/** What a resource may be divided by, and how its sort is called. */
const DIVISORS: readonly { readonly of: RegExp; readonly allowed: readonly string[]; readonly what: string }[] = [
  { of: /^(limits|requests)\.cpu$/, allowed: ["1m", "1"], what: "cpu" },
  { of: /^(limits|requests)\.memory$/, allowed: BYTES, what: "memory" },
  { of: /^(limits|requests)\.ephemeral-storage$/, allowed: BYTES, what: "local ephemeral storage" },
  { of: HUGE_PAGES, allowed: BYTES, what: "hugepages" },
];

function validateDivisor({ resource, divisor }: ResourceRef, path: At, errors: FieldErrors): void {
  if (divisor === undefined || canonicalQuantity(divisor) === "0") return;
  const rule = DIVISORS.find(({ of }) => of.test(resource));
  if (!rule || rule.allowed.includes(canonicalQuantity(divisor))) return;
  const list = rule.allowed.length === 2 ? rule.allowed.join(" and ") : rule.allowed.join(", ");
  const detail = `only divisor's values ${list} are supported with the ${rule.what} resource`;
  errors.invalid(child(path, "divisor"), resource, detail);
}

export function validateEnvFrom(sources: readonly EnvFromSource[], path: At, errors: FieldErrors): void {
  for (const [index, { prefix, configMapRef, secretRef }] of sources.entries()) {
    const at = item(path, index);
    if (prefix) each(envName(prefix), child(at, "prefix"), prefix, errors);
    if (configMapRef) {
      requireNamed(configMapRef.name, dns1123Subdomain, child(child(at, "configMapRef"), "name"), errors);
    }
    if (secretRef) requireNamed(secretRef.name, dns1123Subdomain, child(child(at, "secretRef"), "name"), errors);
    if (!configMapRef && !secretRef) {
      errors.invalid(path, "", "must specify one of: `configMapRef` or `secretRef`");
    } else if (configMapRef && secretRef) {
      errors.invalid(path, "", "may not have more than one field specified at a time");
    }
  }
}
