/**
 * Atomics: the places of a configuration that are owned as one value: lists, maps and structs of which nobody can set
 * a part without replacing the whole. Which they are: shapes/of-schema.ts.
 */
import type { Field, FieldType, Message, Schema } from "../schema/contract.ts";
import { isObject } from "./shapes/shape.ts";

/** ".spec.template.spec.containers[0].args" */
export function atomicPlaces(schema: Schema, message: Message, value: unknown): string[] {
  const found: string[] = [];
  if (isObject(value)) fields(schema, message, value, "", found);
  return found;
}

function fields(schema: Schema, message: Message, value: Record<string, unknown>, path: string, found: string[]) {
  for (const [name, part] of Object.entries(value)) {
    const field = message.fields.get(name);
    const place = `${path}.${name}`;
    if (field) visit(schema, field.type, field, part, place, found);
    else if (message.preserveUnknown) visit(schema, { kind: "deduced" }, undefined, part, place, found);
  }
}

function visit(
  schema: Schema,
  type: FieldType,
  field: Field | undefined,
  value: unknown,
  path: string,
  found: string[],
): void {
  if (Array.isArray(value)) {
    if (type.kind === "deduced") found.push(path);
    if (type.kind !== "list") return;
    const merged = field?.listType === "set" || (field?.listType === "map" && field.listMapKeys !== undefined);
    if (!merged) found.push(path);
    for (const [at, item] of value.entries()) visit(schema, type.of, undefined, item, `${path}[${at}]`, found);
    return;
  }
  if (!isObject(value)) return;
  if (type.kind === "message") {
    const message = schema.message(type.name);
    if (!message) return;
    const how = field?.structType ?? field?.mapType;
    if (how === undefined ? message.atomic : how === "atomic") found.push(path);
    fields(schema, message, value, path, found);
  } else if (type.kind === "map") {
    if (field?.mapType === "atomic") found.push(path);
    for (const [key, one] of Object.entries(value)) visit(schema, type.of, undefined, one, `${path}.${key}`, found);
  } else if (type.kind === "deduced") {
    for (const [key, one] of Object.entries(value)) visit(schema, type, undefined, one, `${path}.${key}`, found);
  }
}
