/**
 * Go types: what Kubernetes' own decoder calls the type of a field, for its error messages.
 *
 * "[]v1.Container", "map[string]string", "v1.RestartPolicy". Nothing but messages may depend on it.
 */
import type { Field, FieldType } from "./contract.ts";

const SCALARS: Readonly<Record<Exclude<FieldType["kind"], "raw" | "message" | "list" | "map">, string>> = {
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
  if (typeof value === "bigint") return "number";
  return value === null ? "null" : typeof value;
}
