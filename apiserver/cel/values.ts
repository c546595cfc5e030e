/**
 * Values: what an expression computes with.
 *
 * bool, string, bytes and null are JavaScript's own; an int is a bigint, a double a number, so that 1, 1u and
 * 1.0 stay apart. Lists, maps and objects are classes with two origins: JSON, read lazily by its declared type
 * (json-values.ts), and what the expression itself makes (here). Nothing of what is bound is ever changed.
 */
import { CelRuntimeError } from "./contract.ts";

export class Uint {
  readonly value: bigint;
  constructor(value: bigint) {
    this.value = value;
  }
}

/** Nanoseconds since 1970. */
export class Timestamp {
  readonly nanos: bigint;
  constructor(nanos: bigint) {
    this.nanos = nanos;
  }
}

export class Duration {
  readonly nanos: bigint;
  constructor(nanos: bigint) {
    this.nanos = nanos;
  }
}

/** A type as a value: `type(1)`, `int`. */
export class TypeValue {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

export class Optional {
  readonly value: Value | undefined;
  constructor(value: Value | undefined) {
    this.value = value;
  }
  get(): Value {
    if (this.value === undefined) throw new CelRuntimeError("optional.none() dereference");
    return this.value;
  }
}
export const none = new Optional(undefined);

/** A value of a type of its own: quantity, url, authorizer. */
export abstract class Opaque {
  abstract readonly typeName: string;
  abstract equals(other: Opaque): boolean;
  /** What cost counts it as. */
  get size(): number {
    return 1;
  }
}

export abstract class List {
  abstract readonly size: number;
  abstract at(index: number): Value;
  /** What `==` and `+` mean: x-kubernetes-list-type. */
  readonly listType: "set" | "map" | undefined = undefined;
  readonly mapKeys: readonly string[] = [];

  *[Symbol.iterator](): Iterator<Value> {
    for (let index = 0; index < this.size; index++) yield this.at(index);
  }
}

export class ArrayList extends List {
  readonly items: Value[];
  constructor(items: Value[]) {
    super();
    this.items = items;
  }
  get size(): number {
    return this.items.length;
  }
  at(index: number): Value {
    return this.items[index] as Value;
  }
}

export type MapKey = string | bigint | boolean | Uint;

export abstract class Dict {
  abstract readonly size: number;
  /** Undefined where the key is not there. */
  abstract get(key: Value): Value | undefined;
  abstract keys(): Iterable<MapKey>;
}

/** Numbers that are equal are one key, whatever their type. */
export function keyText(key: Value): string | undefined {
  if (typeof key === "string") return `s${key}`;
  if (typeof key === "bigint") return `n${key}`;
  if (typeof key === "boolean") return `b${key}`;
  if (key instanceof Uint) return `n${key.value}`;
  if (typeof key === "number" && Number.isInteger(key)) return `n${BigInt(key)}`;
  return undefined;
}

export class EntryMap extends Dict {
  private readonly entries = new Map<string, readonly [MapKey, Value]>();
  get size(): number {
    return this.entries.size;
  }
  get(key: Value): Value | undefined {
    const text = keyText(key);
    return text === undefined ? undefined : this.entries.get(text)?.[1];
  }
  *keys(): Iterable<MapKey> {
    for (const [key] of this.entries.values()) yield key;
  }
  /** False when the key is there already. */
  add(key: Value, value: Value): boolean {
    const text = keyText(key);
    if (text === undefined || typeof key === "number") throw new CelRuntimeError("unsupported key type");
    if (this.entries.has(text)) return false;
    this.entries.set(text, [key as MapKey, value]);
    return true;
  }
}

/** Something with fields of a declared type. */
export abstract class Fields {
  abstract readonly typeName: string;
  /** Undefined where it is not set. */
  abstract field(name: string): Value | undefined;
  abstract names(): Iterable<string>;
}

export type Value =
  | boolean
  | bigint
  | number
  | string
  | null
  | Uint8Array
  | Uint
  | Timestamp
  | Duration
  | TypeValue
  | Optional
  | List
  | Dict
  | Fields
  | Opaque;

/** The name of a value's type, as `type(x)` gives it and messages tell it. */
export function typeOf(value: Value): string {
  switch (typeof value) {
    case "boolean":
      return "bool";
    case "bigint":
      return "int";
    case "number":
      return "double";
    case "string":
      return "string";
  }
  if (value === null) return "null_type";
  if (value instanceof List) return "list";
  if (value instanceof Dict) return "map";
  if (value instanceof Fields || value instanceof Opaque) return value.typeName;
  if (value instanceof Uint8Array) return "bytes";
  if (value instanceof Uint) return "uint";
  if (value instanceof Timestamp) return "google.protobuf.Timestamp";
  if (value instanceof Duration) return "google.protobuf.Duration";
  if (value instanceof Optional) return "optional_type";
  return "type";
}

/** What size() says, and 1 for what has none: the measure of cost. */
export function sizeOf(value: Value | undefined): number {
  if (typeof value === "string") return characters(value);
  if (value instanceof List || value instanceof Dict || value instanceof Opaque) return value.size;
  return value instanceof Uint8Array ? value.length : 1;
}

/** Characters as the language counts them: code points. */
export function characters(text: string): number {
  let pairs = 0;
  for (let index = 0; index < text.length - 1; index++) {
    if ((text.charCodeAt(index) & 0xfc00) === 0xd800 && (text.charCodeAt(index + 1) & 0xfc00) === 0xdc00) {
      pairs++;
      index++;
    }
  }
  return text.length - pairs;
}

const MAX_INT = 2n ** 63n - 1n;
const MIN_INT = -(2n ** 63n);
const MAX_UINT = 2n ** 64n - 1n;

export function checkedInt(value: bigint): bigint {
  if (value > MAX_INT || value < MIN_INT) throw new CelRuntimeError("integer overflow");
  return value;
}

export function checkedUint(value: bigint): Uint {
  if (value > MAX_UINT || value < 0n) throw new CelRuntimeError("unsigned integer overflow");
  return new Uint(value);
}

export const noOverload = (): CelRuntimeError => new CelRuntimeError("no such overload");
