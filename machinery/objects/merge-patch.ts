/**
 * JSON Merge Patch (RFC 7386): objects merge, null deletes, everything else replaces.
 *
 * Neither argument is changed. JSON Patch is in json-patch.ts, strategic merge in apiserver/schema.
 */
import { isBigInteger } from "./json.ts";
import { cloneJson } from "./json-value.ts";

type Json = Record<string, unknown>;

export function applyMergePatch(document: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return isObject(document) ? cloneJson(patch) : withoutNulls(patch);
  const merged: Json = isObject(document) ? { ...document } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key];
    else define(merged, key, applyMergePatch(Object.hasOwn(merged, key) ? merged[key] : undefined, value));
  }
  return merged;
}

/** A list that replaces something else: the objects in it lose their nulls too, as in Kubernetes' library. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  return isObject(value) ? applyMergePatch(undefined, value) : cloneJson(value);
}

/** The merge patch that turns `from` into `to`; undefined when they are equal. */
export function createMergePatch(from: Json, to: Json): Json | undefined {
  const patch: Json = {};
  for (const key of Object.keys(from)) if (to[key] === undefined) define(patch, key, null);
  for (const [key, value] of Object.entries(to)) {
    const old = from[key];
    if (isObject(old) && isObject(value)) {
      const inner = createMergePatch(old, value);
      if (inner) define(patch, key, inner);
    } else if (value !== undefined && !same(old, value)) define(patch, key, value);
  }
  return Object.keys(patch).length > 0 ? patch : undefined;
}

function same(a: unknown, b: unknown): boolean {
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((one, index) => same(one, b[index]));
  if (isObject(a) && isObject(b)) return createMergePatch(a, b) === undefined;
  if (isBigInteger(a) && isBigInteger(b)) return a.rawJSON === b.rawJSON;
  return a === b;
}

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !isBigInteger(value);

/** "__proto__" is a key like any other in JSON. */
function define(target: Json, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
}
