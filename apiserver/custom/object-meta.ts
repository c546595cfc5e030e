/**
 * Object metadata of custom kinds: of the object itself and of the objects embedded in it.
 *
 * Schemas do not describe metadata; it is decoded and checked as that of every kind.
 */
import { dns1035Label, pathSegment } from "../../machinery/objects/names.ts";
import type { ObjectMeta } from "../../machinery/objects/wire.ts";
import { FieldErrors } from "../resources/field-errors.ts";
import { validateObjectMeta } from "../resources/object-meta.ts";
import { isObject } from "../schema/compile-decoder.ts";
import type { Decoder } from "../schema/decode.ts";
import { itemsOf, propertyOf, type SchemaProps, valuesOf } from "./contract.ts";

/** Brings the metadata of embedded objects into shape, in place, and adds fields that it does not have to `unknown`. */
export function decodeEmbedded(value: unknown, schema: SchemaProps, decode: Decoder, unknown: string[]): void {
  eachEmbedded(value, schema, "", (object, path) => {
    if (!isObject(object["metadata"])) return;
    const { value: metadata, unknown: found } = decode(object["metadata"]);
    object["metadata"] = metadata;
    unknown.push(...found.map((field) => `${path}.metadata.${field}`));
  });
}

export function validateEmbedded(value: unknown, schema: SchemaProps, errors: FieldErrors): void {
  eachEmbedded(value, schema, "", (object, path) => {
    validateApiVersion(object["apiVersion"], `${path}.apiVersion`, errors);
    validateKind(object["kind"], `${path}.kind`, errors);
    const { metadata } = object;
    if (metadata === undefined) return;
    if (!isObject(metadata)) {
      errors.invalid(`${path}.metadata`, metadata, "must be an object");
      return;
    }
    const meta = { ...metadata, name: metadata["name"] || "fakename" } as ObjectMeta;
    const found = new FieldErrors();
    validateObjectMeta(meta, { namespaced: Boolean(meta.namespace), nameRule: pathSegment, anyFinalizer: true }, found);
    errors.takeUnder(path, found);
  });
}

function validateApiVersion(value: unknown, path: string, errors: FieldErrors): void {
  if (value === undefined) errors.required(path, "must not be empty");
  else if (typeof value !== "string") errors.invalid(path, value, "must be a string");
  else if (value === "") errors.invalid(path, value, "must not be empty");
  else if (value.split("/").length > 2) errors.invalid(path, value, `unexpected GroupVersion string: ${value}`);
}

function validateKind(value: unknown, path: string, errors: FieldErrors): void {
  if (value === undefined) errors.required(path, "must not be empty");
  else if (typeof value !== "string") errors.invalid(path, value, "must be a string");
  else if (value === "") errors.invalid(path, value, "must not be empty");
  else {
    const wrong = dns1035Label(value.toLowerCase());
    if (wrong.length > 0)
      errors.invalid(path, value, `may have mixed case, but should otherwise match: ${wrong.join(",")}`);
  }
}

type Visit = (object: Record<string, unknown>, path: string) => void;

function eachEmbedded(value: unknown, schema: SchemaProps | undefined, path: string, visit: Visit): void {
  if (!schema || !hasEmbedded(schema)) return;
  if (Array.isArray(value)) {
    for (const [at, item] of value.entries()) eachEmbedded(item, itemsOf(schema), `${path}[${at}]`, visit);
    return;
  }
  if (!isObject(value)) return;
  if (schema["x-kubernetes-embedded-resource"]) visit(value, path);
  const values = valuesOf(schema);
  for (const key in value) {
    const property = propertyOf(schema, key);
    const at = property ? (path === "" ? key : `${path}.${key}`) : `${path}[${key}]`;
    eachEmbedded(value[key], property ?? values, at, visit);
  }
}

const known = new WeakMap<SchemaProps, boolean>();

function hasEmbedded(schema: SchemaProps): boolean {
  const found = known.get(schema);
  if (found !== undefined) return found;
  const parts = [...Object.values(schema.properties ?? {}), itemsOf(schema), valuesOf(schema)];
  const has =
    schema["x-kubernetes-embedded-resource"] === true || parts.some((part) => part !== undefined && hasEmbedded(part));
  known.set(schema, has);
  return has;
}
