/**
 * Fits: whether a value may be given where a declaration asks for a type. Items of lists and maps are not looked at.
 */
import type { CelType } from "./contract.ts";
import { Dict, Duration, Fields, List, Opaque, Optional, Timestamp, TypeValue, Uint, type Value } from "./values.ts";

export function fits(value: Value, type: CelType): boolean {
  switch (type.kind) {
    case "bool":
      return typeof value === "boolean";
    case "int":
      return typeof value === "bigint";
    case "uint":
      return value instanceof Uint;
    case "double":
      return typeof value === "number";
    case "string":
      return typeof value === "string";
    case "bytes":
      return value instanceof Uint8Array;
    case "null":
      return value === null;
    case "timestamp":
      return value instanceof Timestamp;
    case "duration":
      return value instanceof Duration;
    case "list":
      return value instanceof List;
    case "map":
      return value instanceof Dict;
    case "optional":
      return value instanceof Optional;
    case "type":
      return value instanceof TypeValue;
    case "opaque":
      return value instanceof Opaque && value.typeName === type.name;
    case "object":
      return value instanceof Fields && value.typeName === type.name;
    default:
      return true;
  }
}
