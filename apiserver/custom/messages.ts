/**
 * Messages: a custom kind's schema as the Schema contract says shapes, for apply, merging and scale.
 *
 * An object with properties is a message, additionalProperties a map, what is preserved without a schema is
 * deduced from its value. Lists are atomic unless the schema says otherwise.
 */
import type { Field, FieldType, GroupVersionKind, Message } from "../schema/contract.ts";
import { META_PACKAGE } from "../schema/facts.ts";
import { itemsOf, type SchemaProps, valuesOf } from "./contract.ts";

/** "com.example.v1.CronTab" for the kind CronTab of example.com/v1, as OpenAPI names it. */
export function messageName({ group, version, kind }: GroupVersionKind): string {
  return [...group.split(".").reverse(), version, kind].join(".");
}

const META: readonly Field[] = [
  { name: "apiVersion", type: { kind: "string" }, required: false },
  { name: "kind", type: { kind: "string" }, required: false },
  { name: "metadata", type: { kind: "message", name: `${META_PACKAGE}.ObjectMeta` }, required: false },
];

/** The kind's own message first. */
export function messagesOf(name: string, schema: SchemaProps): readonly Message[] {
  const messages: Message[] = [];
  addMessage(messages, name, schema, true);
  return messages;
}

/** Of the kind that lists it. */
export function listMessagesOf(name: string, item: string): readonly Message[] {
  const items: Field = { name: "items", type: { kind: "list", of: { kind: "message", name: item } }, required: true };
  const metadata: Field = {
    name: "metadata",
    type: { kind: "message", name: `${META_PACKAGE}.ListMeta` },
    required: false,
  };
  const fields = [...META.filter((field) => field.name !== "metadata"), metadata, items];
  return [{ name, fields: new Map(fields.map((field) => [field.name, field])), atomic: false }];
}

function addMessage(messages: Message[], name: string, schema: SchemaProps, resource: boolean): void {
  const fields = new Map<string, Field>();
  const at = messages.length;
  const atomic = schema["x-kubernetes-map-type"] === "atomic";
  const preserves = schema["x-kubernetes-preserve-unknown-fields"] === true;
  messages.push({ name, fields, atomic, ...(preserves ? { preserveUnknown: true } : {}) });
  for (const [key, property] of Object.entries(schema.properties ?? {})) {
    fields.set(key, fieldOf(messages, `${messages[at]!.name}.${key}`, key, property, schema));
  }
  if (resource) for (const field of META) fields.set(field.name, field);
}

function fieldOf(messages: Message[], path: string, name: string, schema: SchemaProps, parent: SchemaProps): Field {
  const type = typeOf(messages, path, schema);
  const listType = schema["x-kubernetes-list-type"] as Field["listType"];
  const mapType = schema["x-kubernetes-map-type"] as Field["mapType"];
  return {
    name,
    type,
    required: parent.required?.includes(name) ?? false,
    ...(type.kind === "list" ? { listType: listType ?? "atomic" } : {}),
    ...(schema["x-kubernetes-list-map-keys"] ? { listMapKeys: schema["x-kubernetes-list-map-keys"] } : {}),
    ...(mapType && type.kind === "map" ? { mapType } : {}),
    ...(mapType && type.kind === "message" ? { structType: mapType } : {}),
    ...(schema.default === undefined ? {} : { default: schema.default }),
    ...(schema.nullable ? { nullable: true } : {}),
  };
}

const SCALARS: Readonly<Record<string, FieldType>> = {
  string: { kind: "string" },
  integer: { kind: "int64" },
  number: { kind: "double" },
  boolean: { kind: "boolean" },
};

function typeOf(messages: Message[], path: string, schema: SchemaProps): FieldType {
  if (schema["x-kubernetes-int-or-string"]) return { kind: "intOrString" };
  if (schema.type === "array") {
    const items = itemsOf(schema);
    return { kind: "list", of: items ? typeOf(messages, `${path}.items`, items) : { kind: "deduced" } };
  }
  if (schema.type === "object") return objectType(messages, path, schema);
  return SCALARS[schema.type ?? ""] ?? { kind: "deduced" };
}

function objectType(messages: Message[], path: string, schema: SchemaProps): FieldType {
  const values = valuesOf(schema);
  if (values) return { kind: "map", of: typeOf(messages, `${path}.values`, values) };
  const embedded = schema["x-kubernetes-embedded-resource"] === true;
  const open = schema.additionalProperties === true || schema["x-kubernetes-preserve-unknown-fields"] === true;
  if (!schema.properties && open && !embedded) return { kind: "deduced" };
  addMessage(messages, path, schema, embedded);
  return { kind: "message", name: path };
}
