/**
 * OpenAPI schemas: a message as clients read it, in the dialect of version 2 or 3.
 *
 * Everything that kubectl needs to explain, validate and merge stands here: texts, required fields, enums,
 * defaults, list types, patch strategies. The paths are in openapi-operations.ts.
 */
import type { Descriptions, Field, FieldType, GroupVersionKind, Message, Schema } from "./contract.ts";
import { META_PACKAGE } from "./facts.ts";

export type JsonSchema = Record<string, unknown>;

/** What differs between the versions of OpenAPI. */
export interface Dialect {
  /** Where definitions stand: "#/definitions/". */
  readonly definitions: string;
  /** Whether a reference may have siblings; version 3 wraps it into `allOf`. */
  readonly bareReferences: boolean;
  /** Version 3 says of quantities and ports that they are numbers or texts. */
  readonly alternatives: boolean;
}

export const DIALECT_V2: Dialect = { definitions: "#/definitions/", bareReferences: true, alternatives: false };
export const DIALECT_V3: Dialect = { definitions: "#/components/schemas/", bareReferences: false, alternatives: true };

const QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity";
const INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString";
const TIME = `${META_PACKAGE}.Time`;
const MICRO_TIME = `${META_PACKAGE}.MicroTime`;
const DURATION = `${META_PACKAGE}.Duration`;
export const PATCH = `${META_PACKAGE}.Patch`;

/** Types of fields that have a definition of their own though they are no messages. */
const NAMED: Partial<Record<FieldType["kind"], string>> = {
  quantity: QUANTITY,
  intOrString: INT_OR_STRING,
  time: TIME,
  microTime: MICRO_TIME,
  duration: DURATION,
};

const INLINE: Partial<Record<FieldType["kind"], JsonSchema>> = {
  string: { type: "string" },
  boolean: { type: "boolean" },
  double: { type: "number", format: "double" },
  int32: { type: "integer", format: "int32" },
  int64: { type: "integer", format: "int64" },
  bytes: { type: "string", format: "byte" },
};

/** Name ► definition of a type that is no message. */
export function scalarDefinitions({ alternatives }: Dialect): ReadonlyMap<string, JsonSchema> {
  const either = (...types: string[]) =>
    alternatives ? { oneOf: types.map((type) => ({ type })) } : { type: "string" };
  return new Map<string, JsonSchema>([
    [
      QUANTITY,
      {
        description: "An amount of a resource: a number with a unit, as in 500m, 1.5, 128Mi or 2G.",
        ...either("string", "number"),
      },
    ],
    [
      INT_OR_STRING,
      {
        description: "A whole number, or a text such as a port's name or a percentage.",
        format: "int-or-string",
        ...either("integer", "string"),
      },
    ],
    [TIME, { description: "A time in RFC 3339, in UTC, in seconds.", type: "string", format: "date-time" }],
    [MICRO_TIME, { description: "A time in RFC 3339, in UTC, in microseconds.", type: "string", format: "date-time" }],
    [DURATION, { description: "A span of time: 1h30m, 500ms.", type: "string" }],
    [PATCH, { description: "A change to an object, in the format that the content type names.", type: "object" }],
  ]);
}

/** Types that hold any JSON. The JSON family of CustomResourceDefinitions may hold other things than objects. */
function rawDefinition(name: string): JsonSchema {
  const objects = name.endsWith(".RawExtension") || name.endsWith(".FieldsV1");
  return objects ? { description: "An object of any shape.", type: "object" } : { description: "Any JSON value." };
}

const OBJECT_META = `${META_PACKAGE}.ObjectMeta`;

/** A field that holds an object's metadata. */
export function metaReference(description: string, dialect: Dialect): JsonSchema {
  return withSiblings({ $ref: `${dialect.definitions}${OBJECT_META}` }, { description }, dialect);
}

/** The definitions that messages refer to, by name; the roots themselves included. `whole` ones are in one piece. */
export function reachable(
  schema: Schema,
  roots: Iterable<string>,
  whole: { has(name: string): boolean } = new Set(),
): ReadonlySet<string> {
  const found = new Set<string>();
  const todo = [...roots];
  for (let name = todo.pop(); name !== undefined; name = todo.pop()) {
    if (found.has(name)) continue;
    found.add(name);
    if (whole.has(name)) {
      todo.push(OBJECT_META);
      continue;
    }
    for (const { type } of schema.message(name)?.fields.values() ?? []) {
      const used = definitionOf(type);
      if (used !== undefined) todo.push(used);
    }
  }
  return found;
}

function definitionOf(type: FieldType): string | undefined {
  if (type.kind === "list" || type.kind === "map") return definitionOf(type.of);
  return type.kind === "message" || type.kind === "raw" ? type.name : NAMED[type.kind];
}

export interface DefinitionSource {
  readonly schema: Schema;
  readonly descriptions: Descriptions;
  readonly dialect: Dialect;
  /** The kinds that a message is served as. */
  kindsOf(message: string): readonly GroupVersionKind[];
}

/** The definition of any name that `reachable` gave. */
export function definition(name: string, source: DefinitionSource): JsonSchema {
  const message = source.schema.message(name);
  if (message) return messageDefinition(message, source);
  return scalarDefinitions(source.dialect).get(name) ?? rawDefinition(name);
}

function messageDefinition(message: Message, source: DefinitionSource): JsonSchema {
  const fields = [...message.fields.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  const required = fields.filter((field) => field.required).map((field) => field.name);
  const kinds = source.kindsOf(message.name);
  const description = source.descriptions.message(message.name);
  return {
    ...(description && { description }),
    type: "object",
    ...(required.length > 0 && { required }),
    ...(fields.length > 0 && {
      properties: Object.fromEntries(
        fields.map((field) => [
          field.name,
          property(field, source.descriptions.field(message.name, field), source.dialect),
        ]),
      ),
    }),
    ...(kinds.length > 0 && { "x-kubernetes-group-version-kind": kinds }),
    ...(message.atomic && { "x-kubernetes-map-type": "atomic" }),
  };
}

function property(field: Field, description: string, dialect: Dialect): JsonSchema {
  const { type } = field;
  const enumeration = field.enum && { enum: field.enum };
  const extras = {
    ...(description && { description }),
    ...(field.default !== undefined && { default: field.default }),
    ...(field.listType && { "x-kubernetes-list-type": field.listType }),
    ...(field.listMapKeys && { "x-kubernetes-list-map-keys": field.listMapKeys }),
    ...((field.mapType ?? field.structType) && { "x-kubernetes-map-type": field.mapType ?? field.structType }),
    ...(field.patchStrategy && { "x-kubernetes-patch-strategy": field.patchStrategy.join(",") }),
    ...(field.patchMergeKey && { "x-kubernetes-patch-merge-key": field.patchMergeKey }),
  };
  if (type.kind === "list" && enumeration) {
    return { ...extras, type: "array", items: { ...typeSchema(type.of, dialect), ...enumeration } };
  }
  return withSiblings(typeSchema(type, dialect), { ...extras, ...enumeration }, dialect);
}

function withSiblings(schema: JsonSchema, siblings: JsonSchema, { bareReferences }: Dialect): JsonSchema {
  const wrapped = "$ref" in schema && !bareReferences && Object.keys(siblings).length > 0;
  return wrapped ? { ...siblings, allOf: [schema] } : { ...siblings, ...schema };
}

function typeSchema(type: FieldType, dialect: Dialect): JsonSchema {
  if (type.kind === "list") return { type: "array", items: typeSchema(type.of, dialect) };
  if (type.kind === "map") return { type: "object", additionalProperties: typeSchema(type.of, dialect) };
  if (type.kind === "deduced") return { "x-kubernetes-preserve-unknown-fields": true };
  return INLINE[type.kind] ?? { $ref: `${dialect.definitions}${definitionOf(type)}` };
}
