/**
 * To JSON: an expression's value as JSON, where it has one.
 */
import { CelRuntimeError } from "./contract.ts";
import { durationText, timestampText } from "./time.ts";
import { Dict, Duration, Fields, List, Optional, Timestamp, typeOf, Uint, type Value } from "./values.ts";

export function toJson(value: Value): unknown {
  if (value === null || typeof value === "string" || typeof value === "boolean" || typeof value === "number")
    return value;
  if (typeof value === "bigint") return wide(value);
  if (value instanceof Uint) return wide(value.value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  if (value instanceof Timestamp) return timestampText(value);
  if (value instanceof Duration) return durationText(value);
  if (value instanceof Optional) return value.value === undefined ? null : toJson(value.value);
  if (value instanceof List) return Array.from(value, toJson);
  if (value instanceof Dict) return Object.fromEntries(entries(value));
  if (value instanceof Fields) {
    return Object.fromEntries(Array.from(value.names(), (name) => [name, toJson(value.field(name) ?? null)]));
  }
  throw new CelRuntimeError(`type conversion error from '${typeOf(value)}' to 'google.protobuf.Value'`);
}

function* entries(map: Dict): Iterable<readonly [string, unknown]> {
  for (const key of map.keys()) {
    yield [String(key instanceof Uint ? key.value : key), toJson(map.get(key) as Value)];
  }
}

/** Numbers that JSON cannot hold exactly stay whole. */
const wide = (value: bigint): unknown => (Number.isSafeInteger(Number(value)) ? Number(value) : value);
