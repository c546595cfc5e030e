/**
 * Pruning: takes out of a value what its schema does not say, in place.
 *
 * x-kubernetes-preserve-unknown-fields keeps what is not listed (and what is listed is pruned still); a schema
 * without a type keeps nothing. metadata, kind and apiVersion of the object and of embedded objects stay: they
 * have rules of their own (object-meta.ts).
 */
import { isObject } from "../schema/compile-decoder.ts";
import { pathText } from "../schema/json-reader.ts";
import { itemsOf, META_FIELDS, propertyOf, type SchemaProps, valuesOf } from "./contract.ts";

/** More would tell nobody anything. */
const MAX_UNKNOWN = 100;

interface Walk {
  readonly path: (string | number)[];
  readonly unknown: string[];
  count: number;
}

export interface Pruned {
  /** How many fields went. */
  readonly count: number;
  /** Their paths. */
  readonly unknown: readonly string[];
}

/** `resource`: the value is an object with metadata, kind and apiVersion. */
export function prune(value: unknown, schema: SchemaProps, resource: boolean): Pruned {
  const walk: Walk = { path: [], unknown: [], count: 0 };
  pruneValue(value, schema, resource, walk);
  return walk;
}

function pruneValue(value: unknown, schema: SchemaProps | undefined, resource: boolean, walk: Walk): void {
  if (Array.isArray(value)) pruneList(value, schema, walk);
  else if (isObject(value)) pruneObject(value, schema, resource || isEmbedded(schema), walk);
}

const isEmbedded = (schema: SchemaProps | undefined): boolean => schema?.["x-kubernetes-embedded-resource"] === true;
const keepsUnknown = (schema: SchemaProps | undefined): boolean =>
  schema?.["x-kubernetes-preserve-unknown-fields"] === true;

function pruneList(list: unknown[], schema: SchemaProps | undefined, walk: Walk): void {
  const items = schema && itemsOf(schema);
  if (!items && keepsUnknown(schema)) return;
  for (let at = 0; at < list.length; at++) {
    walk.path.push(at);
    pruneValue(list[at], items, false, walk);
    walk.path.pop();
  }
}

function pruneObject(
  object: Record<string, unknown>,
  schema: SchemaProps | undefined,
  resource: boolean,
  walk: Walk,
): void {
  const values = schema && valuesOf(schema);
  const anyValue = schema?.additionalProperties === true;
  const keeps = keepsUnknown(schema);
  for (const key in object) {
    if (resource && META_FIELDS.has(key)) continue;
    const known = (schema && propertyOf(schema, key)) ?? values;
    if (known === undefined && !keeps) {
      if (anyValue) continue;
      noteUnknown(walk, key);
      delete object[key];
      continue;
    }
    if (known === undefined) continue;
    walk.path.push(key);
    pruneValue(object[key], known, false, walk);
    walk.path.pop();
  }
}

function noteUnknown(walk: Walk, key: string): void {
  walk.count++;
  if (walk.unknown.length < MAX_UNKNOWN) walk.unknown.push(pathText([...walk.path, key]));
}
