/**
 * Selectable rules: which fields of a custom kind field selectors may name.
 */
import type { FieldErrors } from "../resources/field-errors.ts";
import { propertyOf, type SchemaProps, valuesOf } from "./contract.ts";
import { parsePath } from "./paths.ts";

const MOST = 8;
const SCALARS: readonly (string | undefined)[] = ["string", "boolean", "integer"];

export function validateSelectable(
  fields: readonly { readonly jsonPath: string }[],
  schema: SchemaProps,
  path: string,
  errors: FieldErrors,
): void {
  const seen = new Set<string>();
  for (const [index, { jsonPath }] of fields.entries()) {
    const at = `${path}[${index}].jsonPath`;
    if (!jsonPath) {
      errors.required(at);
      continue;
    }
    const keys = parsePath(jsonPath);
    const found = keys && schemaAt(schema, keys);
    if (!keys || !found) {
      errors.invalid(at, jsonPath, "is an invalid path: does not refer to a valid field");
      continue;
    }
    if (keys[0] === "metadata") errors.invalid(at, jsonPath, "must not point to fields in metadata");
    if (!SCALARS.includes(found.type)) {
      const detail =
        "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.";
      errors.invalid(at, jsonPath, detail);
    }
    const id = JSON.stringify(keys);
    if (seen.has(id)) errors.duplicate(at, jsonPath);
    seen.add(id);
  }
  if (seen.size > MOST) errors.tooMany(path, seen.size, MOST);
}

/** The schema of the field that keys lead to. */
export function schemaAt(schema: SchemaProps, keys: readonly string[]): SchemaProps | undefined {
  let at: SchemaProps | undefined = schema;
  for (const key of keys) at = at && (propertyOf(at, key) ?? valuesOf(at));
  return at;
}
