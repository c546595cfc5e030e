/**
 * Selectable rules: which fields of a custom kind field selectors may name.
 */
import type { FieldErrors } from "../resources/field-errors.ts";
import type { SchemaProps } from "./contract.ts";
import { fieldAt } from "./field-path.ts";

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
    const found = fieldAt(jsonPath, schema, { brackets: false });
    if (typeof found === "string") {
      errors.invalid(at, jsonPath, `is an invalid path: ${found}`);
      continue;
    }
    const { keys } = found;
    if (keys[0] === "metadata") errors.invalid(at, jsonPath, "must not point to fields in metadata");
    if (!SCALARS.includes(found.schema.type)) {
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
