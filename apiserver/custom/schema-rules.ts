/**
 * Schema rules: which keywords a definition's schema may use, and how they go together.
 *
 * In order: is it structural (structural-rules.ts), do its defaults fit (default-rules.ts), its keywords (here), do
 * its rules in CEL compile within their cost (expression-rules.ts).
 */
import { FieldErrors } from "../resources/field-errors.ts";
import { itemsOf, META_FIELDS, type SchemaProps, valuesOf } from "./contract.ts";
import { validateDefaults } from "./default-rules.ts";
import { ExpressionRules } from "./expression-rules.ts";
import { validateStructural } from "./structural-rules.ts";

export interface SchemaContext {
  readonly hasStatus: boolean;
  /** The schema is what it was before this update: what its rules cost is not judged anew. */
  readonly unchanged: boolean;
}

export function validateSchema(schema: SchemaProps, path: string, context: SchemaContext, errors: FieldErrors): void {
  if (context.hasStatus) validateRoot(schema, path, errors);
  if (schema.nullable) errors.forbidden(`${path}.nullable`, "nullable cannot be true at the root");
  const shape = new FieldErrors();
  validateStructural(schema, path, shape);
  if (shape.empty) validateDefaults(schema, path, shape);
  errors.take(shape);
  const walk: Walk = {
    errors: new FieldErrors(),
    expressions: shape.empty ? new ExpressionRules(context.unchanged) : undefined,
  };
  keywords(schema, path, ROOT, walk);
  errors.take(walk.errors);
  if (walk.expressions) {
    if (walk.errors.empty) walk.expressions.validate(schema, path);
    errors.take(walk.expressions.errors);
  }
}

/** Fields that the root may have beside a status subresource: names in Go, as the message lists them. */
const AT_ROOT: Readonly<Record<string, string>> = {
  description: "Description",
  type: "Type",
  format: "Format",
  title: "Title",
  maximum: "Maximum",
  exclusiveMaximum: "ExclusiveMaximum",
  minimum: "Minimum",
  exclusiveMinimum: "ExclusiveMinimum",
  maxLength: "MaxLength",
  minLength: "MinLength",
  pattern: "Pattern",
  maxItems: "MaxItems",
  minItems: "MinItems",
  uniqueItems: "UniqueItems",
  multipleOf: "MultipleOf",
  required: "Required",
  items: "Items",
  properties: "Properties",
  externalDocs: "ExternalDocs",
  example: "Example",
  "x-kubernetes-preserve-unknown-fields": "XPreserveUnknownFields",
  "x-kubernetes-validations": "XValidations",
};

function validateRoot(schema: SchemaProps, path: string, errors: FieldErrors): void {
  if (schema.type && schema.type !== "object") {
    const detail =
      'only "object" is allowed as the type at the root of the schema if the status subresource is enabled';
    errors.invalid(`${path}.type`, schema.type, detail);
    return;
  }
  if (Object.keys(schema).every((key) => Object.hasOwn(AT_ROOT, key))) return;
  const allowed = `[${Object.values(AT_ROOT).join(" ")}]`;
  const detail = `only ${allowed} fields are allowed at the root of the schema if the status subresource is enabled`;
  errors.invalid(path, schema, detail);
}

interface Walk {
  readonly errors: FieldErrors;
  readonly expressions: ExpressionRules | undefined;
}

interface Place {
  readonly root: boolean;
  readonly insideMeta: boolean;
  /** Why defaults are not allowed here. */
  readonly noDefault: string | undefined;
}

const ROOT: Place = { root: true, insideMeta: false, noDefault: undefined };
const TYPES = ["array", "boolean", "integer", "number", "object", "string"];

function keywords(schema: SchemaProps, path: string, place: Place, walk: Walk): void {
  const { errors } = walk;
  standard(schema, path, place, errors);
  if (schema.uniqueItems) {
    const detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
    errors.forbidden(`${path}.uniqueItems`, detail);
  }
  const { additionalProperties, properties } = schema;
  if (additionalProperties !== undefined && additionalProperties !== true && Object.keys(properties ?? {}).length > 0)
    errors.forbidden(`${path}.additionalProperties`, "additionalProperties and properties are mutual exclusive");
  parts(schema, path, place, walk);
  if (schema["x-kubernetes-preserve-unknown-fields"] === false)
    errors.invalid(`${path}.x-kubernetes-preserve-unknown-fields`, false, "must be true or undefined");
  mapRules(schema, path, errors);
  listRules(schema, path, errors);
}

function parts(schema: SchemaProps, path: string, place: Place, walk: Walk): void {
  const inside: Place = { ...place, root: false };
  const values = valuesOf(schema);
  if (values) {
    const noDefault = place.insideMeta ? "inside additionalProperties applying to object metadata" : place.noDefault;
    keywords(values, `${path}.additionalProperties`, { ...inside, noDefault }, walk);
  }
  const resource = place.root || schema["x-kubernetes-embedded-resource"] === true;
  for (const [key, property] of Object.entries(schema.properties ?? {})) {
    const meta = resource && META_FIELDS.has(key);
    const at: Place = meta
      ? { root: false, insideMeta: true, noDefault: place.root ? `in top-level ${key}` : place.noDefault }
      : inside;
    keywords(property, `${path}.properties[${key}]`, at, walk);
  }
  if (schema.not) keywords(schema.not, `${path}.not`, inside, walk);
  for (const name of ["allOf", "oneOf", "anyOf"] as const) {
    for (const [at, one] of (schema[name] ?? []).entries()) keywords(one, `${path}.${name}[${at}]`, inside, walk);
  }
  const items = itemsOf(schema);
  if (items) keywords(items, `${path}.items`, inside, walk);
}

const UNSUPPORTED = ["id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref"] as const;

function standard(schema: SchemaProps, path: string, { noDefault, insideMeta }: Place, errors: FieldErrors): void {
  const { type } = schema;
  if (type && !TYPES.includes(type)) errors.notSupported(`${path}.type`, type, TYPES);
  if (schema.default !== undefined && noDefault !== undefined)
    errors.forbidden(`${path}.default`, `must not be set ${noDefault}`);
  for (const keyword of UNSUPPORTED) {
    if (schema[keyword] !== undefined && schema[keyword] !== "")
      errors.forbidden(`${path}.${keyword}`, `${keyword} is not supported`);
  }
  if (type === "null") errors.forbidden(`${path}.type`, "type cannot be set to null, use nullable as an alternative");
  if (Array.isArray(schema.items)) errors.forbidden(`${path}.items`, "items must be a schema object and not an array");
  if (insideMeta && schema["x-kubernetes-embedded-resource"])
    errors.forbidden(`${path}.x-kubernetes-embedded-resource`, "must not be used inside of resource meta");
}

function mapRules(schema: SchemaProps, path: string, errors: FieldErrors): void {
  const kind = schema["x-kubernetes-map-type"];
  if (kind === undefined) return;
  mustBe("object", "x-kubernetes-map-type", schema, path, errors);
  const kinds = ["atomic", "granular"];
  if (!kinds.includes(kind)) errors.notSupported(`${path}.x-kubernetes-map-type`, kind, kinds);
}

function mustBe(type: string, because: string, schema: SchemaProps, path: string, errors: FieldErrors): boolean {
  if (schema.type === type) return true;
  const detail = `must be ${type} if ${because} is specified`;
  if (schema.type) errors.invalid(`${path}.type`, schema.type, detail);
  else errors.required(`${path}.type`, detail);
  return false;
}

function listRules(schema: SchemaProps, path: string, errors: FieldErrors): void {
  const kind = schema["x-kubernetes-list-type"];
  const keys = schema["x-kubernetes-list-map-keys"] ?? [];
  const items = itemsOf(schema);
  if (kind !== undefined && mustBe("array", "x-kubernetes-list-type", schema, path, errors) && kind === "set" && items)
    setRules(items, `${path}.items`, errors);
  const kinds = ["atomic", "set", "map"];
  if (kind !== undefined && !kinds.includes(kind)) errors.notSupported(`${path}.x-kubernetes-list-type`, kind, kinds);
  if (keys.length > 0 && kind !== "map") {
    const detail = "must be map if x-kubernetes-list-map-keys is non-empty";
    if (kind === undefined) errors.required(`${path}.x-kubernetes-list-type`, detail);
    else errors.invalid(`${path}.x-kubernetes-list-type`, kind, detail);
  }
  if (kind === "map") listMapRules(schema, keys, path, errors);
  if (items?.nullable && (kind === "set" || kind === "map"))
    errors.forbidden(`${path}.items.nullable`, `cannot be nullable when x-kubernetes-list-type is ${kind}`);
}

function setRules(items: SchemaProps, path: string, errors: FieldErrors): void {
  const detail = "must be atomic as item of a list with x-kubernetes-list-type=set";
  const list = items["x-kubernetes-list-type"];
  const map = items["x-kubernetes-map-type"];
  if (items.type === "array" && list !== undefined && list !== "atomic")
    errors.invalid(`${path}.x-kubernetes-list-type`, list, detail);
  if (items.type === "object" && map !== "atomic") errors.invalid(`${path}.x-kubernetes-map-type`, list, detail);
}

function listMapRules(schema: SchemaProps, keys: readonly string[], path: string, errors: FieldErrors): void {
  const at = `${path}.x-kubernetes-list-map-keys`;
  if (keys.length === 0) errors.required(at, "must not be empty if x-kubernetes-list-type is map");
  const items = itemsOf(schema);
  if (!items) {
    if (schema.items === undefined)
      errors.required(`${path}.items`, "must have a schema if x-kubernetes-list-type is map");
    else {
      const detail = "must only have a single schema if x-kubernetes-list-type is map";
      errors.invalid(`${path}.items`, schema.items, detail);
    }
    return;
  }
  if (items.type !== "object") {
    const detail = "must be object if parent array's x-kubernetes-list-type is map";
    errors.invalid(`${path}.items.type`, items.type ?? "", detail);
    return;
  }
  for (const [index, key] of keys.entries()) {
    const field = items.properties?.[key];
    const fieldAt = `${path}.items.properties[${key}]`;
    if (!field) errors.invalid(at, keys, "entries must all be names of item properties");
    else if (field.type === "array" || field.type === "object") {
      const detail = "must be a scalar type if parent array's x-kubernetes-list-type is map";
      errors.invalid(`${fieldAt}.type`, items.type, detail);
    }
    if (keys.indexOf(key) < index) errors.invalid(at, keys, "must not contain duplicate entries");
    if (field && !items.required?.includes(key) && field.default === undefined) {
      const detail =
        "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
      errors.required(`${fieldAt}.default`, detail);
    }
    if (field?.nullable) {
      const detail = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable";
      errors.forbidden(`${fieldAt}.nullable`, detail);
    }
  }
}
