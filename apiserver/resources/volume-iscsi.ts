/**
 * iSCSI volumes: names of targets and initiators are written as iqn, eui or naa.
 */
import type { Volume } from "../../machinery/objects/kinds.ts";
import { between, required } from "./checks.ts";
import type { FieldErrors } from "./field-errors.ts";
import { type At, child } from "./path.ts";

const FORMS: Readonly<Record<string, RegExp>> = {
  iqn: /iqn\.\d{4}-\d{2}\.([A-Za-z0-9.-]+)(:[^,;*&$|\s]+)$/,
  eui: /^eui.[A-Za-z0-9]{16}$/,
  naa: /^naa.[A-Za-z0-9]{32}$/,
};

export function validateIscsi(source: NonNullable<Volume["iscsi"]>, path: At, errors: FieldErrors): void {
  required(source.targetPortal, child(path, "targetPortal"), errors);
  if (required(source.iqn, child(path, "iqn"), errors)) validateName(source.iqn, child(path, "iqn"), errors);
  between(source.lun ?? 0, 0, 255, child(path, "lun"), errors);
  if ((source.chapAuthDiscovery || source.chapAuthSession) && !source.secretRef) {
    errors.required(child(path, "secretRef"));
  }
  if (source.initiatorName !== undefined) {
    validateName(source.initiatorName, child(path, "initiatorname"), errors);
  }
}

function validateName(name: string, path: At, errors: FieldErrors): void {
  const form = FORMS[name.slice(0, 3)];
  if (!form) errors.invalid(path, name, "must be valid format starting with iqn, eui, or naa");
  else if (!form.test(name)) errors.invalid(path, name, "must be valid format");
}
