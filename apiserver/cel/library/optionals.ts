/**
 * Optionals: values that may be absent, made by `optional.of`, `?.` and `[?…]`.
 */
import { global, type Overload, optional, param, types } from "../declarations.ts";
import { Dict, List, none, Optional, Uint, type Value } from "../values.ts";

const { bool } = types;
const V = param("V");
const optionalV = optional(V);

/** What counts as nothing: false, 0, "", null, and what is empty. */
function isZero(value: Value): boolean {
  if (value === null || value === false || value === "" || value === 0n || value === 0) return true;
  if (value instanceof List || value instanceof Dict) return value.size === 0;
  if (value instanceof Uint) return value.value === 0n;
  return value instanceof Uint8Array && value.length === 0;
}

const orValue = (value: Optional, other: Value): Value => value.value ?? other;
const or = (value: Optional, other: Optional): Value => (value.value === undefined ? other : value);
const method = (overload: Overload): Overload => ({ ...overload, member: true });

export const optionals: readonly Overload[] = [
  global("optional.of", "optional_of", [V], optionalV, (value: Value) => new Optional(value)),
  global("optional.none", "optional_none", [], optionalV, () => none),
  global("optional.ofNonZeroValue", "optional_ofNonZeroValue", [V], optionalV, (value: Value) =>
    isZero(value) ? none : new Optional(value),
  ),
  method(global("hasValue", "optional_hasValue", [optionalV], bool, (value: Optional) => value.value !== undefined)),
  method(global("value", "optional_value", [optionalV], V, (value: Optional) => value.get())),
  method(global("orValue", "optional_orValue_value", [optionalV, V], V, orValue)),
  method(global("or", "optional_or_optional", [optionalV, optionalV], optionalV, or)),
];
