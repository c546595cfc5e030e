/**
 * PersistentVolumeClaim: what someone wants of storage. Nearly nothing of it changes: quotas count what was asked.
 *
 * That a claim may grow at all is admission's say (admission/claim-resize.ts).
 */
import type * as models from "@kubernetes/client-node";
import { equalJson } from "../../machinery/objects/json-value.ts";
import type { PersistentVolumeClaim } from "../../machinery/objects/kinds.ts";
import { dns1123Subdomain } from "../../machinery/objects/names.ts";
import { compareQuantities, parseQuantity, type Quantity, zeroQuantity } from "../../machinery/objects/quantity.ts";
import type { Wire } from "../../machinery/objects/wire.ts";
import { changes } from "./changes.ts";
import { named, oneOf, required, unchanged } from "./checks.ts";
import type { Strategy } from "./contract.ts";
import type { FieldErrors } from "./field-errors.ts";
import { validateLabelSelector } from "./label-selector.ts";
import { positive, VOLUME_MODES, validateAccessModes } from "./persistent-volume.ts";

type Spec = Wire<models.V1PersistentVolumeClaimSpec>;

const STORAGE = "spec.resources[storage]";
const ATTRIBUTES = "spec.volumeAttributesClassName";
const OLD_CLASS = "volume.beta.kubernetes.io/storage-class";

export const persistentVolumeClaimStrategy: Strategy<PersistentVolumeClaim> = {
  defaults({ spec }) {
    if (spec) spec.volumeMode ??= "Filesystem";
  },
  prepareForCreate(claim) {
    claim.status = { phase: "Pending" };
    if (claim.spec) joinSources(claim.spec);
  },
  prepareForUpdate({ spec }) {
    if (spec) joinSources(spec);
  },
  validate({ spec }, errors) {
    if (spec) validateSpec(spec, errors);
    else errors.required("spec");
  },
  validateUpdate(claim, old, errors) {
    if (claim.spec && old.spec) validateChange(claim, claim.spec, old, old.spec, errors);
  },
  validateStatusUpdate({ status }, _old, errors) {
    for (const name in status?.allocatedResources)
      if (name !== "storage") errors.notSupported("status.allocatedResources", name, ["storage"]);
  },
  allowUnconditionalUpdate: true,
};

/** The older field and the newer one say the same, as far as the older one can. */
function joinSources(spec: Spec): void {
  const { dataSource, dataSourceRef } = spec;
  if (dataSource && !dataSourceRef) spec.dataSourceRef = { ...dataSource };
  else if (dataSourceRef && !dataSource && !dataSourceRef.namespace) {
    const { namespace: _namespace, ...rest } = dataSourceRef;
    spec.dataSource = rest;
  }
}

function validateSpec(spec: Spec, errors: FieldErrors): void {
  const { dataSource, dataSourceRef } = spec;
  validateAccessModes(spec.accessModes, "at least 1 access mode is required", errors);
  validateLabelSelector(spec.selector, "spec.selector", errors);
  const storage = spec.resources?.requests?.["storage"];
  if (required(storage, STORAGE, errors)) positive(storage, STORAGE, errors);
  named(spec.storageClassName, dns1123Subdomain, "spec.storageClassName", errors);
  oneOf(spec.volumeMode, VOLUME_MODES, "spec.volumeMode", errors);
  if (dataSource) validateSource(dataSource, "spec.dataSource", errors);
  if (dataSourceRef) validateSource(dataSourceRef, "spec.dataSourceRef", errors);
  if (dataSourceRef?.namespace) {
    if (dataSource)
      errors.invalid("spec", "spec.dataSource", "may not be specified when dataSourceRef.namespace is specified");
  } else if (dataSource && dataSourceRef && !equalJson(dataSource, dataSourceRef)) {
    errors.invalid("spec", "spec.dataSource", "must match dataSourceRef");
  }
  named(spec.volumeAttributesClassName, dns1123Subdomain, ATTRIBUTES, errors);
}

type Source = Wire<models.V1TypedLocalObjectReference>;

function validateSource({ name, kind, apiGroup }: Source, path: string, errors: FieldErrors): void {
  required(name, `${path}.name`, errors);
  required(kind, `${path}.kind`, errors);
  if (!apiGroup && kind !== "PersistentVolumeClaim")
    errors.invalid(path, kind, "must be 'PersistentVolumeClaim' when referencing the default apiGroup");
  named(apiGroup, dns1123Subdomain, `${path}.apiGroup`, errors);
}

function validateChange(
  claim: PersistentVolumeClaim,
  spec: Spec,
  old: PersistentVolumeClaim,
  before: Spec,
  errors: FieldErrors,
): void {
  const bound = claim.status?.phase === "Bound";
  const fixed = (one: Spec) => fixedPart(one, before, bound);
  const { storageClassName: _class, ...unclassed } = spec;
  const compared = movesClass(claim, spec, old, before) ? unclassed : spec;
  if (!equalJson(fixed(compared), fixed(before))) {
    const lines = changes(fixed(before), fixed(spec), "spec").join("\n");
    errors.forbidden(
      "spec",
      `spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims\n${lines}`,
    );
  }
  const [asked, askedBefore] = [storageOf(spec), storageOf(before)];
  const given = old.status?.capacity?.["storage"];
  if (
    compareQuantities(asked, askedBefore) < 0 &&
    compareQuantities(asked, given ? parseQuantity(given) : zeroQuantity) <= 0
  )
    errors.forbidden("spec.resources.requests.storage", "field can not be less than status.capacity");
  unchanged(spec.volumeMode, before.volumeMode, "volumeMode", errors);
  if (before.volumeAttributesClassName === undefined) return;
  if (spec.volumeAttributesClassName === undefined)
    errors.forbidden(ATTRIBUTES, "update from non-nil value to nil is forbidden");
  else if (spec.volumeAttributesClassName === "" && before.volumeAttributesClassName !== "")
    errors.forbidden(ATTRIBUTES, "update from non-nil value to an empty string is forbidden");
}

const storageOf = ({ resources }: Spec): Quantity => parseQuantity(resources?.requests?.["storage"] ?? "0");

/** What stays as it is. The binder names the volume once; a bound claim may ask for more. */
function fixedPart(spec: Spec, before: Spec, bound: boolean): unknown {
  const { volumeName, resources, volumeAttributesClassName, ...rest } = spec;
  const { storage: _storage, ...requests } = resources?.requests ?? {};
  return {
    ...rest,
    resources: { ...resources, requests: bound ? requests : (resources?.requests ?? {}) },
    ...(before.volumeName && { volumeName }),
    ...(!bound && volumeAttributesClassName !== undefined && { volumeAttributesClassName }),
  };
}

/** To the field, from the annotation that named the class before, or from no class at all. */
function movesClass(claim: PersistentVolumeClaim, spec: Spec, old: PersistentVolumeClaim, before: Spec): boolean {
  const named = old.metadata.annotations?.[OLD_CLASS];
  const now = claim.metadata.annotations?.[OLD_CLASS];
  if (before.storageClassName !== undefined || spec.storageClassName === undefined) return false;
  return (
    (now === undefined || now === spec.storageClassName) && (named ?? spec.storageClassName) === spec.storageClassName
  );
}
