/**
 * PersistentVolume: a piece of storage. Where its data lies never changes.
 */
import type * as models from "@kubernetes/client-node";
import { equalJson } from "../../machinery/objects/json-value.ts";
import type { PersistentVolume } from "../../machinery/objects/kinds.ts";
import { dns1123Subdomain } from "../../machinery/objects/names.ts";
import { parseQuantity } from "../../machinery/objects/quantity.ts";
import type { Wire } from "../../machinery/objects/wire.ts";
import { wireTime } from "../../machinery/process/clock.ts";
import { changes } from "./changes.ts";
import { named, noBacksteps, oneOf, required, unchanged } from "./checks.ts";
import type { Strategy } from "./contract.ts";
import type { FieldErrors } from "./field-errors.ts";

type Spec = Wire<models.V1PersistentVolumeSpec>;

export const ACCESS_MODES: readonly string[] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
export const VOLUME_MODES: readonly string[] = ["Block", "Filesystem"];
const RECLAIM_POLICIES: readonly string[] = ["Delete", "Recycle", "Retain"];

/** Where a volume may lie; exactly one of these is set. */
const SOURCES = [
  "hostPath",
  "gcePersistentDisk",
  "awsElasticBlockStore",
  "glusterfs",
  "flocker",
  "nfs",
  "rbd",
  "quobyte",
  "cephfs",
  "iscsi",
  "cinder",
  "fc",
  "flexVolume",
  "azureFile",
  "vsphereVolume",
  "photonPersistentDisk",
  "azureDisk",
  "portworxVolume",
  "scaleIO",
  "local",
  "storageos",
  "csi",
] as const;

export const persistentVolumeStrategy: Strategy<PersistentVolume> = {
  defaults({ spec }) {
    if (!spec) return;
    spec.persistentVolumeReclaimPolicy ||= "Retain";
    spec.volumeMode ??= "Filesystem";
    if (spec.hostPath) spec.hostPath.type ??= "";
  },
  prepareForCreate(volume, { now }) {
    volume.status = { phase: "Pending", lastPhaseTransitionTime: wireTime(now) };
  },
  validate({ spec }, errors) {
    if (spec) validateSpec(spec, errors);
    else errors.required("spec");
  },
  validateUpdate({ spec }, { spec: old }, errors) {
    if (!spec || !old) return;
    const [now, before] = [sourceOf(spec), sourceOf(old)];
    if (!equalJson(now, before)) {
      const lines = changes(before, now, "spec").join("\n");
      errors.forbidden(
        "spec.persistentvolumesource",
        `spec.persistentvolumesource is immutable after creation\n${lines}`,
      );
    }
    unchanged(spec.volumeMode, old.volumeMode, "volumeMode", errors);
    if (old.nodeAffinity) unchanged(spec.nodeAffinity, old.nodeAffinity, "nodeAffinity", errors);
  },
  allowUnconditionalUpdate: true,
};

function sourceOf(spec: Spec): Partial<Spec> {
  const found: Record<string, unknown> = {};
  for (const source of SOURCES) if (source in spec) found[source] = spec[source as keyof Spec];
  return found as Partial<Spec>;
}

function validateSpec(spec: Spec, errors: FieldErrors): void {
  validateAccessModes(spec.accessModes, "", errors);
  validateCapacity(spec.capacity, errors);
  oneOf(spec.persistentVolumeReclaimPolicy, RECLAIM_POLICIES, "spec.persistentVolumeReclaimPolicy", errors);
  if (spec.nodeAffinity)
    required(
      spec.nodeAffinity.required,
      "spec.nodeAffinity.required",
      errors,
      "must specify required node constraints",
    );
  validateSource(spec, errors);
  if (spec.hostPath?.path === "/" && spec.persistentVolumeReclaimPolicy === "Recycle")
    errors.forbidden("spec.persistentVolumeReclaimPolicy", "may not be 'recycle' for a hostPath mount of '/'");
  named(spec.storageClassName, dns1123Subdomain, "spec.storageClassName", errors);
  oneOf(spec.volumeMode, VOLUME_MODES, "spec.volumeMode", errors);
  if (spec.volumeAttributesClassName === undefined) return;
  if (spec.volumeAttributesClassName === "")
    errors.required("spec.volumeAttributesClassName", "an empty string is disallowed");
  named(spec.volumeAttributesClassName, dns1123Subdomain, "spec.volumeAttributesClassName", errors);
  if (!spec.csi) errors.required("spec.csi", "has to be specified when using volumeAttributesClassName");
}

export function validateAccessModes(modes: readonly string[] | undefined, why: string, errors: FieldErrors): void {
  const path = "spec.accessModes";
  if (!modes?.length) errors.required(path, why);
  for (const mode of modes ?? []) if (!ACCESS_MODES.includes(mode)) errors.notSupported(path, mode, ACCESS_MODES);
  const others = modes?.some((mode) => mode !== "ReadWriteOncePod" && ACCESS_MODES.includes(mode));
  if (others && modes?.includes("ReadWriteOncePod"))
    errors.forbidden(path, "may not use ReadWriteOncePod with other access modes");
}

function validateCapacity(capacity: Spec["capacity"], errors: FieldErrors): void {
  const names = Object.keys(capacity ?? {});
  if (names.length === 0) errors.required("spec.capacity");
  else if (names.length > 1 || names[0] !== "storage") errors.notSupported("spec.capacity", capacity, ["storage"]);
  for (const name of names) positive(capacity?.[name], `spec.capacity[${name}]`, errors);
}

export function positive(amount: string | undefined, path: string, errors: FieldErrors): void {
  if (amount !== undefined && parseQuantity(amount).nanos <= 0n)
    errors.invalid(path, amount, "must be greater than zero");
}

function validateSource(spec: Spec, errors: FieldErrors): void {
  const sources = SOURCES.filter((source) => source in spec);
  if (sources.length === 0) errors.required("spec", "must specify a volume type");
  for (const source of sources.slice(1)) errors.forbidden(`spec.${source}`, "may not specify more than 1 volume type");
  const { hostPath, local, nfs, csi } = spec;
  if (hostPath && required(hostPath.path, "spec.hostPath.path", errors))
    noBacksteps(hostPath.path, "spec.hostPath.path", errors);
  if (local && required(local.path, "spec.local.path", errors)) noBacksteps(local.path, "spec.local.path", errors);
  if (local && !spec.nodeAffinity) errors.required("spec.nodeAffinity", "Local volume requires node affinity");
  if (nfs) {
    required(nfs.server, "spec.nfs.server", errors);
    required(nfs.path, "spec.nfs.path", errors);
    if (nfs.path && !nfs.path.startsWith("/")) errors.invalid("spec.nfs.path", nfs.path, "must be an absolute path");
  }
  if (!csi) return;
  if (required(csi.driver, "spec.csi.driver", errors)) validateDriverName(csi.driver, "spec.csi.driver", errors);
  required(csi.volumeHandle, "spec.csi.volumeHandle", errors);
}

const LONGEST_DRIVER = 63;

export function validateDriverName(name: string, path: string, errors: FieldErrors): void {
  if (name.length > LONGEST_DRIVER) errors.tooLong(path, LONGEST_DRIVER);
  named(name.toLowerCase(), dns1123Subdomain, path, errors);
}
