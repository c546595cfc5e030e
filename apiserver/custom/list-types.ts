/**
 * List types: lists that are sets or maps have no item twice, and their items are known by themselves or by keys.
 */
import { equalJson } from "../../machinery/objects/json-value.ts";
import type { FieldErrors } from "../resources/field-errors.ts";
import { isObject } from "../schema/compile-decoder.ts";
import { itemsOf, propertyOf, type SchemaProps, valuesOf } from "./contract.ts";

/** Finds the item of an old list that is the same entry; undefined where items cannot be told apart. */
export function oldItems(schema: SchemaProps, old: unknown): ((item: unknown, none: unknown) => unknown) | undefined {
  if (schema["x-kubernetes-list-type"] !== "map" || !Array.isArray(old)) return undefined;
  const byKey = new Map<string, unknown>();
  for (const one of old as unknown[]) if (isObject(one)) byKey.set(mapKey(one, schema), one);
  return (item, none) => {
    const key = isObject(item) ? mapKey(item, schema) : undefined;
    return key !== undefined && byKey.has(key) ? byKey.get(key) : none;
  };
}

function mapKey(item: Record<string, unknown>, schema: SchemaProps): string {
  const keys = schema["x-kubernetes-list-map-keys"] ?? [];
  return JSON.stringify(keys.map((key) => (Object.hasOwn(item, key) ? item[key] : null)));
}

/** `old` is undefined on create. A list that an update leaves as it was may have duplicates still. */
export function validateLists(
  value: unknown,
  old: unknown,
  schema: SchemaProps | undefined,
  errors: FieldErrors,
  path = "",
): void {
  if (!schema || (old !== undefined && equalJson(value, old))) return;
  if (Array.isArray(value)) {
    const kind = schema["x-kubernetes-list-type"];
    if (kind === "set")
      noTwice(
        value,
        (one) => JSON.stringify(sorted(one)),
        (one) => one,
        errors,
        path,
      );
    if (kind === "map") {
      const objects = (one: unknown) => (isObject(one) ? mapKey(one, schema) : undefined);
      noTwice(value, objects, (one) => keysOf(one, schema), errors, path);
    }
    const items = itemsOf(schema);
    const before = oldItems(schema, old);
    for (const [at, one] of value.entries()) {
      validateLists(one, before?.(one, undefined), items, errors, `${path}[${at}]`);
    }
    return;
  }
  if (!isObject(value)) return;
  const values = valuesOf(schema);
  for (const key in value) {
    const property = propertyOf(schema, key);
    const at = property ? (path === "" ? key : `${path}.${key}`) : `${path}[${key}]`;
    validateLists(value[key], isObject(old) ? old[key] : undefined, property ?? values, errors, at);
  }
}

function noTwice(
  list: readonly unknown[],
  keyOf: (item: unknown) => string | undefined,
  shown: (item: unknown) => unknown,
  errors: FieldErrors,
  path: string,
): void {
  const seen = new Set<string>();
  for (const [at, item] of list.entries()) {
    const key = keyOf(item);
    if (key === undefined) continue;
    if (seen.has(key)) errors.duplicate(`${path}[${at}]`, shown(item));
    seen.add(key);
  }
}

function keysOf(item: unknown, schema: SchemaProps): unknown {
  const found: Record<string, unknown> = {};
  for (const key of schema["x-kubernetes-list-map-keys"] ?? []) {
    const value = (item as Record<string, unknown>)[key];
    if (value !== undefined) found[key] = value;
  }
  return found;
}

/** Objects are the same whatever the order of their fields. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, field]) => [key, sorted(field)]),
  );
}
