/**
 * JSON values: copies that may be changed, and equality by content.
 *
 * Written out because they stand in the path of every write. Integers beyond 2^53 (json.ts) are values and are
 * kept as they are; one that a number holds too may have been read as either. Null and absent are different here.
 */
import { isBigInteger } from "./json.ts";

/**
 * A deep copy, never frozen but for one part: a frozen `managedFields` is shared. Nobody changes those in place, they
 * are large, and every object has them. Fields that are undefined are left out, as JSON would.
 */
export function cloneJson<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(cloneJson) as T;
  if (isBigInteger(value)) return value;
  const copy: Record<string, unknown> = {};
  for (const key in value) {
    const field = (value as Record<string, unknown>)[key];
    if (field === undefined) continue;
    if (key === "__proto__")
      Object.defineProperty(copy, key, {
        value: cloneJson(field),
        enumerable: true,
        writable: true,
        configurable: true,
      });
    else copy[key] = key === "managedFields" && Object.isFrozen(field) ? field : cloneJson(field);
  }
  return copy as T;
}

export function equalJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a === "number") return isBigInteger(b) && b.rawJSON === String(a);
  if (typeof b === "number") return isBigInteger(a) && a.rawJSON === String(b);
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a)) {
    if (!Array.isArray(b) || a.length !== b.length) return false;
    for (let at = 0; at < a.length; at++) if (!equalJson(a[at], b[at])) return false;
    return true;
  }
  if (isBigInteger(a)) return isBigInteger(b) && a.rawJSON === b.rawJSON;
  return !Array.isArray(b) && equalRecords(a as Record<string, unknown>, b as Record<string, unknown>);
}

function equalRecords(a: Record<string, unknown>, b: Record<string, unknown>): boolean {
  let fields = 0;
  for (const key in a) {
    const field = a[key];
    if (field === undefined) continue;
    fields++;
    if (!equalJson(field, b[key]) || (key === "__proto__" && !Object.hasOwn(b, key))) return false;
  }
  for (const key in b) if (b[key] !== undefined) fields--;
  return fields === 0;
}
