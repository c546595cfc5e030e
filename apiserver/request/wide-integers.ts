/**
 * Wide integers: numbers that a double cannot hold survive in objects, but rules cannot calculate with them.
 *
 * Where a kind's rules meet one in a field of theirs, the answer is that the value is too large: never a failure
 * of the server.
 */
import { isBigInteger } from "../../machinery/objects/json.ts";
import type { KubeObject } from "../../machinery/objects/wire.ts";
import type { ResourceRow } from "../resources/contract.ts";
import { FieldErrors } from "../resources/field-errors.ts";

/** Runs a kind's rules over an object. */
export function judged<T>(row: ResourceRow, object: KubeObject, rules: () => T): T {
  try {
    return rules();
  } catch (error) {
    const found = error instanceof TypeError ? wideInteger(object, "") : undefined;
    if (!found) throw error;
    const errors = new FieldErrors();
    errors.invalid(found.path, found.value, `must be less than or equal to ${Number.MAX_SAFE_INTEGER}`);
    errors.throwIfAny(row.group, row.kind, object.metadata.name ?? "");
    throw error;
  }
}

function wideInteger(value: unknown, path: string): { path: string; value: unknown } | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  if (isBigInteger(value)) return { path, value };
  for (const [key, field] of Object.entries(value)) {
    const at = Array.isArray(value) ? `${path}[${key}]` : path ? `${path}.${key}` : key;
    const found = wideInteger(field, at);
    if (found) return found;
  }
  return undefined;
}
