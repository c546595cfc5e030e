/**
 * OpenAPI of custom kinds: the definition's schema as published, nested in one definition.
 *
 * Version 3 says all of it. Version 2 has no conditions and no null, and older clients reject what it cannot say,
 * so there less is published: clients then check less, the server as much as ever.
 */
import { type Dialect, type JsonSchema, metaReference } from "../schema/openapi-schemas.ts";
import { itemsOf, type SchemaProps, valuesOf } from "./contract.ts";

export interface Published {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

export function openApiOf(schema: SchemaProps, { group, version, kind }: Published, dialect: Dialect): JsonSchema {
  const own = dialect.bareReferences ? plain(schema) : (schema as JsonSchema);
  return {
    ...withMeta(own, dialect),
    "x-kubernetes-group-version-kind": [{ group, kind, version }],
  };
}

const TEXT = {
  apiVersion:
    "APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized schemas to the latest internal value, and may reject unrecognized values. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources",
  kind: "Kind is a string value representing the REST resource this object represents. Servers may infer this from the endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds",
  metadata:
    "Standard object's metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata",
};

/** Every object has metadata, whether its schema says so or not. */
function withMeta(schema: JsonSchema, dialect: Dialect): JsonSchema {
  const properties = {
    ...((schema["properties"] as JsonSchema | undefined) ?? {}),
    apiVersion: { description: TEXT.apiVersion, type: "string" },
    kind: { description: TEXT.kind, type: "string" },
    metadata: metaReference(TEXT.metadata, dialect),
  };
  return { ...schema, type: "object", properties };
}

const NOT_IN_V2: ReadonlySet<string> = new Set([
  "$schema",
  "allOf",
  "anyOf",
  "oneOf",
  "not",
  "default",
  "nullable",
  "properties",
  "items",
  "additionalProperties",
  "required",
]);

/** What version 2 can say. */
function plain(schema: SchemaProps): JsonSchema {
  const kept = Object.fromEntries(Object.entries(schema).filter(([key]) => !NOT_IN_V2.has(key)));
  if (schema.nullable) delete kept["type"];
  if (schema.nullable || schema["x-kubernetes-preserve-unknown-fields"]) return kept;
  const { properties = {}, required } = schema;
  const names = Object.keys(properties);
  const needed = (required ?? []).filter((name) => !properties[name]?.nullable);
  const items = itemsOf(schema);
  const values = valuesOf(schema);
  return {
    ...kept,
    ...(needed.length > 0 ? { required: needed } : {}),
    ...(names.length > 0
      ? { properties: Object.fromEntries(names.map((name) => [name, plain(properties[name]!)])) }
      : {}),
    ...(items && !items.nullable ? { items: plain(items) } : {}),
    ...(values && !values.nullable ? { additionalProperties: plain(values) } : {}),
  };
}
