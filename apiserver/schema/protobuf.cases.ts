/**
 * Protobuf cases: random objects of every kind, and an independent description of the wire for protobufjs.
 */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import protobuf from "protobufjs";
import type { FieldType, Schema } from "./contract.ts";

/** They name their own type too, and belong to every group. */
const TYPED = /\.meta\.v1\.(Status|\w+Options)$/;

const name = fc.stringMatching(/^[a-z]([a-z0-9-]{0,60}[a-z0-9])?$/);
const time = fc
  .integer({ min: 0, max: 4_000_000_000 })
  .map((seconds) => `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`);

const SCALARS: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  string: fc.oneof(name, fc.string({ unit: "grapheme", minLength: 1, maxLength: 80 })),
  boolean: fc.constant(true),
  double: fc.double({ noNaN: true, noDefaultInfinity: true }).filter((number) => number !== 0),
  int32: fc.integer().filter((number) => number !== 0),
  int64: fc.maxSafeInteger().filter((number) => number !== 0),
  bytes: fc.uint8Array({ minLength: 1, maxLength: 90 }).map((bytes) => Buffer.from(bytes).toString("base64")),
  quantity: fc.constantFrom("100m", "1", "128Mi", "0", "15k"),
  intOrString: fc.oneof(fc.integer({ min: 1, max: 65_535 }), fc.constantFrom("25%", "http")),
  time,
  microTime: fc
    .tuple(time, fc.integer({ min: 0, max: 999_999 }))
    .map(([text, micros]) => `${text.slice(0, 19)}.${String(micros).padStart(6, "0")}Z`),
};

/** Values of a field, without zeros: what they become depends on the field. */
function valuesOf(schema: Schema, type: FieldType, depth: number): fc.Arbitrary<unknown> | undefined {
  switch (type.kind) {
    case "message":
      return messageOf(schema, type.name, depth + 1);
    case "list": {
      const item = valuesOf(schema, type.of, depth);
      return item && fc.array(item, { minLength: 1, maxLength: 2 });
    }
    case "map": {
      const item = valuesOf(schema, type.of, depth);
      return item && fc.dictionary(name, item, { minKeys: 1, maxKeys: 3, noNullPrototype: true });
    }
    case "raw":
      return rawOf(schema, type.name, depth);
    default:
      return SCALARS[type.kind];
  }
}

function rawOf(schema: Schema, type: string, depth: number): fc.Arbitrary<unknown> | undefined {
  const dot = type.lastIndexOf(".");
  const props = () => messageOf(schema, `${type.slice(0, dot)}.JSONSchemaProps`, depth + 2) ?? fc.constant({});
  switch (type.slice(dot + 1)) {
    case "JSONSchemaPropsOrArray":
      return fc.oneof(props(), fc.array(props(), { maxLength: 2 }));
    case "JSONSchemaPropsOrBool":
      return fc.oneof(props(), fc.boolean());
    case "JSONSchemaPropsOrStringArray":
      return fc.oneof(props(), fc.array(name, { maxLength: 2 }));
    default:
      return fc.dictionary(name, fc.oneof(fc.boolean(), fc.integer(), fc.string(), fc.constant({})), {
        noNullPrototype: true,
      });
  }
}

/** Any values of a message; undefined where it nests too deep. */
export function messageOf(
  schema: Schema,
  message: string,
  depth = 0,
): fc.Arbitrary<Record<string, unknown>> | undefined {
  if (depth > 6) return undefined;
  const fields: Record<string, fc.Arbitrary<unknown>> = {};
  // What names its own type does so in an envelope, and nowhere inside another object.
  const isTyped = schema.kindOf(message) !== undefined || TYPED.test(message);
  for (const [field, { type }] of schema.message(message)?.fields ?? []) {
    const typed = isTyped && (field === "kind" || field === "apiVersion");
    const value = typed ? undefined : valuesOf(schema, type, depth);
    if (value) fields[field] = value;
  }
  return fc.record(fields, { requiredKeys: [] });
}

const RAW = { raw: { type: "bytes", id: 1 } };
const TIME = { seconds: { type: "int64", id: 1 }, nanos: { type: "int32", id: 2 } };

/** Types that are a message on the wire and one value in JSON, and those that hold schemas. */
const OWN: Readonly<Record<string, Record<string, protobuf.IField & { rule?: string }>>> = {
  quantity: { string: { type: "string", id: 1 } },
  time: TIME,
  microTime: TIME,
  intOrString: { type: { type: "int64", id: 1 }, intVal: { type: "int32", id: 2 }, strVal: { type: "string", id: 3 } },
  RawExtension: RAW,
  FieldsV1: RAW,
  JSON: RAW,
  strings: { items: { type: "string", id: 1, rule: "repeated" } },
  JSONSchemaPropsOrArray: schemaOr({ type: "SCHEMA", id: 2, rule: "repeated" }, 1),
  JSONSchemaPropsOrBool: schemaOr({ type: "bool", id: 1 }, 2),
  JSONSchemaPropsOrStringArray: schemaOr({ type: "string", id: 2, rule: "repeated" }, 1),
};

function schemaOr(other: protobuf.IField & { rule?: string }, id: number) {
  return { schema: { type: "SCHEMA", id }, other };
}

const SCALAR_NAMES: Readonly<Record<string, string>> = {
  string: "string",
  boolean: "bool",
  double: "double",
  int32: "int32",
  int64: "int64",
  bytes: "bytes",
};

/** The published numbers as protobufjs takes them. Names are flat: "io_k8s_api_core_v1_Pod". */
export function protobufjsTypes(): (message: string) => protobuf.Type {
  const text = readFileSync(new URL("./facts/messages.json", import.meta.url), "utf8");
  const { messages } = JSON.parse(text) as { messages: Record<string, Record<string, string>> };
  const flat = (full: string) => full.replaceAll(/[.-]/g, "_");
  const schemaProps = flat("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps");
  const nested: Record<string, protobuf.AnyNestedObject> = {};
  for (const [own, fields] of Object.entries(OWN)) {
    const entries = Object.entries(fields).map(([field, one]) => [
      field,
      one.type === "SCHEMA" ? { ...one, type: schemaProps } : one,
    ]);
    nested[own] = { edition: "proto2", fields: Object.fromEntries(entries) };
  }
  const typeOf = (type: string, home: string): string => {
    if (SCALAR_NAMES[type]) return SCALAR_NAMES[type];
    if (OWN[type]) return type;
    const [group, last] = type.includes(".") ? type.split(".") : [undefined, type];
    if (!group) return flat(`${home}.${last}`);
    return flat(group === "meta" ? `io.k8s.apimachinery.pkg.apis.meta.v1.${last}` : `io.k8s.api.${group}.v1.${last}`);
  };
  for (const [home, lines] of Object.entries(messages)) {
    for (const [message, line] of Object.entries(lines)) {
      const fields: Record<string, unknown> = {};
      for (const entry of line.split(", ")) {
        const [field = "", id, type = field.slice(3)] = entry.split(" ");
        if (id === undefined) continue;
        const key = `f${id}`;
        if (message === "APIResource" && field === "verbs") fields[key] = { id: Number(id), type: "strings" };
        else if (type === "{[string]}") fields[key] = { id: Number(id), keyType: "string", type: "strings" };
        else if (type.startsWith("{"))
          fields[key] = { id: Number(id), keyType: "string", type: typeOf(type.slice(1, -1), home) };
        else if (type.startsWith("["))
          fields[key] = { id: Number(id), rule: "repeated", type: typeOf(type.slice(1, -1), home) };
        else fields[key] = { id: Number(id), type: typeOf(type, home) };
      }
      nested[flat(`${home}.${message}`)] = { edition: "proto2", fields } as protobuf.IType;
    }
  }
  const root = protobuf.Root.fromJSON({ nested });
  return (message) => root.lookupType(flat(message));
}
