/**
 * PersistentVolume, PersistentVolumeClaim, StorageClass: stored and checked; no controller binds them yet.
 */
import { isDeepStrictEqual } from "node:util";
import type { PersistentVolume, PersistentVolumeClaim, StorageClass } from "../../machinery/objects/kinds.ts";
import { oneOf, quantityNotNegative, required, unchanged } from "./checks.ts";
import type { Strategy } from "./contract.ts";
import type { FieldErrors } from "./field-errors.ts";

const ACCESS_MODES: readonly string[] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
const VOLUME_MODES: readonly string[] = ["Block", "Filesystem"];

function validateModes(modes: readonly string[] | undefined, path: string, errors: FieldErrors): void {
  if (!modes?.length) errors.required(path, "at least 1 access mode is required");
  for (const mode of modes ?? []) if (!ACCESS_MODES.includes(mode)) errors.notSupported(path, mode, ACCESS_MODES);
}

export const persistentVolumeStrategy: Strategy<PersistentVolume> = {
  defaults({ spec }) {
    if (!spec) return;
    spec.persistentVolumeReclaimPolicy ||= "Retain";
    spec.volumeMode ??= "Filesystem";
    if (spec.hostPath) spec.hostPath.type ??= "";
  },
  prepareForCreate(volume) {
    volume.status = { phase: "Pending" };
  },
  validate({ spec }, errors) {
    if (!spec) {
      errors.required("spec");
      return;
    }
    validateModes(spec.accessModes, "spec.accessModes", errors);
    if (!spec.capacity || Object.keys(spec.capacity).length === 0) errors.required("spec.capacity");
    else if (!Object.hasOwn(spec.capacity, "storage")) {
      errors.notSupported("spec.capacity", Object.keys(spec.capacity), ["storage"]);
    }
    quantityNotNegative(spec.capacity?.["storage"], "spec.capacity[storage]", errors);
    oneOf(
      spec.persistentVolumeReclaimPolicy,
      ["Delete", "Recycle", "Retain"],
      "spec.persistentVolumeReclaimPolicy",
      errors,
    );
    oneOf(spec.volumeMode, VOLUME_MODES, "spec.volumeMode", errors);
    if (spec.local && !spec.nodeAffinity) errors.required("spec.nodeAffinity", "Local volume requires node affinity");
  },
  validateUpdate({ spec }, old, errors) {
    unchanged(spec?.volumeMode, old.spec?.volumeMode, "spec.volumeMode", errors);
  },
  allowUnconditionalUpdate: true,
};

export const persistentVolumeClaimStrategy: Strategy<PersistentVolumeClaim> = {
  defaults({ spec }) {
    if (spec) spec.volumeMode ??= "Filesystem";
  },
  prepareForCreate(claim) {
    claim.status = { phase: "Pending" };
  },
  validate({ spec }, errors) {
    if (!spec) {
      errors.required("spec");
      return;
    }
    validateModes(spec.accessModes, "spec.accessModes", errors);
    if (spec.accessModes?.includes("ReadWriteOncePod") && spec.accessModes.length > 1) {
      errors.forbidden("spec.accessModes", "may not use ReadWriteOncePod with other access modes");
    }
    const storage = spec.resources?.requests?.["storage"];
    if (required(storage, "spec.resources[storage]", errors)) {
      quantityNotNegative(storage, "spec.resources[storage]", errors);
    }
    oneOf(spec.volumeMode, VOLUME_MODES, "spec.volumeMode", errors);
  },
  validateUpdate({ spec }, old, errors) {
    if (!spec || !old.spec || isDeepStrictEqual(fixedClaim(spec, old.spec), fixedClaim(old.spec, old.spec))) return;
    errors.forbidden(
      "spec",
      "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims",
    );
  },
  allowUnconditionalUpdate: true,
};

type ClaimSpec = NonNullable<PersistentVolumeClaim["spec"]>;

/** What stays as it is; the binder names the volume once. */
function fixedClaim(spec: ClaimSpec, old: ClaimSpec): unknown {
  const { volumeName, resources, volumeAttributesClassName: _class, ...rest } = spec;
  return { ...rest, limits: resources?.limits, volumeName: old.volumeName ? volumeName : undefined };
}

const FROZEN = ["parameters", "provisioner", "reclaimPolicy"] as const;

export const storageClassStrategy: Strategy<StorageClass> = {
  defaults(storageClass) {
    storageClass.reclaimPolicy ||= "Delete";
    storageClass.volumeBindingMode ||= "Immediate";
  },
  validate({ provisioner, reclaimPolicy, volumeBindingMode }, errors) {
    required(provisioner, "provisioner", errors);
    oneOf(reclaimPolicy, ["Delete", "Retain"], "reclaimPolicy", errors);
    oneOf(volumeBindingMode, ["Immediate", "WaitForFirstConsumer"], "volumeBindingMode", errors);
  },
  validateUpdate(storageClass, old, errors) {
    for (const field of FROZEN) {
      if (!isDeepStrictEqual(storageClass[field], old[field])) {
        errors.forbidden(field, `updates to ${field} are forbidden.`);
      }
    }
    unchanged(storageClass.volumeBindingMode, old.volumeBindingMode, "volumeBindingMode", errors);
  },
  allowUnconditionalUpdate: true,
};
