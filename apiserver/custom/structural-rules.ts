/**
 * Structural rules: a schema says the type of everything, and conditions only restrict what it says.
 *
 * https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema
 */
import { equalJson } from "../../machinery/objects/json-value.ts";
import { FieldErrors } from "../resources/field-errors.ts";
import { itemsOf, propertyOf, type SchemaProps, valuesOf } from "./contract.ts";
import { patternProblem } from "./patterns.ts";

type Level = "root" | "item" | "field";

const TYPE_MISSING: Readonly<Record<Level, string>> = {
  root: "must not be empty at the root",
  item: "must not be empty for specified array items",
  field: "must not be empty for specified object fields",
};

const INT_OR_STRING = [{ type: "integer" }, { type: "string" }];

/** Errors come in the order of their texts. */
export function validateStructural(schema: SchemaProps, path: string, errors: FieldErrors): void {
  const found = new FieldErrors();
  invariants(schema, "root", path, found);
  completeness(schema, path, found);
  found.causes.sort((a, b) => (text(a) < text(b) ? -1 : 1));
  errors.take(found);
}

const text = ({ field, message }: { field?: string; message?: string }): string => `${field}: ${message}`;

function invariants(schema: SchemaProps, level: Level, path: string, errors: FieldErrors): void {
  const items = itemsOf(schema);
  const { type, additionalProperties } = schema;
  if (type === "array" && !items) errors.required(`${path}.items`, "must be specified");
  if (items) invariants(items, "item", `${path}.items`, errors);
  for (const [key, property] of Object.entries(schema.properties ?? {}))
    invariants(property, "field", `${path}.properties[${key}]`, errors);
  if (additionalProperties !== undefined) {
    if (level === "root") errors.forbidden(`${path}.additionalProperties`, "must not be used at the root");
    const values = valuesOf(schema);
    if (values) invariants(values, "field", `${path}.additionalProperties`, errors);
  }
  extensions(schema, level, path, errors);
  const either = equalJson(schema.anyOf, INT_OR_STRING);
  const eitherFirst = equalJson(schema.allOf?.[0]?.anyOf, INT_OR_STRING);
  conditions(schema, { either, eitherFirst }, path, errors);
  const resource = level === "root" || schema["x-kubernetes-embedded-resource"] === true;
  if (level === "root" && type && type !== "object") errors.invalid(`${path}.type`, type, "must be object at the root");
  for (const name of resource ? ["kind", "apiVersion"] : []) {
    const found = propertyOf(schema, name);
    if (found && found.type !== "string")
      errors.invalid(`${path}.properties[${name}].type`, found.type ?? "", "must be string");
  }
  const metadata = propertyOf(schema, "metadata");
  if (metadata && resource) metadataRules(metadata, level, `${path}.properties[metadata]`, errors);
}

function extensions(schema: SchemaProps, level: Level, path: string, errors: FieldErrors): void {
  const { type, properties, additionalProperties } = schema;
  const either = schema["x-kubernetes-int-or-string"] === true;
  const preserves = schema["x-kubernetes-preserve-unknown-fields"] === true;
  const embedded = schema["x-kubernetes-embedded-resource"] === true;
  const exclusive = "must be false if x-kubernetes-int-or-string is true";
  if (either && preserves) errors.invalid(`${path}.x-kubernetes-preserve-unknown-fields`, true, exclusive);
  if (either && embedded) errors.invalid(`${path}.x-kubernetes-embedded-resource`, true, exclusive);
  if (embedded && type !== "object") {
    const detail = "must be object if x-kubernetes-embedded-resource is true";
    if (type) errors.invalid(`${path}.type`, type, detail);
    else errors.required(`${path}.type`, detail);
  } else if (!type && !either && !preserves) errors.required(`${path}.type`, TYPE_MISSING[level]);
  if (!embedded) return;
  if (additionalProperties !== undefined)
    errors.forbidden(`${path}.additionalProperties`, "must not be used if x-kubernetes-embedded-resource is set");
  if (!preserves && Object.keys(properties ?? {}).length === 0) {
    const detail =
      "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields";
    errors.required(`${path}.properties`, detail);
  }
}

/** Metadata is what it is in every kind; a schema may restrict names only. */
function metadataRules(schema: SchemaProps, level: Level, path: string, errors: FieldErrors): void {
  if (schema.type !== "object") errors.invalid(`${path}.type`, schema.type ?? "", "must be object");
  if (level !== "root") return;
  const { type: _type, default: _default, properties = {}, ...rest } = schema;
  const restricts = Object.keys(properties).every((name) => name === "name" || name === "generateName");
  const more = Object.keys(rest).filter((key) => !VALUE_CONDITIONS.has(key));
  if (restricts && more.length === 0) return;
  const detail = "must not specify anything other than name and generateName, but metadata is implicitly specified";
  errors.forbidden(path, detail);
}

const VALUE_CONDITIONS: ReadonlySet<string> = new Set(["description"]);

interface Skips {
  /** The anyOf that says int-or-string is no condition. */
  readonly either?: boolean;
  readonly eitherFirst?: boolean;
}

function conditions(schema: SchemaProps, { either, eitherFirst }: Skips, path: string, errors: FieldErrors): void {
  const each = (list: readonly SchemaProps[] | undefined, name: string) => {
    for (const [at, one] of (list ?? []).entries()) {
      const skips = name === "allOf" && at === 0 && eitherFirst ? { either: true } : {};
      condition(one, skips, `${path}.${name}[${at}]`, errors);
    }
  };
  if (!either) each(schema.anyOf, "anyOf");
  each(schema.allOf, "allOf");
  each(schema.oneOf, "oneOf");
  if (schema.not) condition(schema.not, {}, `${path}.not`, errors);
  if (schema.pattern === undefined) return;
  const problem = patternProblem(schema.pattern);
  if (problem) {
    const detail = `must be a valid regular expression, but isn't: ${problem}`;
    errors.invalid(`${path}.pattern`, schema.pattern, detail);
  }
}

/** What may not stand in a condition: keyword, whether it does, what is said of it. */
const FORBIDDEN: readonly (readonly [keyof SchemaProps, (value: unknown) => boolean, string])[] = [
  ["type", (value) => value !== "", "must be empty to be structural"],
  ["additionalProperties", () => true, "must be undefined to be structural"],
  ["default", () => true, "must be undefined to be structural"],
  ["title", (value) => value !== "", "must be empty to be structural"],
  ["description", (value) => value !== "", "must be empty to be structural"],
  ["nullable", (value) => value === true, "must be false to be structural"],
  ["externalDocs", () => true, "must be undefined to be structural"],
  ["x-kubernetes-preserve-unknown-fields", (value) => value === true, "must be false to be structural"],
  ["x-kubernetes-embedded-resource", (value) => value === true, "must be false to be structural"],
  ["x-kubernetes-int-or-string", (value) => value === true, "must be false to be structural"],
  ["x-kubernetes-list-map-keys", (value) => (value as unknown[]).length > 0, "must be empty to be structural"],
  ["x-kubernetes-list-type", () => true, "must be undefined to be structural"],
  ["x-kubernetes-map-type", () => true, "must be undefined to be structural"],
  ["x-kubernetes-validations", (value) => (value as unknown[]).length > 0, "must be empty to be structural"],
];

function condition(schema: SchemaProps, skips: Skips, path: string, errors: FieldErrors): void {
  conditions(schema, skips, path, errors);
  const items = itemsOf(schema);
  if (items) condition(items, {}, `${path}.items`, errors);
  for (const [key, property] of Object.entries(schema.properties ?? {}))
    condition(property, {}, `${path}.properties[${key}]`, errors);
  for (const [keyword, stands, detail] of FORBIDDEN) {
    const value = schema[keyword];
    if (value !== undefined && stands(value)) errors.forbidden(`${path}.${keyword}`, detail);
  }
  if (propertyOf(schema, "metadata"))
    errors.forbidden(`${path}.properties[metadata]`, "must not be specified in a nested context");
}

/** Every field that a condition names is one that the schema has. */
function completeness(schema: SchemaProps, path: string, errors: FieldErrors): void {
  completeConditions(schema, schema, path, path, errors);
  const items = itemsOf(schema);
  if (items) completeness(items, `${path}.items`, errors);
  for (const [key, property] of Object.entries(schema.properties ?? {}))
    completeness(property, `${path}.properties[${key}]`, errors);
  const values = valuesOf(schema);
  if (values) completeness(values, `${path}.additionalProperties`, errors);
}

function completeConditions(
  from: SchemaProps,
  schema: SchemaProps,
  at: string,
  fromAt: string,
  errors: FieldErrors,
): void {
  for (const name of ["allOf", "anyOf", "oneOf"] as const) {
    for (const [index, one] of (from[name] ?? []).entries())
      complete(one, schema, at, `${fromAt}.${name}[${index}]`, errors);
  }
  if (from.not) complete(from.not, schema, at, `${fromAt}.not`, errors);
}

function complete(from: SchemaProps, schema: SchemaProps, at: string, fromAt: string, errors: FieldErrors): void {
  completeConditions(from, schema, at, fromAt, errors);
  const items = itemsOf(from);
  if (items) {
    const own = itemsOf(schema);
    if (own) complete(items, own, `${at}.items`, `${fromAt}.items`, errors);
    else errors.required(`${at}.items`, `because it is defined in ${fromAt}.items`);
  }
  for (const [key, property] of Object.entries(from.properties ?? {})) {
    const own = propertyOf(schema, key);
    const place = `properties[${key}]`;
    if (own) complete(property, own, `${at}.${place}`, `${fromAt}.${place}`, errors);
    else errors.required(`${at}.${place}`, `because it is defined in ${fromAt}.${place}`);
  }
}
