/**
 * A strategic merge patch applied on this side: for objects that are changed before they are sent.
 *
 * Lists merge by key where the type says so; `null` and `$patch: delete` remove. The server's own is in
 * apiserver/schema; making such patches is strategic.ts.
 */
import type { OpenApiSchema, TypeSchema } from "../openapi.ts";
import { isMap, type Json } from "./values.ts";

export function applyStrategic(object: Json, patch: Json, schema: TypeSchema): Json {
  return mergeMap(object, patch, schema.root, schema);
}

/** The same for a part of the object, whose type is found by its path from the root. */
export function applyStrategicAt(part: Json, patch: Json, path: readonly string[], schema: TypeSchema): Json {
  let shape: OpenApiSchema | undefined = schema.root;
  for (const step of path) {
    const field: OpenApiSchema | undefined = schema.resolve(shape?.properties?.[step]);
    shape = field?.type === "array" ? schema.resolve(field.items) : field;
  }
  return mergeMap(part, patch, shape, schema);
}

function mergeMap(object: Json, patch: Json, shape: OpenApiSchema | undefined, schema: TypeSchema): Json {
  if (patch["$patch"] === "replace") return withoutDirectives(patch);
  const merged: Json = { ...object };
  for (const [key, value] of Object.entries(patch)) {
    if (key.startsWith("$")) continue;
    const there = merged[key];
    const field = schema.resolve(shape?.properties?.[key]);
    if (value === null || (isMap(value) && value["$patch"] === "delete")) delete merged[key];
    else if (isMap(value)) merged[key] = mergeMap(isMap(there) ? there : {}, value, field, schema);
    else if (Array.isArray(value) && Array.isArray(there)) merged[key] = mergeList(there, value, field, schema);
    else merged[key] = value;
  }
  return merged;
}

function mergeList(
  there: readonly unknown[],
  patch: readonly unknown[],
  field: OpenApiSchema | undefined,
  schema: TypeSchema,
): unknown[] {
  const strategies = (field?.["x-kubernetes-patch-strategy"] ?? "").split(",");
  if (!strategies.includes("merge")) return [...patch];
  const key = field?.["x-kubernetes-patch-merge-key"];
  if (key === undefined) return [...there, ...patch.filter((one) => !there.includes(one))];
  let merged = [...there] as Json[];
  for (const one of patch as Json[]) {
    const at = merged.findIndex((old) => old[key] === one[key]);
    if (one["$patch"] === "delete") merged = merged.filter((_, index) => index !== at);
    else if (at < 0) merged.push(one);
    else merged[at] = mergeMap(merged[at]!, one, schema.resolve(field?.items), schema);
  }
  return merged;
}

const withoutDirectives = (map: Json): Json =>
  Object.fromEntries(Object.entries(map).filter(([key]) => !key.startsWith("$")));
