/** JSON values as merging sees them: what is a map, and when two are equal. */
import { isBigInteger } from "../../machinery/objects/json.ts";

export type Json = Record<string, unknown>;

export const isMap = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !isBigInteger(value);

/** Maps are equal whatever the order of their keys; a key without a value counts as absent. */
export function equal(a: unknown, b: unknown): boolean {
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((one, at) => equal(one, b[at]));
  if (isMap(a) && isMap(b)) {
    const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
    return [...keys].every((key) => equal(a[key], b[key]));
  }
  if (isBigInteger(a) && isBigInteger(b)) return a.rawJSON === b.rawJSON;
  return a === b;
}
