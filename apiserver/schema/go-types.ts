/**
 * Go types: what Kubernetes' own decoder calls the type of a field, for its error messages.
 *
 * "[]v1.Container", "map[string]string", "v1.RestartPolicy". Nothing but messages may depend on it.
 */
import { isBigInteger } from "../../machinery/objects/json.ts";
import type { Field, FieldType } from "./contract.ts";

const SCALARS: Readonly<Record<Exclude<FieldType["kind"], "raw" | "deduced" | "message" | "list" | "map">, string>> = {
  string: "string",
  boolean: "bool",
  double: "float64",
  int32: "int32",
  int64: "int64",
  bytes: "[]uint8",
  quantity: "resource.Quantity",
  intOrString: "intstr.IntOrString",
  time: "v1.Time",
  microTime: "v1.MicroTime",
  duration: "v1.Duration",
};

export function goTypeOf(type: FieldType, field: Field): string {
  switch (type.kind) {
    case "message":
    case "raw":
      return goTypeOfMessage(type.name);
    case "deduced":
      return "interface {}";
    case "list":
      return `[]${goTypeOf(type.of, field)}`;
    case "map":
      return type.of.kind === "quantity" ? "v1.ResourceList" : `map[string]${goTypeOf(type.of, field)}`;
    case "string":
      return field.enumName === undefined ? "string" : `v1.${field.enumName}`;
    default:
      return SCALARS[type.kind];
  }
}

/** "io.k8s.api.core.v1.PodSpec" ► "v1.PodSpec" */
export function goTypeOfMessage(name: string): string {
  return name.split(".").slice(-2).join(".");
}

/** What Go's decoder calls a JSON value. */
export function goKindOf(value: unknown): string {
  if (Array.isArray(value)) return "array";
  if (typeof value === "boolean") return "bool";
  if (isBigInteger(value)) return "number";
  return value === null ? "null" : typeof value;
}

/** reflect.Kind of a decoded JSON value. */
export function goKindName(value: unknown): string {
  if (Array.isArray(value)) return "slice";
  if (value === null || value === undefined) return "invalid";
  if (isBigInteger(value)) return "int64";
  const names: Readonly<Record<string, string>> = { object: "map", number: "float64", boolean: "bool" };
  return names[typeof value] ?? typeof value;
}

/** A decoded JSON value as Go's %v prints it: "map[name:web ports:[80 81]]". */
export function goFormat(value: unknown): string {
  if (value === null || value === undefined) return "<nil>";
  if (Array.isArray(value)) return `[${value.map(goFormat).join(" ")}]`;
  if (isBigInteger(value)) return value.rawJSON;
  if (typeof value !== "object") return String(value);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `map[${entries.map(([key, item]) => `${key}:${goFormat(item)}`).join(" ")}]`;
}
