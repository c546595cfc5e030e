/**
 * ConfigMaps and Secrets that their author has frozen: data that never changes again, in whatever object it is.
 */
import { equalJson } from "../../machinery/objects/json-value.ts";
import type { FieldErrors } from "./field-errors.ts";

const FROZEN = "field is immutable when `immutable` is set";
export const DATA_BYTES = 1024 * 1024;

interface Freezable {
  immutable?: boolean;
}

export function validateFrozen<T extends Freezable>(
  object: T,
  old: T,
  fields: readonly (keyof T & string)[],
  errors: FieldErrors,
): void {
  if (!old.immutable) return;
  if (!object.immutable) errors.forbidden("immutable", FROZEN);
  for (const field of fields) {
    if (!equalJson(object[field] ?? {}, old[field] ?? {})) errors.forbidden(field, FROZEN);
  }
}

/** Bytes behind base64. */
export function encodedBytes(data: Readonly<Record<string, string>>): number {
  let sum = 0;
  for (const key in data) {
    const text = data[key]!;
    const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
    sum += Math.floor(((text.length - padding) * 3) / 4);
  }
  return sum;
}
