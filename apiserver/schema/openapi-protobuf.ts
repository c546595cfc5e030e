/**
 * OpenAPI protobuf: an OpenAPI v2 document in the binary form that kubectl asks for.
 *
 * The messages are those of gnostic's openapi.v2 package; only the part that openapi-v2.ts writes is known
 * here, and anything else is an error, so that nothing gets lost unseen. Numbers: OpenAPIv2.proto.
 * https://github.com/google/gnostic/blob/main/openapiv2/OpenAPIv2.proto
 */
import type { JsonSchema } from "./openapi-schemas.ts";

type Kind =
  | "string"
  | "strings"
  | "bool"
  | "int"
  | "double"
  /** Any value, kept as YAML, which JSON is. */
  | "any"
  | "anys"
  /** A message, or a list of messages. */
  | { readonly one: string }
  | { readonly many: string }
  /** A map by name: a message that repeats {name, value}, at the number given. */
  | { readonly named: string; readonly at: number };

interface Shape {
  readonly fields: Readonly<Record<string, readonly [number, Kind]>>;
  /** Number of the repeated {name, value} that takes all fields starting with "x-". */
  readonly extensions?: number;
}

const PARAMETER = {
  required: [1, "bool"],
  in: [2, "string"],
  description: [3, "string"],
  name: [4, "string"],
} as const;

const SHAPES: Readonly<Record<string, Shape>> = {
  Document: {
    fields: {
      swagger: [1, "string"],
      info: [2, { one: "Info" }],
      paths: [8, { named: "PathItem", at: 2 }],
      definitions: [9, { named: "Schema", at: 1 }],
      securityDefinitions: [13, { named: "SecurityDefinition", at: 1 }],
    },
  },
  Info: { fields: { title: [1, "string"], version: [2, "string"] } },
  SecurityDefinition: { fields: { apiKey: [2, { one: "ApiKey" }] } },
  ApiKey: { fields: { type: [1, "string"], name: [2, "string"], in: [3, "string"], description: [4, "string"] } },
  PathItem: {
    fields: {
      get: [2, { one: "Operation" }],
      put: [3, { one: "Operation" }],
      post: [4, { one: "Operation" }],
      delete: [5, { one: "Operation" }],
      patch: [8, { one: "Operation" }],
      parameters: [9, { many: "ParametersItem" }],
    },
  },
  Operation: {
    fields: {
      tags: [1, "strings"],
      description: [3, "string"],
      operationId: [5, "string"],
      produces: [6, "strings"],
      consumes: [7, "strings"],
      parameters: [8, { many: "ParametersItem" }],
      responses: [9, { named: "ResponseValue", at: 1 }],
      schemes: [10, "strings"],
    },
    extensions: 13,
  },
  ParametersItem: { fields: { parameter: [1, { one: "Parameter" }] } },
  Parameter: { fields: { body: [1, { one: "BodyParameter" }], other: [2, { one: "NonBodyParameter" }] } },
  BodyParameter: {
    fields: { name: [2, "string"], in: [3, "string"], required: [4, "bool"], schema: [5, { one: "Schema" }] },
  },
  NonBodyParameter: { fields: { query: [3, { one: "QueryParameter" }], path: [4, { one: "PathParameter" }] } },
  QueryParameter: { fields: { ...PARAMETER, type: [6, "string"], uniqueItems: [20, "bool"] } },
  PathParameter: { fields: { ...PARAMETER, type: [5, "string"], uniqueItems: [19, "bool"] } },
  ResponseValue: { fields: { response: [1, { one: "Response" }] } },
  Response: { fields: { description: [1, "string"], schema: [2, { one: "SchemaItem" }] } },
  SchemaItem: { fields: { schema: [1, { one: "Schema" }] } },
  Schema: {
    fields: {
      $ref: [1, "string"],
      format: [2, "string"],
      title: [3, "string"],
      description: [4, "string"],
      default: [5, "any"],
      multipleOf: [6, "double"],
      maximum: [7, "double"],
      exclusiveMaximum: [8, "bool"],
      minimum: [9, "double"],
      exclusiveMinimum: [10, "bool"],
      maxLength: [11, "int"],
      minLength: [12, "int"],
      pattern: [13, "string"],
      maxItems: [14, "int"],
      minItems: [15, "int"],
      uniqueItems: [16, "bool"],
      maxProperties: [17, "int"],
      minProperties: [18, "int"],
      required: [19, "strings"],
      enum: [20, "anys"],
      additionalProperties: [21, { one: "SchemaItem" }],
      type: [22, { one: "TypeItem" }],
      items: [23, { many: "SchemaItem" }],
      properties: [25, { named: "Schema", at: 1 }],
      externalDocs: [28, { one: "ExternalDocs" }],
      example: [29, "any"],
    },
    extensions: 31,
  },
  ExternalDocs: { fields: { description: [1, "string"], url: [2, "string"] } },
  TypeItem: { fields: { value: [1, "strings"] } },
};

/** Where JSON is flatter than the messages: what wraps a value before it is written. */
const WRAPS: Readonly<Record<string, (value: JsonSchema) => JsonSchema>> = {
  SecurityDefinition: (apiKey) => ({ apiKey }),
  ParametersItem: (one) => ({
    parameter: one["in"] === "body" ? { body: one } : { other: { [String(one["in"])]: one } },
  }),
  ResponseValue: (response) => ({ response }),
  SchemaItem: (schema) => ({ schema }),
};

/** The bytes of one message; `name` as above. Parts of a document may be encoded alone and joined. */
export function encodeMessage(name: string, value: JsonSchema): Uint8Array {
  const { fields, extensions } = SHAPES[name]!;
  const parts: Uint8Array[] = [];
  for (const [key, item] of Object.entries(value)) {
    const field = fields[key];
    if (field) encodeField(parts, field[0], field[1], item);
    else if (extensions !== undefined && key.startsWith("x-")) {
      delimited(parts, extensions, named(key, encodeAny(item)));
    } else throw new Error(`OpenAPI protobuf: ${name} has no field ${key}`);
  }
  return Buffer.concat(parts);
}

/** An entry of the document's paths or definitions, ready to stand in `Document`. */
export function encodeEntry(of: "PathItem" | "Schema", name: string, value: JsonSchema): Uint8Array {
  const parts: Uint8Array[] = [];
  delimited(parts, of === "PathItem" ? 2 : 1, named(name, encodeMessage(of, value)));
  return Buffer.concat(parts);
}

/** Puts encoded entries behind the number of `paths` or `definitions`. */
export function encodeEntries(field: "paths" | "definitions", entries: readonly Uint8Array[]): Uint8Array[] {
  const length = entries.reduce((sum, entry) => sum + entry.length, 0);
  return [tag(SHAPES["Document"]!.fields[field]![0], 2), varint(length), ...entries];
}

function encodeField(parts: Uint8Array[], number: number, kind: Kind, value: unknown): void {
  if (kind === "string") delimited(parts, number, Buffer.from(value as string));
  else if (kind === "bool") parts.push(tag(number, 0), varint(value ? 1 : 0));
  else if (kind === "int") parts.push(tag(number, 0), varint(Number(value)));
  else if (kind === "double") parts.push(tag(number, 1), doubleOf(Number(value)));
  else if (kind === "strings") for (const item of value as string[]) delimited(parts, number, Buffer.from(item));
  else if (kind === "any") delimited(parts, number, encodeAny(value));
  else if (kind === "anys") for (const item of value as unknown[]) delimited(parts, number, encodeAny(item));
  else if ("one" in kind) delimited(parts, number, encodeWrapped(kind.one, value));
  else if ("many" in kind) for (const item of asList(value)) delimited(parts, number, encodeWrapped(kind.many, item));
  else delimited(parts, number, encodeNamed(kind.named, kind.at, value as Record<string, unknown>));
}

function doubleOf(value: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return bytes;
}

const asList = (value: unknown): unknown[] => (Array.isArray(value) ? value : [value]);

function encodeNamed(name: string, at: number, value: Record<string, unknown>): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const [key, item] of Object.entries(value)) delimited(parts, at, named(key, encodeWrapped(name, item)));
  return Buffer.concat(parts);
}

function encodeWrapped(name: string, value: unknown): Uint8Array {
  if (name === "TypeItem") return encodeMessage(name, { value: asList(value) });
  const wrap = WRAPS[name];
  return encodeMessage(name, wrap ? wrap(value as JsonSchema) : (value as JsonSchema));
}

function encodeAny(value: unknown): Uint8Array {
  const parts: Uint8Array[] = [];
  delimited(parts, 2, Buffer.from(JSON.stringify(value)));
  return Buffer.concat(parts);
}

function named(name: string, value: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = [];
  delimited(parts, 1, Buffer.from(name));
  delimited(parts, 2, value);
  return Buffer.concat(parts);
}

function delimited(parts: Uint8Array[], number: number, bytes: Uint8Array): void {
  parts.push(tag(number, 2), varint(bytes.length), bytes);
}

const tag = (number: number, wire: 0 | 1 | 2): Uint8Array => varint((number << 3) | wire);

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Uint8Array.from([...bytes, rest]);
    bytes.push((rest % 128) | 0x80);
  }
}
