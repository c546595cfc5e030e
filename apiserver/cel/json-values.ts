/**
 * JSON values: plain JSON as an expression sees it, by the declared type, part by part when asked.
 *
 * A value that does not fit its type is a runtime error, not a guess. Of type dyn (what has no schema) it is
 * read by its looks: whole numbers are ints, everything else is what JSON says.
 */
import { type CelField, type CelObjectType, CelRuntimeError, type CelType } from "./contract.ts";
import { parseDuration, parseTimestamp } from "./time.ts";
import { Dict, Fields, List, type MapKey, Optional, type Value } from "./values.ts";

type JsonObject = Readonly<Record<string, unknown>>;

export class JsonList extends List {
  private readonly items: readonly unknown[];
  private readonly of: CelType;
  override readonly listType: "set" | "map" | undefined;
  override readonly mapKeys: readonly string[];
  constructor(items: readonly unknown[], of: CelType, listType?: "set" | "map", mapKeys: readonly string[] = []) {
    super();
    this.items = items;
    this.of = of;
    this.listType = listType;
    this.mapKeys = mapKeys;
  }
  get size(): number {
    return this.items.length;
  }
  at(index: number): Value {
    return fromJson(this.items[index], this.of);
  }
}

export class JsonMap extends Dict {
  private readonly object: JsonObject;
  private readonly of: CelType;
  constructor(object: JsonObject, of: CelType) {
    super();
    this.object = object;
    this.of = of;
  }
  get size(): number {
    return Object.keys(this.object).length;
  }
  get(key: Value): Value | undefined {
    if (typeof key !== "string" || !Object.hasOwn(this.object, key)) return undefined;
    const value = this.object[key];
    return value === undefined ? undefined : fromJson(value, this.of);
  }
  keys(): Iterable<MapKey> {
    return Object.keys(this.object);
  }
}

export class JsonObjectValue extends Fields {
  private readonly object: JsonObject;
  private readonly type: CelObjectType;
  constructor(object: JsonObject, type: CelObjectType) {
    super();
    this.object = object;
    this.type = type;
  }
  get typeName(): string {
    return this.type.name;
  }
  field(name: string): Value | undefined {
    const field = this.type.field(name) ?? this.type.byJsonName?.(name);
    return field && this.read(field);
  }
  *names(): Iterable<string> {
    for (const name of Object.keys(this.object)) if (this.object[name] !== undefined) yield name;
  }
  private read({ jsonName, type }: CelField): Value | undefined {
    if (!Object.hasOwn(this.object, jsonName)) return undefined;
    const value = this.object[jsonName];
    return value === undefined ? undefined : fromJson(value, type);
  }
}

/** Fields that are worked out when first asked for: a policy's variables. */
export class LazyFields extends Fields {
  readonly typeName: string;
  private readonly makers: Readonly<Record<string, () => Value>>;
  constructor(typeName: string, makers: Readonly<Record<string, () => Value>>) {
    super();
    this.typeName = typeName;
    this.makers = makers;
  }
  field(name: string): Value | undefined {
    return Object.hasOwn(this.makers, name) ? this.makers[name]?.() : undefined;
  }
  names(): Iterable<string> {
    return Object.keys(this.makers);
  }
}

const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const misfit = (wanted: string, value: unknown): CelRuntimeError =>
  new CelRuntimeError(`invalid data, expected ${wanted}, got ${Array.isArray(value) ? "array" : typeof value}`);

/** `value` may also be one that another expression gave. */
export function fromJson(value: unknown, type: CelType): Value {
  if (value === null) return null;
  if (isCelValue(value)) return value;
  switch (type.kind) {
    case "bool":
      if (typeof value === "boolean") return value;
      throw misfit("boolean", value);
    case "int":
      if (typeof value === "bigint") return value;
      if (typeof value === "number" && Number.isInteger(value)) return BigInt(value);
      throw misfit("integer", value);
    case "double":
      if (typeof value === "number") return value;
      if (typeof value === "bigint") return Number(value);
      throw misfit("number", value);
    case "string":
      if (typeof value === "string") return value;
      throw misfit("string", value);
    case "bytes":
      if (typeof value === "string") return new Uint8Array(Buffer.from(value, "base64"));
      throw misfit("string", value);
    case "timestamp":
      if (typeof value === "string") return parseTimestamp(value);
      throw misfit("string", value);
    case "duration":
      if (typeof value === "string") return parseDuration(value);
      throw misfit("string", value);
    case "list":
      if (Array.isArray(value)) return new JsonList(value, type.of, type.listType, type.mapKeys);
      throw misfit("array", value);
    case "map":
      if (isObject(value)) return new JsonMap(value, type.value);
      throw misfit("object", value);
    case "object":
      if (isObject(value)) return new JsonObjectValue(value, type);
      throw misfit("object", value);
    case "optional":
      return new Optional(fromJson(value, type.of));
    default:
      return deduced(value);
  }
}

const anything: CelType = { kind: "dyn" };

function deduced(value: unknown): Value {
  switch (typeof value) {
    case "boolean":
    case "string":
    case "bigint":
      return value;
    case "number":
      return Number.isInteger(value) ? BigInt(value) : value;
  }
  if (Array.isArray(value)) return new JsonList(value, anything);
  if (isObject(value)) return new JsonMap(value, anything);
  return null;
}

/** A class of values.ts; JSON knows plain objects and arrays only. */
function isCelValue(value: unknown): value is Value {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype !== Object.prototype && prototype !== null;
}
