/**
 * Compiled decoders: one closure per field, so that a hot body costs a map look-up and a call per field.
 *
 * They know where they stand (Walk), for Go's errors name the struct and the fields on the way, and strict
 * errors also items and keys. What a scalar accepts: scalars.ts. The way in: decode.ts.
 */
import { isBigInteger } from "../../machinery/objects/json.ts";
import type { Field, FieldType, Message } from "./contract.ts";
import { goKindOf, goTypeOf } from "./go-types.ts";
import { pathText } from "./json-reader.ts";
import { DecodeError, type Problem, type ScalarKind, scalarDecoder, zeroOf } from "./scalars.ts";

/** More would tell nobody anything. */
const MAX_UNKNOWN = 100;

type JsonObject = Record<string, unknown>;

/** Where a decoding stands. Names are fields, numbers are items; keys of maps are marked, since Go leaves them out. */
export interface Walk {
  readonly path: (string | number)[];
  readonly unknown: string[];
}

export type ObjectDecoder = (object: JsonObject, walk: Walk) => JsonObject;
type ValueDecoder = (value: unknown, walk: Walk) => unknown;

const KEY_MARK = "\u0000";

export function compileMessage(message: Message, objectDecoder: (name: string) => ObjectDecoder): ObjectDecoder {
  const owner = message.name.slice(message.name.lastIndexOf(".") + 1);
  const fields = new Map<string, ValueDecoder>();
  // Compiled on first use, since messages hold each other.
  const fieldDecoder = (key: string): ValueDecoder | undefined => {
    const known = fields.get(key);
    if (known) return known;
    const field = message.fields.get(key);
    if (!field) return undefined;
    const decoder = compileValue({ field, owner, objectDecoder }, field.type);
    fields.set(key, decoder);
    return decoder;
  };

  return (object, walk) => {
    let clean = true;
    for (const key in object) {
      const decode = fields.get(key) ?? fieldDecoder(key);
      const value = object[key];
      if (decode === undefined || value === null || value === undefined) {
        clean = false;
        if (decode === undefined) noteUnknown(walk, key);
        continue;
      }
      walk.path.push(key);
      const decoded = decode(value, walk);
      walk.path.pop();
      if (decoded !== value) object[key] = decoded;
    }
    return clean ? object : pruned(object, message.fields);
  };
}

/** A copy: deleting keys would make the object slow for everyone after us. */
function pruned(object: JsonObject, fields: ReadonlyMap<string, Field>): JsonObject {
  const kept: JsonObject = {};
  for (const key in object) {
    const value = object[key];
    if (value !== null && value !== undefined && fields.has(key)) kept[key] = value;
  }
  return kept;
}

function noteUnknown(walk: Walk, key: string): void {
  if (walk.unknown.length >= MAX_UNKNOWN) return;
  walk.unknown.push(pathText([...walk.path, key].map((part) => (typeof part === "string" ? unmarked(part) : part))));
}

const unmarked = (part: string): string => (part.startsWith(KEY_MARK) ? part.slice(1) : part);

interface Place {
  readonly field: Field;
  /** Short name of the message that has the field. */
  readonly owner: string;
  readonly objectDecoder: (name: string) => ObjectDecoder;
}

function compileValue(place: Place, type: FieldType): ValueDecoder {
  switch (type.kind) {
    case "raw":
      return compileRaw(place, type);
    case "deduced":
      return (value) => value;
    case "message":
      return compileReference(place, type);
    case "list":
      return compileList(place, type);
    case "map":
      return compileMap(place, type);
    default:
      return compileScalar(place, type.kind);
  }
}

type TypeOf<K extends FieldType["kind"]> = Extract<FieldType, { kind: K }>;

function compileReference(place: Place, type: TypeOf<"message">): ValueDecoder {
  let decode: ObjectDecoder | undefined;
  return (value, walk) => {
    if (!isObject(value)) throw misfit(place, type, walk, { found: goKindOf(value) });
    decode ??= place.objectDecoder(type.name);
    return decode(value, walk);
  };
}

const SCHEMA_UNION = /^(.*\.JSONSchemaProps)Or(?:Array|Bool|StringArray)$/;

/** Any JSON, except that a schema in a definition is a schema also where a list or a boolean may stand for it. */
function compileRaw(place: Place, { name }: TypeOf<"raw">): ValueDecoder {
  const [, schema] = SCHEMA_UNION.exec(name) ?? [];
  if (schema === undefined) return (value) => value;
  const one = compileReference(place, { kind: "message", name: schema });
  const each: ValueDecoder = (value, walk) => (isObject(value) ? one(value, walk) : value);
  return (value, walk) => {
    if (!Array.isArray(value)) return each(value, walk);
    for (let at = 0; at < value.length; at++) {
      walk.path.push(at);
      value[at] = each(value[at], walk);
      walk.path.pop();
    }
    return value;
  };
}

function compileList(place: Place, type: TypeOf<"list">): ValueDecoder {
  const item = compileValue(place, type.of);
  const zero = zeroOf(type.of);
  return (value, walk) => {
    if (!Array.isArray(value)) throw misfit(place, type, walk, { found: goKindOf(value) });
    for (let at = 0; at < value.length; at++) {
      const before = value[at] as unknown;
      walk.path.push(at);
      const decoded = item(before ?? zero(), walk);
      walk.path.pop();
      if (decoded !== before) value[at] = decoded;
    }
    return value;
  };
}

function compileMap(place: Place, type: TypeOf<"map">): ValueDecoder {
  const item = compileValue(place, type.of);
  const zero = zeroOf(type.of);
  return (value, walk) => {
    if (!isObject(value)) throw misfit(place, type, walk, { found: goKindOf(value) });
    for (const key in value) {
      const before = value[key];
      walk.path.push(KEY_MARK + key);
      const decoded = item(before ?? zero(), walk);
      walk.path.pop();
      // Plain assignment of "__proto__" would set the prototype.
      if (decoded !== before) Object.defineProperty(value, key, { value: decoded });
    }
    return value;
  };
}

function compileScalar(place: Place, kind: ScalarKind): ValueDecoder {
  const decode = scalarDecoder(kind);
  return (value, walk) => {
    const decoded = decode(value);
    if (typeof decoded === "object" && "found" in decoded) throw misfit(place, { kind }, walk, decoded);
    return decoded;
  };
}

function misfit({ owner, field }: Place, type: FieldType, walk: Walk, { found, wanted }: Problem): DecodeError {
  const fields = walk.path.filter((part) => typeof part === "string" && !part.startsWith(KEY_MARK));
  return new DecodeError(
    `json: cannot unmarshal ${found} into Go struct field ${owner}.${fields.join(".")} of type ${wanted ?? goTypeOf(type, field)}`,
  );
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !isBigInteger(value);
}
