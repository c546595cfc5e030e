/**
 * Default rules: the defaults in a schema are values that the schema itself would take.
 */
import { cloneJson } from "../../machinery/objects/json-value.ts";
import { FieldErrors } from "../resources/field-errors.ts";
import { itemsOf, META_FIELDS, type SchemaProps } from "./contract.ts";
import { validateLists } from "./list-types.ts";
import { validateEmbedded } from "./object-meta.ts";
import { prune } from "./prune.ts";
import { NOTHING, validateValue } from "./validate.ts";

export function validateDefaults(schema: SchemaProps, path: string, errors: FieldErrors): void {
  visit(schema, path, { resource: true, insideMeta: false }, errors);
}

interface Place {
  readonly resource: boolean;
  readonly insideMeta: boolean;
}

function visit(schema: SchemaProps, path: string, { resource, insideMeta }: Place, errors: FieldErrors): void {
  if (schema.default !== undefined) validateDefault(schema, `${path}.default`, insideMeta, errors);
  const items = itemsOf(schema);
  if (items) visit(items, `${path}.items`, { resource: isEmbedded(items), insideMeta }, errors);
  for (const [key, property] of Object.entries(schema.properties ?? {})) {
    const place = { resource: isEmbedded(property), insideMeta: insideMeta || (resource && META_FIELDS.has(key)) };
    visit(property, `${path}.properties[${key}]`, place, errors);
  }
}

const isEmbedded = (schema: SchemaProps): boolean => schema["x-kubernetes-embedded-resource"] === true;

function validateDefault(schema: SchemaProps, path: string, insideMeta: boolean, errors: FieldErrors): void {
  const value = cloneJson(schema.default);
  if (!insideMeta && prune(value, schema, isEmbedded(schema)).count > 0)
    errors.invalid(path, schema.default, "must not have unknown fields");
  const found = new FieldErrors();
  validateEmbedded(schema.default, schema, found);
  validateValue(schema.default, schema, NOTHING, found);
  validateLists(schema.default, undefined, schema, found);
  for (const { reason = "", message = "", field = "" } of found.causes) {
    const at = field === "<nil>" || field === "" ? path : field.startsWith("[") ? path + field : `${path}.${field}`;
    errors.causes.push({ reason, message, field: at });
  }
}
