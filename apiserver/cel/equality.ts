/**
 * Equality and order of values.
 *
 * Numbers of different types are equal when they are the same number; values of different kinds are simply
 * not equal. Lists that the schema calls sets or maps are compared without regard to order.
 */
import { Dict, Duration, Fields, List, Opaque, Optional, Timestamp, TypeValue, Uint, type Value } from "./values.ts";

export function equal(a: Value, b: Value): boolean {
  if (a === b) return true;
  if (a === null || b === null) return false;
  const number = numeric(a);
  if (number !== undefined) {
    const other = numeric(b);
    return other !== undefined && compareNumbers(number, other) === 0;
  }
  if (typeof a !== "object" || typeof b !== "object") return false;
  if (a instanceof List) return b instanceof List && equalLists(a, b);
  if (a instanceof Dict) return b instanceof Dict && equalMaps(a, b);
  if (a instanceof Fields) return b instanceof Fields && equalFields(a, b);
  if (a instanceof Timestamp) return b instanceof Timestamp && a.nanos === b.nanos;
  if (a instanceof Duration) return b instanceof Duration && a.nanos === b.nanos;
  if (a instanceof TypeValue) return b instanceof TypeValue && a.name === b.name;
  if (a instanceof Opaque) return b instanceof Opaque && a.typeName === b.typeName && a.equals(b);
  if (a instanceof Optional) return b instanceof Optional && equalOptionals(a, b);
  return a instanceof Uint8Array && b instanceof Uint8Array && compareBytes(a, b) === 0;
}

const equalOptionals = (a: Optional, b: Optional): boolean =>
  a.value === undefined || b.value === undefined ? a.value === b.value : equal(a.value, b.value);

function equalLists(a: List, b: List): boolean {
  if (a.size !== b.size) return false;
  const type = a.listType ?? b.listType;
  if (type === "set") return sameItems(a, b, (x, y) => equal(x, y));
  if (type === "map") {
    const keys = a.listType ? a.mapKeys : b.mapKeys;
    return sameItems(a, b, (x, y) => sameKeys(x, y, keys) && equal(x, y));
  }
  for (let index = 0; index < a.size; index++) if (!equal(a.at(index), b.at(index))) return false;
  return true;
}

/** Every item of the one has its like in the other. */
function sameItems(a: List, b: List, same: (x: Value, y: Value) => boolean): boolean {
  const left = new Map<string, Value[]>();
  for (const item of b) push(left, fingerprint(item), item);
  for (const item of a) {
    const candidates = left.get(fingerprint(item)) ?? [];
    const index = candidates.findIndex((candidate) => same(item, candidate));
    if (index < 0) return false;
    candidates.splice(index, 1);
  }
  return true;
}

function push(groups: Map<string, Value[]>, key: string, value: Value): void {
  const group = groups.get(key);
  if (group) group.push(value);
  else groups.set(key, [value]);
}

/** The same for equal values; spares comparing every item with every other. */
function fingerprint(value: Value): string {
  if (typeof value === "string") return `s${value}`;
  const number = numeric(value);
  if (number !== undefined) return `n${Number(number)}`;
  if (value instanceof Fields) {
    let text = "f";
    for (const name of value.names()) {
      const field = value.field(name);
      if (typeof field === "string" || typeof field === "bigint") text += `${name}=${field};`;
    }
    return text;
  }
  return typeof value;
}

export function sameKeys(a: Value, b: Value, keys: readonly string[]): boolean {
  return keys.every((key) => {
    const [x, y] = [keyField(a, key), keyField(b, key)];
    return x === undefined || y === undefined ? x === y : equal(x, y);
  });
}

function keyField(value: Value, key: string): Value | undefined {
  if (value instanceof Fields) return value.field(key);
  return value instanceof Dict ? value.get(key) : undefined;
}

function equalMaps(a: Dict, b: Dict): boolean {
  if (a.size !== b.size) return false;
  for (const key of a.keys()) {
    const [x, y] = [a.get(key), b.get(key)];
    if (x === undefined || y === undefined || !equal(x, y)) return false;
  }
  return true;
}

function equalFields(a: Fields, b: Fields): boolean {
  const names = new Set([...a.names(), ...b.names()]);
  for (const name of names) {
    const [x, y] = [a.field(name), b.field(name)];
    if (x === undefined || y === undefined || !equal(x, y)) return false;
  }
  return true;
}

/** The number in a value; undefined for what is none. */
export function numeric(value: Value): bigint | number | undefined {
  if (typeof value === "bigint" || typeof value === "number") return value;
  return value instanceof Uint ? value.value : undefined;
}

/** Exact between integers and doubles; undefined with NaN. */
export function compareNumbers(a: bigint | number, b: bigint | number): number | undefined {
  if (Number.isNaN(a) || Number.isNaN(b)) return undefined;
  return a < b ? -1 : a > b ? 1 : 0;
}

/** -1, 0 or 1; undefined where there is no order between the two, NaN among them. */
export function compare(a: Value, b: Value): number | undefined {
  const [x, y] = [numeric(a), numeric(b)];
  if (x !== undefined && y !== undefined) return compareNumbers(x, y);
  if (typeof a === "string" && typeof b === "string") return compareText(a, b);
  if (typeof a === "boolean" && typeof b === "boolean") return Number(a) - Number(b);
  if (a instanceof Timestamp && b instanceof Timestamp) return compareNumbers(a.nanos, b.nanos);
  if (a instanceof Duration && b instanceof Duration) return compareNumbers(a.nanos, b.nanos);
  if (a instanceof Uint8Array && b instanceof Uint8Array) return compareBytes(a, b);
  return undefined;
}

/** By code points, as UTF-8 sorts. */
function compareText(a: string, b: string): number {
  const end = Math.min(a.length, b.length);
  for (let index = 0; index < end; index++) {
    if (a.charCodeAt(index) !== b.charCodeAt(index)) {
      const [x, y] = [a.codePointAt(index) ?? 0, b.codePointAt(index) ?? 0];
      // Halves of a pair sort after everything below U+FFFF.
      const high = (code: number): number => (code >= 0xdc00 && code <= 0xdfff ? code + 0x10000 : code);
      return high(x) < high(y) ? -1 : 1;
    }
  }
  return Math.sign(a.length - b.length);
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  return Math.sign(Buffer.compare(a, b));
}
