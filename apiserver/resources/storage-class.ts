/**
 * StorageClass and VolumeAttributesClass: how volumes are made, and what may be changed about them later.
 */
import type * as models from "@kubernetes/client-node";
import { equalJson } from "../../machinery/objects/json-value.ts";
import type { StorageClass } from "../../machinery/objects/kinds.ts";
import { labelValue, qualifiedName } from "../../machinery/objects/names.ts";
import type { Stored } from "../../machinery/objects/wire.ts";
import { oneOf, required, requireOneOf, unchanged } from "./checks.ts";
import type { Strategy } from "./contract.ts";
import type { FieldErrors } from "./field-errors.ts";
import { each } from "./object-meta.ts";
import { validateDriverName } from "./persistent-volume.ts";

type VolumeAttributesClass = Stored<models.V1VolumeAttributesClass>;

const MOST_PARAMETERS = 512;
const PARAMETER_BYTES = 256 * 1024;
const FROZEN = ["parameters", "provisioner", "reclaimPolicy"] as const;

export const storageClassStrategy: Strategy<StorageClass> = {
  defaults(storageClass) {
    storageClass.reclaimPolicy ||= "Delete";
    storageClass.volumeBindingMode ||= "Immediate";
  },
  validate({ provisioner, parameters, reclaimPolicy, volumeBindingMode, allowedTopologies }, errors) {
    if (required(provisioner, "provisioner", errors))
      each(qualifiedName(provisioner.toLowerCase()), "provisioner", provisioner, errors);
    validateParameters(parameters, true, errors);
    oneOf(reclaimPolicy, ["Delete", "Retain"], "reclaimPolicy", errors);
    requireOneOf(volumeBindingMode, ["Immediate", "WaitForFirstConsumer"], "volumeBindingMode", errors);
    validateTopologies(allowedTopologies, errors);
  },
  validateUpdate(storageClass, old, errors) {
    for (const field of FROZEN)
      if (!equalJson(storageClass[field], old[field])) errors.forbidden(field, `updates to ${field} are forbidden.`);
    unchanged(storageClass.volumeBindingMode, old.volumeBindingMode, "volumeBindingMode", errors);
  },
  allowUnconditionalUpdate: true,
};

function validateParameters(
  parameters: Readonly<Record<string, string>> | undefined,
  allowEmpty: boolean,
  errors: FieldErrors,
): void {
  const entries = Object.entries(parameters ?? {});
  if (entries.length > MOST_PARAMETERS) errors.tooLong("Provisioner Parameters", MOST_PARAMETERS);
  let size = 0;
  for (const [key, value] of entries) {
    if (key === "") errors.invalid("parameters", key, "field can not be empty.");
    size += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  if (size > PARAMETER_BYTES) errors.tooLong("parameters", PARAMETER_BYTES);
  if (!allowEmpty && entries.length === 0) errors.required("parameters", "must contain at least one key/value pair");
}

function validateTopologies(terms: StorageClass["allowedTopologies"], errors: FieldErrors): void {
  const seen = new Set<string>();
  for (const [index, { matchLabelExpressions = [] }] of (terms ?? []).entries()) {
    const at = `allowedTopologies[${index}].matchLabelExpressions`;
    const keys = new Set<string>();
    for (const [place, { key, values }] of matchLabelExpressions.entries()) {
      const path = `${at}[${place}]`;
      if (!values?.length) errors.required(`${path}.values`);
      for (const [number, value] of (values ?? []).entries()) {
        each(labelValue(value), `${path}.values[${number}]`, value, errors);
        if (values.indexOf(value) !== number) errors.duplicate(`${path}.values[${number}]`, value);
      }
      each(qualifiedName(key), `${path}.key`, key, errors);
      if (keys.has(key)) errors.duplicate(`${path}.key`, key);
      keys.add(key);
    }
    const shown = JSON.stringify(
      matchLabelExpressions.map(({ key, values }) => [key, [...(values ?? [])].sort()]).sort(),
    );
    if (seen.has(shown)) errors.duplicate(at, "");
    seen.add(shown);
  }
}

export const volumeAttributesClassStrategy: Strategy<VolumeAttributesClass> = {
  validate({ driverName, parameters }, errors) {
    if (required(driverName, "driverName", errors)) validateDriverName(driverName, "driverName", errors);
    validateParameters(parameters, false, errors);
  },
  validateUpdate({ driverName, parameters }, old, errors) {
    unchanged(driverName, old.driverName, "driverName", errors);
    if (!equalJson(parameters, old.parameters)) errors.forbidden("parameters", "updates to parameters are forbidden.");
  },
  allowUnconditionalUpdate: true,
};
