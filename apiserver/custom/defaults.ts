/**
 * Defaulting: fills in what a value leaves out and its schema has a default for, in place.
 *
 * Null where it is not allowed counts as left out if there is a default. Only objects that are there get
 * defaults inside: a default of a field of an absent object needs a default of that object.
 */
import { cloneJson } from "../../machinery/objects/json-value.ts";
import { isObject } from "../schema/compile-decoder.ts";
import { itemsOf, propertyOf, type SchemaProps, valuesOf } from "./contract.ts";

/** How many values were filled in. */
export function applyDefaults(value: unknown, schema: SchemaProps): number {
  if (!hasDefaults(schema)) return 0;
  if (Array.isArray(value)) return defaultList(value, schema);
  return isObject(value) ? defaultObject(value, schema) : 0;
}

function defaultObject(object: Record<string, unknown>, schema: SchemaProps): number {
  let count = 0;
  for (const key in schema.properties) {
    const property = schema.properties[key]!;
    if (property.default === undefined) continue;
    const present = Object.hasOwn(object, key) && object[key] !== undefined;
    if (present && (object[key] !== null || property.nullable)) continue;
    object[key] = cloneJson(property.default);
    count++;
  }
  const values = valuesOf(schema);
  for (const key in object) {
    const property = propertyOf(schema, key) ?? values;
    if (!property) continue;
    if (object[key] === null && values && property === values && replacesNull(values)) {
      object[key] = cloneJson(values.default);
      count++;
    } else count += applyDefaults(object[key], property);
  }
  return count;
}

function defaultList(list: unknown[], schema: SchemaProps): number {
  const items = itemsOf(schema);
  if (!items) return 0;
  let count = 0;
  for (let at = 0; at < list.length; at++) {
    if (list[at] === null && replacesNull(items)) {
      list[at] = cloneJson(items.default);
      count++;
    } else count += applyDefaults(list[at], items);
  }
  return count;
}

const replacesNull = (schema: SchemaProps): boolean => schema.default !== undefined && !schema.nullable;

/**
 * Takes nulls out of objects where they are not allowed and no default replaced them: null means absent there.
 * Validation misses then what is required. Items of lists stay, and are wrong.
 */
export function dropNulls(value: unknown, schema: SchemaProps | undefined): number {
  if (Array.isArray(value)) {
    const items = schema && itemsOf(schema);
    return items ? value.reduce<number>((count, item) => count + dropNulls(item, items), 0) : 0;
  }
  if (!isObject(value) || !schema) return 0;
  let count = 0;
  const values = valuesOf(schema);
  for (const key in value) {
    const property = propertyOf(schema, key) ?? values;
    if (value[key] !== null) count += dropNulls(value[key], property);
    else if (property && !property.nullable) {
      delete value[key];
      count++;
    }
  }
  return count;
}

const known = new WeakMap<SchemaProps, boolean>();

/** Whether anything in the schema has a default; worked out once. */
export function hasDefaults(schema: SchemaProps): boolean {
  const found = known.get(schema);
  if (found !== undefined) return found;
  const parts = [...Object.values(schema.properties ?? {}), itemsOf(schema), valuesOf(schema)];
  const has = parts.some((part) => part !== undefined && (part.default !== undefined || hasDefaults(part)));
  known.set(schema, has);
  return has;
}
