/**
 * Three-way strategic merge: the patch from what was applied last, what is to be, and what is there.
 *
 * What someone else set and the manifest never named stays; what the manifest named once and names no
 * more goes. Lists merge by key where the type says so. The server's end is apiserver/schema; for types
 * without a strategy see three-way.ts.
 * https://kubernetes.io/docs/tasks/manage-kubernetes-objects/update-api-object-kubectl-patch/
 */
import type { OpenApiSchema, TypeSchema } from "../openapi.ts";
import { equal, isMap, type Json } from "./values.ts";

export interface ThreeWay {
  /** What the manifest said last time; undefined when it is not known. */
  readonly original: Json | undefined;
  readonly modified: Json;
  readonly current: Json;
}

/** An empty object when nothing is to be changed. */
export function strategicPatch({ original, modified, current }: ThreeWay, schema: TypeSchema): Json {
  return diffMaps({ original: original ?? {}, modified, current }, schema.root, schema);
}

interface MapSides {
  readonly original: Json;
  readonly modified: Json;
  readonly current: Json;
}

function diffMaps(
  { original, modified, current }: MapSides,
  shape: OpenApiSchema | undefined,
  schema: TypeSchema,
): Json {
  const patch: Json = {};
  for (const key of Object.keys(original)) {
    if (original[key] !== null && (modified[key] === undefined || modified[key] === null)) patch[key] = null;
  }
  for (const [key, value] of Object.entries(modified)) {
    const there = current[key];
    if (value === null) {
      if (there !== undefined) patch[key] = null;
      continue;
    }
    const field = fieldOf(shape, key, schema);
    if (isMap(value) && isMap(there)) {
      const before = isMap(original[key]) ? original[key] : {};
      diffField(patch, key, { original: before, modified: value, current: there }, field, schema);
    } else if (Array.isArray(value) && Array.isArray(there)) {
      const before = Array.isArray(original[key]) ? original[key] : [];
      diffList(patch, key, { original: before, modified: value, current: there }, field, schema);
    } else if (there === undefined || !equal(there, value)) patch[key] = value;
  }
  return patch;
}

interface Field {
  readonly shape: OpenApiSchema | undefined;
  readonly strategies: readonly string[];
  readonly mergeKey: string | undefined;
}

function fieldOf(shape: OpenApiSchema | undefined, key: string, schema: TypeSchema): Field {
  const additional = shape?.additionalProperties;
  const property = shape?.properties?.[key] ?? (typeof additional === "object" ? additional : undefined);
  const resolved = schema.resolve(property);
  return {
    shape: resolved,
    strategies: (resolved?.["x-kubernetes-patch-strategy"] ?? "").split(",").filter((one) => one !== ""),
    mergeKey: resolved?.["x-kubernetes-patch-merge-key"],
  };
}

function diffField(patch: Json, key: string, sides: MapSides, { shape, strategies }: Field, schema: TypeSchema): void {
  if (strategies.includes("replace")) {
    if (!equal(sides.modified, sides.current)) patch[key] = { ...sides.modified, $patch: "replace" };
    return;
  }
  const inner = diffMaps(sides, shape, schema);
  if (Object.keys(inner).length === 0) return;
  patch[key] = strategies.includes("retainKeys") ? { ...inner, $retainKeys: keysOf(sides.modified) } : inner;
}

const keysOf = (map: Json) =>
  Object.keys(map)
    .filter((key) => map[key] !== null)
    .sort();

interface ListSides {
  readonly original: readonly unknown[];
  readonly modified: readonly unknown[];
  readonly current: readonly unknown[];
}

function diffList(patch: Json, key: string, sides: ListSides, field: Field, schema: TypeSchema): void {
  const mergeable = field.strategies.includes("merge") && !field.strategies.includes("replace");
  const ofMaps = [...sides.modified, ...sides.current].every(isMap);
  if (mergeable && field.mergeKey !== undefined && ofMaps) diffKeyed(patch, key, sides, field, schema);
  else if (mergeable && [...sides.modified, ...sides.current].every((item) => typeof item !== "object")) {
    diffPrimitives(patch, key, sides);
  } else if (!equal(sides.modified, sides.current)) patch[key] = sides.modified;
}

function diffKeyed(patch: Json, key: string, sides: ListSides, field: Field, schema: TypeSchema): void {
  const mergeKey = field.mergeKey!;
  const index = (list: readonly unknown[]) => new Map((list as Json[]).map((item) => [item[mergeKey], item]));
  const [original, modified, current] = [index(sides.original), index(sides.modified), index(sides.current)];
  const shape = schema.resolve(field.shape?.items);
  const changes: Json[] = [];
  for (const [id, item] of modified) {
    const there = current.get(id);
    if (!there) changes.push(item);
    else {
      const inner = diffMaps({ original: original.get(id) ?? {}, modified: item, current: there }, shape, schema);
      if (Object.keys(inner).length === 0) continue;
      const retained = field.strategies.includes("retainKeys") ? { $retainKeys: keysOf(item) } : {};
      changes.push({ ...inner, ...retained, [mergeKey]: id });
    }
  }
  for (const id of original.keys()) if (!modified.has(id)) changes.push({ $patch: "delete", [mergeKey]: id });
  const order = [...modified.keys()];
  const inOrder = equal(
    [...current.keys()].filter((id) => modified.has(id)),
    order.filter((id) => current.has(id)),
  );
  if (changes.length > 0) patch[key] = changes;
  if (changes.length > 0 || !inOrder) patch[`$setElementOrder/${key}`] = order.map((id) => ({ [mergeKey]: id }));
}

function diffPrimitives(patch: Json, key: string, { original, modified, current }: ListSides): void {
  const added = modified.filter((item) => !current.includes(item));
  const removed = original.filter((item) => !modified.includes(item));
  if (added.length > 0) patch[key] = added;
  if (removed.length > 0) patch[`$deleteFromPrimitiveList/${key}`] = removed;
  if (added.length > 0 || removed.length > 0) patch[`$setElementOrder/${key}`] = modified;
}
