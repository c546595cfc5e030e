/**
 * Environment of containers: variables and where their values come from.
 */
import type * as models from "@kubernetes/client-node";
import { configMapKey, dns1123Subdomain, envName } from "../../machinery/objects/names.ts";
import type { Wire } from "../../machinery/objects/wire.ts";
import { required, requireNamed } from "./checks.ts";
import type { FieldErrors } from "./field-errors.ts";
import { each } from "./object-meta.ts";

type EnvVar = Wire<models.V1EnvVar>;
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

const SOURCES = ["fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef"] as const;

export function validateEnv(env: readonly EnvVar[], path: string, errors: FieldErrors): void {
  for (const [index, one] of env.entries()) {
    const at = `${path}[${index}]`;
    if (!one.name) errors.required(`${at}.name`);
    else each(envName(one.name), `${at}.name`, one.name, errors);
    if (one.valueFrom) validateSource(one, one.valueFrom, `${at}.valueFrom`, errors);
  }
}

function validateSource({ value }: EnvVar, source: EnvVarSource, path: string, errors: FieldErrors): void {
  const given = SOURCES.filter((name) => source[name] !== undefined).length;
  if (given === 0) {
    errors.invalid(
      path,
      "",
      "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`",
    );
  } else if (value) errors.invalid(path, "", "may not be specified when `value` is not empty");
  else if (given > 1) errors.invalid(path, "", "may not have more than one field specified at a time");
  const { fieldRef, resourceFieldRef, configMapKeyRef, secretKeyRef } = source;
  if (fieldRef) validateFieldRef(fieldRef, ENV_FIELDS, `${path}.fieldRef`, errors);
  if (resourceFieldRef) validateResourceRef(resourceFieldRef, false, `${path}.resourceFieldRef`, errors);
  if (configMapKeyRef) validateKeyRef(configMapKeyRef, `${path}.configMapKeyRef`, errors);
  if (secretKeyRef) validateKeyRef(secretKeyRef, `${path}.secretKeyRef`, errors);
}

function validateKeyRef(ref: { name?: string; key: string }, path: string, errors: FieldErrors): void {
  each(dns1123Subdomain(ref.name ?? ""), `${path}.name`, ref.name ?? "", errors);
  requireNamed(ref.key, configMapKey, `${path}.key`, errors);
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

export function validateFieldRef(ref: FieldRef, allowed: readonly string[], path: string, errors: FieldErrors): void {
  if (!required(ref.apiVersion, `${path}.apiVersion`, errors)) return;
  if (!required(ref.fieldPath, `${path}.fieldPath`, errors)) return;
  const [, map, key] = /^(metadata\.(?:annotations|labels))\['([^']*)'\]$/.exec(ref.fieldPath) ?? [];
  if (map !== undefined) {
    if (!key) errors.invalid(path, key, "name part must be non-empty");
  } else if (!KNOWN_FIELDS.has(ref.fieldPath)) {
    errors.invalid(
      `${path}.fieldPath`,
      ref.fieldPath,
      `error converting fieldPath: field label not supported: ${ref.fieldPath}`,
    );
  } else if (!allowed.includes(ref.fieldPath)) errors.notSupported(`${path}.fieldPath`, ref.fieldPath, allowed);
}

const RESOURCE_FIELDS: readonly string[] = [
  "limits.cpu",
  "limits.ephemeral-storage",
  "limits.memory",
  "requests.cpu",
  "requests.ephemeral-storage",
  "requests.memory",
];

export function validateResourceRef(ref: ResourceRef, inVolume: boolean, path: string, errors: FieldErrors): void {
  if (inVolume && !ref.containerName) errors.required(`${path}.containerName`);
  else if (!ref.resource) errors.required(`${path}.resource`);
  else if (!RESOURCE_FIELDS.includes(ref.resource) && !/^(limits|requests)\.hugepages-/.test(ref.resource)) {
    errors.notSupported(`${path}.resource`, ref.resource, RESOURCE_FIELDS);
  }
}

export function validateEnvFrom(sources: readonly EnvFromSource[], path: string, errors: FieldErrors): void {
  for (const [index, { prefix, configMapRef, secretRef }] of sources.entries()) {
    const at = `${path}[${index}]`;
    if (prefix) each(envName(prefix), `${at}.prefix`, prefix, errors);
    if (configMapRef) requireNamed(configMapRef.name, dns1123Subdomain, `${at}.configMapRef.name`, errors);
    if (secretRef) requireNamed(secretRef.name, dns1123Subdomain, `${at}.secretRef.name`, errors);
    if (!configMapRef && !secretRef) {
      errors.invalid(path, "", "must specify one of: `configMapRef` or `secretRef`");
    } else if (configMapRef && secretRef) {
      errors.invalid(path, "", "may not have more than one field specified at a time");
    }
  }
}
