/**
 * Volumes: exactly one source each. What a source must hold is in volume-sources.ts and, where it makes
 * files of other objects, in volume-files.ts.
 *
 * Which sources the kubelet can mount is the kubelet's business (kubelet/volumes); all may be stored.
 */
import type { Volume } from "../../machinery/objects/kinds.ts";
import { dns1123Label, dns1123Subdomain } from "../../machinery/objects/names.ts";
import { defaultFieldRef } from "./env.ts";
import type { FieldErrors } from "./field-errors.ts";
import { defaultPullPolicy } from "./image-name.ts";
import { each } from "./object-meta.ts";
import { type At, child, item } from "./path.ts";
import type { Volumes } from "./volume-mounts.ts";
import { type SourceName, type SourceOf, sourceRules } from "./volume-sources.ts";

/** 0644. */
const FILE_MODE = 420;

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
    if (volumeClaimTemplate?.spec) volumeClaimTemplate.spec.volumeMode ??= "Filesystem";
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

/** In this order Kubernetes looks for sources: the first one counts, each further one is too many. */
const ORDER = Object.keys(sourceRules) as readonly SourceName[];
const NONE: Volumes = new Map();

/** Answers the good ones, for mounts to refer to. `podName` is empty in templates, whose Pods have no name yet. */
export function validateVolumes(
  volumes: readonly Volume[] | undefined,
  podName: string,
  path: At,
  errors: FieldErrors,
): Volumes {
  if (!volumes?.length) return NONE;
  const good = new Map<string, Volume>();
  const claims = new Set(
    podName ? volumes.filter(({ ephemeral }) => ephemeral).map(({ name }) => `${podName}-${name}`) : [],
  );
  for (let index = 0; index < volumes.length; index++) {
    const volume = volumes[index]!;
    const { name, persistentVolumeClaim: claim } = volume;
    const at = item(path, index);
    const before = errors.causes.length;
    validateSource(volume, podName, at, errors);
    if (!name) errors.required(child(at, "name"));
    else each(dns1123Label(name), child(at, "name"), name, errors);
    if (good.has(name)) errors.duplicate(child(at, "name"), name);
    if (errors.causes.length === before) good.set(name, volume);
    if (claim && claims.has(claim.claimName)) {
      errors.invalid(
        child(child(at, "persistentVolumeClaim"), "claimName"),
        claim.claimName,
        "must not reference a PVC that gets created for an ephemeral volume",
      );
    }
  }
  return good;
}

/** One source is the rule; only where there are more does their order matter. */
function validateSource(volume: Volume, podName: string, path: At, errors: FieldErrors): void {
  let given = 0;
  let only: SourceName | undefined;
  for (const name in volume) {
    if (name === "name" || volume[name as SourceName] === undefined) continue;
    given += 1;
    only = name as SourceName;
  }
  if (given === 0) errors.required(path, "must specify a volume type");
  const names = given === 1 && only ? [only] : given > 1 ? ORDER.filter((name) => volume[name] !== undefined) : [];
  for (const [place, name] of names.entries()) {
    if (place > 0) errors.forbidden(child(path, name), "may not specify more than 1 volume type");
    else checkSource(name, volume, child(path, PATHS[name] ?? name), errors);
    if (name === "iscsi") validateInitiator(volume, child(path, "name"), errors);
    if (name === "ephemeral" && place === 0) validateClaimName(volume.name, podName, child(path, "name"), errors);
  }
}

/** Where the path of a source's errors is not the field's name. */
const PATHS: Readonly<Partial<Record<SourceName, string>>> = { gcePersistentDisk: "persistentDisk" };

type SourceRule = (source: unknown, path: At, errors: FieldErrors) => void;

function checkSource(name: SourceName, volume: Volume, path: At, errors: FieldErrors): void {
  const rule = sourceRules[name] as SourceRule | undefined;
  rule?.(volume[name], path, errors);
}

function validateInitiator({ name, iscsi }: Volume, path: At, errors: FieldErrors): void {
  if (iscsi?.initiatorName === undefined || `${name}:${iscsi.targetPortal}`.length <= 64) return;
  const detail =
    "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.";
  errors.invalid(path, name, detail);
}

/** An ephemeral volume's claim is called after its Pod. */
function validateClaimName(name: string, podName: string, path: At, errors: FieldErrors): void {
  if (!podName || !name) return;
  const claim = `${podName}-${name}`;
  for (const message of dns1123Subdomain(claim)) {
    errors.invalid(path, name, `PVC name ${JSON.stringify(claim)}: ${message}`);
  }
}
