/**
 * Volumes: exactly one source each, with the defaults and rules of that source.
 *
 * Which sources the kubelet can mount is the kubelet's business (kubelet/volumes); all may be stored.
 */
import type * as models from "@kubernetes/client-node";
import type { Volume } from "../../machinery/objects/kinds.ts";
import { configMapKey, dns1123Label } from "../../machinery/objects/names.ts";
import type { Wire } from "../../machinery/objects/wire.ts";
import { localPath, noBacksteps, oneOf, quantityNotNegative, required, requireNamed } from "./checks.ts";
import { defaultFieldRef, VOLUME_FIELDS, validateFieldRef, validateResourceRef } from "./env.ts";
import type { FieldErrors } from "./field-errors.ts";
import { defaultPullPolicy } from "./image-name.ts";
import { each } from "./object-meta.ts";

type KeyToPath = Wire<models.V1KeyToPath>;
type FieldFile = Wire<models.V1DownwardAPIVolumeFile>;
type Projected = Wire<models.V1ProjectedVolumeSource>;
type SourceName = Exclude<keyof Volume, "name">;
type SourceOf<K extends SourceName> = NonNullable<Volume[K]>;

/** 0644. */
const FILE_MODE = 420;
const MAX_MODE = 0o777;

const defaults: { readonly [K in SourceName]?: (source: SourceOf<K>) => void } = {
  secret: defaultMode,
  configMap: defaultMode,
  projected(source) {
    defaultMode(source);
    for (const { serviceAccountToken, downwardAPI } of source.sources ?? []) {
      if (serviceAccountToken) serviceAccountToken.expirationSeconds ??= 3600;
      for (const { fieldRef } of downwardAPI?.items ?? []) if (fieldRef) defaultFieldRef(fieldRef);
    }
  },
  downwardAPI(source) {
    defaultMode(source);
    for (const { fieldRef } of source.items ?? []) if (fieldRef) defaultFieldRef(fieldRef);
  },
  hostPath: (source) => {
    source.type ??= "";
  },
  image: (source) => {
    source.pullPolicy ||= defaultPullPolicy(source.reference);
  },
  iscsi: (source) => {
    source.iscsiInterface ||= "default";
  },
  ephemeral: ({ volumeClaimTemplate }) => {
    if (volumeClaimTemplate) volumeClaimTemplate.spec.volumeMode ??= "Filesystem";
  },
};

function defaultMode(source: { defaultMode?: number }): void {
  source.defaultMode ??= FILE_MODE;
}

/** A volume without a source is an empty directory. */
export function defaultVolume(volume: Volume): void {
  let found = false;
  for (const name in volume) {
    if (name === "name" || volume[name as SourceName] === undefined) continue;
    found = true;
    const fill = defaults[name as SourceName] as ((source: unknown) => void) | undefined;
    fill?.(volume[name as SourceName]);
  }
  if (!found) volume.emptyDir = {};
}

const rules: { readonly [K in SourceName]?: (source: SourceOf<K>, path: string, errors: FieldErrors) => void } = {
  emptyDir({ sizeLimit }, path, errors) {
    quantityNotNegative(sizeLimit, `${path}.sizeLimit`, errors);
  },
  hostPath(source, path, errors) {
    if (required(source.path, `${path}.path`, errors)) noBacksteps(source.path, `${path}.path`, errors);
    oneOf(source.type, HOST_PATH_TYPES, `${path}.type`, errors);
  },
  secret(source, path, errors) {
    required(source.secretName, `${path}.secretName`, errors);
    validateMode(source.defaultMode, `${path}.defaultMode`, errors);
    validateItems(source.items, `${path}.items`, errors);
  },
  configMap(source, path, errors) {
    required(source.name, `${path}.name`, errors);
    validateMode(source.defaultMode, `${path}.defaultMode`, errors);
    validateItems(source.items, `${path}.items`, errors);
  },
  downwardAPI(source, path, errors) {
    validateMode(source.defaultMode, `${path}.defaultMode`, errors);
    for (const [index, file] of (source.items ?? []).entries()) validateFile(file, `${path}.items[${index}]`, errors);
  },
  projected(source, path, errors) {
    validateMode(source.defaultMode, `${path}.defaultMode`, errors);
    validateProjections(source, path, errors);
  },
  persistentVolumeClaim({ claimName }, path, errors) {
    required(claimName, `${path}.claimName`, errors);
  },
  nfs(source, path, errors) {
    required(source.server, `${path}.server`, errors);
    if (required(source.path, `${path}.path`, errors) && !source.path.startsWith("/")) {
      errors.invalid(`${path}.path`, source.path, "must be an absolute path");
    }
  },
  csi({ driver }, path, errors) {
    required(driver, `${path}.driver`, errors);
  },
  image({ pullPolicy }, path, errors) {
    oneOf(pullPolicy, ["Always", "IfNotPresent", "Never"], `${path}.pullPolicy`, errors);
  },
  ephemeral({ volumeClaimTemplate }, path, errors) {
    required(volumeClaimTemplate, `${path}.volumeClaimTemplate`, errors);
  },
};

const HOST_PATH_TYPES: readonly string[] = [
  "",
  "BlockDevice",
  "CharDevice",
  "Directory",
  "DirectoryOrCreate",
  "File",
  "FileOrCreate",
  "Socket",
];

/** Answers the names, for mounts to refer to. */
export function validateVolumes(volumes: readonly Volume[], path: string, errors: FieldErrors): ReadonlySet<string> {
  const names = new Set<string>();
  for (const [index, volume] of volumes.entries()) {
    const at = `${path}[${index}]`;
    const before = errors.causes.length;
    validateSource(volume, at, errors);
    if (!volume.name) errors.required(`${at}.name`);
    else each(dns1123Label(volume.name), `${at}.name`, volume.name, errors);
    if (names.has(volume.name)) errors.duplicate(`${at}.name`, volume.name);
    if (errors.causes.length === before) names.add(volume.name);
  }
  return names;
}

function validateSource(volume: Volume, path: string, errors: FieldErrors): void {
  let found = 0;
  for (const name in volume) {
    const source = volume[name as SourceName];
    if (name === "name" || source === undefined) continue;
    found += 1;
    if (found > 1) errors.forbidden(`${path}.${name}`, "may not specify more than 1 volume type");
    else {
      const check = rules[name as SourceName] as
        | ((source: unknown, path: string, errors: FieldErrors) => void)
        | undefined;
      check?.(source, `${path}.${name}`, errors);
    }
  }
  if (found === 0) errors.required(path, "must specify a volume type");
}

function validateMode(mode: number | undefined, path: string, errors: FieldErrors): void {
  if (mode !== undefined && (mode < 0 || mode > MAX_MODE)) {
    errors.invalid(path, mode, "must be a number between 0 and 0777 (octal), both inclusive");
  }
}

function validateItems(items: readonly KeyToPath[] | undefined, path: string, errors: FieldErrors): void {
  for (const [index, item] of (items ?? []).entries()) {
    const at = `${path}[${index}]`;
    requireNamed(item.key, configMapKey, `${at}.key`, errors);
    if (required(item.path, `${at}.path`, errors)) localPath(item.path, `${at}.path`, errors);
    validateMode(item.mode, `${at}.mode`, errors);
  }
}

function validateFile(file: FieldFile, path: string, errors: FieldErrors): void {
  if (required(file.path, `${path}.path`, errors)) localPath(file.path, `${path}.path`, errors);
  if (file.fieldRef && file.resourceFieldRef) {
    errors.invalid(path, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously");
  } else if (file.fieldRef) validateFieldRef(file.fieldRef, VOLUME_FIELDS, `${path}.fieldRef`, errors);
  else if (file.resourceFieldRef) {
    validateResourceRef(file.resourceFieldRef, true, `${path}.resourceFieldRef`, errors);
  } else errors.required(path, "one of fieldRef and resourceFieldRef is required");
  validateMode(file.mode, `${path}.mode`, errors);
}

function validateProjections({ sources }: Projected, path: string, errors: FieldErrors): void {
  for (const [index, source] of (sources ?? []).entries()) {
    const at = `${path}.sources[${index}]`;
    const given = Object.keys(source).filter((name) => source[name as keyof typeof source] !== undefined);
    if (given.length === 0) errors.required(at, "");
    for (const name of given.slice(1)) {
      errors.forbidden(`${at}.${name}`, "may not specify more than 1 volume type per source");
    }
    const { secret, configMap, downwardAPI, serviceAccountToken } = source;
    for (const [name, keyed] of [
      ["secret", secret],
      ["configMap", configMap],
    ] as const) {
      if (!keyed) continue;
      required(keyed.name, `${at}.${name}.name`, errors);
      validateItems(keyed.items, `${at}.${name}.items`, errors);
    }
    for (const [place, file] of (downwardAPI?.items ?? []).entries()) {
      validateFile(file, `${at}.downwardAPI.items[${place}]`, errors);
    }
    if (serviceAccountToken) validateToken(serviceAccountToken, `${at}.serviceAccountToken`, errors);
  }
}

function validateToken(token: Wire<models.V1ServiceAccountTokenProjection>, path: string, errors: FieldErrors): void {
  const { expirationSeconds = 0 } = token;
  if (expirationSeconds < 600) {
    errors.invalid(`${path}.expirationSeconds`, expirationSeconds, "may not specify a duration less than 10 minutes");
  } else if (expirationSeconds > 2 ** 32) {
    errors.invalid(
      `${path}.expirationSeconds`,
      expirationSeconds,
      "may not specify a duration larger than 2^32 seconds",
    );
  }
  if (required(token.path, `${path}.path`, errors)) localPath(token.path, `${path}.path`, errors);
}
