/**
 * Schema types: what an expression sees of a custom kind's structural schema, or of a built-in message.
 *
 * Sizes that the schema does not bound are bounded by the largest request, as Kubernetes reckons. What has no
 * structure (preserved unknown fields, lists without items) is not there for expressions at all.
 */
import type { FieldType, Message, Schema } from "../schema/contract.ts";
import type { CelField, CelObjectType, CelType } from "./contract.ts";
import { escapeName } from "./escape.ts";

const REQUEST = 3 * 1024 * 1024;
const TIME_LENGTH = 32;
const DATE_LENGTH = 12;

/** The parts of an OpenAPI v3 schema that matter here. */
interface StructuralSchema {
  readonly type?: string;
  readonly format?: string;
  readonly properties?: Readonly<Record<string, StructuralSchema>>;
  readonly additionalProperties?: StructuralSchema | boolean;
  readonly items?: StructuralSchema;
  readonly required?: readonly string[];
  readonly enum?: readonly unknown[];
  readonly default?: unknown;
  readonly maxLength?: number;
  readonly maxItems?: number;
  readonly maxProperties?: number;
  readonly "x-kubernetes-int-or-string"?: boolean;
  readonly "x-kubernetes-embedded-resource"?: boolean;
  readonly "x-kubernetes-list-type"?: string;
  readonly "x-kubernetes-list-map-keys"?: readonly string[];
}

/** A type and the bytes that its smallest value takes in a request. */
interface Sized {
  readonly type: CelType;
  readonly min: number;
}

const notNegative = (size: number): number => Math.max(size, 0);

/** The type of what has no structure is dyn, so that a rule about it can still be compiled at the root. */
export function schemaType(schema: object, { root = false, name = "object" } = {}): CelType {
  return structural(schema as StructuralSchema, root, name)?.type ?? { kind: "dyn" };
}

function structural(schema: StructuralSchema, root: boolean, name: string): Sized | undefined {
  if (schema["x-kubernetes-int-or-string"]) {
    const maxSize = schema.maxLength === undefined ? REQUEST - 2 : notNegative(schema.maxLength) * 4;
    return { type: { kind: "dyn", maxSize }, min: 1 };
  }
  switch (schema.type) {
    case "array":
      return listType(schema, name);
    case "object":
      return objectType(root ? withMetadata(schema) : schema, name);
    case "string":
      return textType(schema);
    case "boolean":
      return { type: { kind: "bool" }, min: 4 };
    case "number":
      return { type: { kind: "double" }, min: 1 };
    case "integer":
      return { type: { kind: "int" }, min: 1 };
    default:
      return undefined;
  }
}

const embedded = (schema: StructuralSchema): boolean => schema["x-kubernetes-embedded-resource"] === true;

function listType(schema: StructuralSchema, name: string): Sized | undefined {
  const items = schema.items && structural(schema.items, embedded(schema.items), `${name}.@items`);
  if (!items) return undefined;
  const maxSize =
    schema.maxItems === undefined ? Math.floor((REQUEST - 2) / (items.min + 1)) : notNegative(schema.maxItems);
  const kind = schema["x-kubernetes-list-type"];
  const listKind = kind === "set" || kind === "map" ? { listType: kind } : {};
  const keys = schema["x-kubernetes-list-map-keys"];
  return {
    type: { kind: "list", of: items.type, maxSize, ...listKind, ...(keys ? { mapKeys: keys } : {}) } as CelType,
    min: 2,
  };
}

function objectType(schema: StructuralSchema, name: string): Sized | undefined {
  const values = schema.additionalProperties;
  if (typeof values === "object") {
    const value = structural(values, embedded(values), `${name}.@values`);
    if (!value) return undefined;
    const maxSize =
      schema.maxProperties === undefined
        ? Math.floor((REQUEST - 2) / (value.min + 6))
        : notNegative(schema.maxProperties);
    return { type: { kind: "map", key: { kind: "string" }, value: value.type, maxSize }, min: 2 };
  }
  const fields = new Map<string, CelField>();
  const jsonNames = new Map<string, CelField>();
  let min = 2;
  for (const [jsonName, property] of Object.entries(schema.properties ?? {})) {
    const found = structural(property, embedded(property), `${name}.${jsonName}`);
    if (!found) continue;
    const required = schema.required?.includes(jsonName) === true;
    const field: CelField = { type: found.type, required, jsonName };
    const escaped = escapeName(jsonName);
    if (escaped !== undefined) fields.set(escaped, field);
    jsonNames.set(jsonName, field);
    if (required && property.default === undefined) min += jsonName.length + found.min + 4;
  }
  const type: CelObjectType = {
    kind: "object",
    name,
    field: (field) => fields.get(field),
    byJsonName: (field) => jsonNames.get(field),
  };
  return { type, min };
}

/** Name and kind of a resource can always be asked for. */
function withMetadata(schema: StructuralSchema): StructuralSchema {
  const text: StructuralSchema = { type: "string" };
  const properties = schema.properties ?? {};
  return {
    ...schema,
    properties: {
      ...properties,
      kind: text,
      apiVersion: text,
      metadata: {
        type: "object",
        properties: { name: properties["metadata"]?.properties?.["name"] ?? text, generateName: text },
      },
    },
  };
}

function textType({ format, maxLength, enum: values }: StructuralSchema): Sized {
  switch (format) {
    case "byte":
      return {
        type: { kind: "bytes", maxSize: maxLength === undefined ? REQUEST - 2 : notNegative(maxLength) },
        min: 2,
      };
    case "duration":
      return { type: { kind: "duration", maxSize: TIME_LENGTH }, min: 3 };
    case "date":
      return { type: { kind: "timestamp", maxSize: DATE_LENGTH }, min: DATE_LENGTH };
    case "date-time":
      return { type: { kind: "timestamp", maxSize: TIME_LENGTH }, min: 21 };
  }
  let maxSize = REQUEST - 2;
  if (maxLength !== undefined) maxSize = notNegative(maxLength) * 4;
  else if (values && values.length > 0) {
    maxSize = Math.max(0, ...values.map((value) => (typeof value === "string" ? Buffer.byteLength(value) : 0)));
  }
  return { type: { kind: "string", maxSize }, min: 2 };
}

/** Of a message of the API's own kinds; its fields' types are made when they are asked for. */
export function messageType(schema: Schema, name: string): CelType {
  const message = schema.message(name);
  return message ? objectOf(schema, message) : { kind: "dyn" };
}

function objectOf(schema: Schema, message: Message): CelObjectType {
  const known = new Map<string, CelField | undefined>();
  const names = new Map<string, string>();
  for (const jsonName of message.fields.keys()) names.set(escapeName(jsonName) ?? "", jsonName);
  const byJsonName = (jsonName: string): CelField | undefined => {
    if (known.has(jsonName)) return known.get(jsonName);
    const field = message.fields.get(jsonName);
    const found = field && { type: typeOfField(schema, field.type), required: field.required, jsonName };
    known.set(jsonName, found);
    return found;
  };
  return {
    kind: "object",
    name: message.name,
    byJsonName,
    field: (field) => {
      const jsonName = names.get(field);
      return jsonName === undefined ? undefined : byJsonName(jsonName);
    },
  };
}

function typeOfField(schema: Schema, type: FieldType): CelType {
  switch (type.kind) {
    case "string":
    case "quantity":
    case "duration":
      return { kind: "string" };
    case "boolean":
      return { kind: "bool" };
    case "double":
      return { kind: "double" };
    case "int32":
    case "int64":
      return { kind: "int" };
    case "bytes":
      return { kind: "bytes" };
    case "time":
    case "microTime":
      return { kind: "timestamp" };
    case "list":
      return { kind: "list", of: typeOfField(schema, type.of) };
    case "map":
      return { kind: "map", key: { kind: "string" }, value: typeOfField(schema, type.of) };
    case "message":
      return messageType(schema, type.name);
    default:
      return { kind: "dyn" };
  }
}
