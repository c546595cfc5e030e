/**
 * Merge directives: their names, how they are taken out of what a patch adds, and the errors about them.
 *
 * Nothing of a directive may reach a stored object. What they do: strategic-merge.ts, merge-lists.ts.
 */
import { type BigInteger, isBigInteger } from "../../machinery/objects/json.ts";
import { type ApiError, badRequest } from "../../machinery/objects/status.ts";
import { goFormat, goKindName } from "./go-types.ts";

export type Json = null | string | number | BigInteger | boolean | Json[] | JsonObject;
export interface JsonObject {
  [key: string]: Json;
}

export const DIRECTIVE = "$patch";
export const RETAIN_KEYS = "$retainKeys";
export const SET_ORDER = "$setElementOrder";
export const DELETE_FROM_LIST = "$deleteFromPrimitiveList";

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !isBigInteger(value);

/** A copy that shares nothing with the value, except BigIntegers, which nobody can change. */
export function copyJson(value: unknown): Json {
  if (Array.isArray(value)) return value.map(copyJson);
  if (!isObject(value)) return value as Json;
  const copy: JsonObject = {};
  for (const key in value) set(copy, key, copyJson(value[key]));
  return copy;
}

/** Plain assignment of "__proto__" would set the prototype. */
export function set(object: JsonObject, key: string, value: Json): void {
  if (key === "__proto__") Object.defineProperty(object, key, { value, ...PLAIN });
  else object[key] = value;
}

const PLAIN = { writable: true, enumerable: true, configurable: true } as const;

/** What a patch adds where nothing was: without directives, nulls and items to be deleted. */
export function withoutDirectives(value: Json): Json {
  if (Array.isArray(value)) {
    return value.filter((item) => !isObject(item) || !(DIRECTIVE in item)).map(withoutDirectives);
  }
  if (!isObject(value)) return value;
  if (value[DIRECTIVE] === "delete") return {};
  const plain: JsonObject = {};
  for (const key of Object.keys(value)) {
    const item = value[key] as Json;
    if (item !== null && !isDirective(key)) set(plain, key, withoutDirectives(item));
  }
  return plain;
}

function isDirective(key: string): boolean {
  return (
    key.startsWith("$") &&
    (key === DIRECTIVE ||
      key === RETAIN_KEYS ||
      key.startsWith(`${SET_ORDER}/`) ||
      key.startsWith(`${DELETE_FROM_LIST}/`))
  );
}

export const badPatchType = (directive: unknown, map: JsonObject): ApiError =>
  badRequest(`unknown patch type: ${goFormat(directive)} in map: ${goFormat(map)}`);

export const noMergeKey = (map: JsonObject, key: string): ApiError =>
  badRequest(`map: ${goFormat(map)} does not contain declared merge key: ${key}`);

export const badArgument = (wanted: string, value: unknown): ApiError =>
  badRequest(`expected a ${wanted}, but received a ${goKindName(value)}`);
