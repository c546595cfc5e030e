/**
 * Operators: arithmetic, comparison, equality, membership and indexing of the language itself.
 *
 * Integers are of 64 bits and never wrap: what does not fit is an error.
 */

import { optionalField } from "../access.ts";
import { CelRuntimeError, type CelType } from "../contract.ts";
import { compares, joins, ONE, UNKNOWN } from "../costing.ts";
import { global, list, map, type Overload, optional, param, types } from "../declarations.ts";
import { compare, equal, sameKeys } from "../equality.ts";
import { checkedDuration, checkedTimestamp } from "../time.ts";
import {
  ArrayList,
  characters,
  checkedInt,
  checkedUint,
  Dict,
  type Duration,
  type EntryMap,
  Fields,
  List,
  none,
  noOverload,
  Optional,
  sizeOf,
  type Timestamp,
  type Uint,
  type Value,
} from "../values.ts";

const { bool, int, uint, double, string, bytes, timestamp, duration, dyn } = types;
const A = param("A");
const B = param("B");
const listA = list(A);
const mapAB = map(A, B);

const divided = (b: bigint, what: string): void => {
  if (b === 0n) throw new CelRuntimeError(`${what} by zero`);
};

const arithmetic: readonly Overload[] = [
  global("_+_", "add_int64", [int, int], int, (a: bigint, b: bigint) => checkedInt(a + b)),
  global("_+_", "add_uint64", [uint, uint], uint, (a: Uint, b: Uint) => checkedUint(a.value + b.value)),
  global("_+_", "add_double", [double, double], double, (a: number, b: number) => a + b),
  global("_+_", "add_string", [string, string], string, (a: string, b: string) => a + b, joins(0.1)),
  global(
    "_+_",
    "add_bytes",
    [bytes, bytes],
    bytes,
    (a: Uint8Array, b: Uint8Array) => new Uint8Array(Buffer.concat([a, b])),
    joins(0.1),
  ),
  global("_+_", "add_list", [listA, listA], listA, concatenate, joins(0)),
  global("_+_", "add_timestamp_duration", [timestamp, duration], timestamp, (a: Timestamp, b: Duration) =>
    checkedTimestamp(a.nanos + b.nanos),
  ),
  global("_+_", "add_duration_timestamp", [duration, timestamp], timestamp, (a: Duration, b: Timestamp) =>
    checkedTimestamp(a.nanos + b.nanos),
  ),
  global("_+_", "add_duration_duration", [duration, duration], duration, (a: Duration, b: Duration) =>
    checkedDuration(a.nanos + b.nanos),
  ),
  global("_-_", "subtract_int64", [int, int], int, (a: bigint, b: bigint) => checkedInt(a - b)),
  global("_-_", "subtract_uint64", [uint, uint], uint, (a: Uint, b: Uint) => checkedUint(a.value - b.value)),
  global("_-_", "subtract_double", [double, double], double, (a: number, b: number) => a - b),
  global("_-_", "subtract_timestamp_timestamp", [timestamp, timestamp], duration, (a: Timestamp, b: Timestamp) =>
    checkedDuration(a.nanos - b.nanos),
  ),
  global("_-_", "subtract_timestamp_duration", [timestamp, duration], timestamp, (a: Timestamp, b: Duration) =>
    checkedTimestamp(a.nanos - b.nanos),
  ),
  global("_-_", "subtract_duration_duration", [duration, duration], duration, (a: Duration, b: Duration) =>
    checkedDuration(a.nanos - b.nanos),
  ),
  global("_*_", "multiply_int64", [int, int], int, (a: bigint, b: bigint) => checkedInt(a * b)),
  global("_*_", "multiply_uint64", [uint, uint], uint, (a: Uint, b: Uint) => checkedUint(a.value * b.value)),
  global("_*_", "multiply_double", [double, double], double, (a: number, b: number) => a * b),
  global("_/_", "divide_int64", [int, int], int, (a: bigint, b: bigint) => {
    divided(b, "division");
    return checkedInt(a / b);
  }),
  global("_/_", "divide_uint64", [uint, uint], uint, (a: Uint, b: Uint) => {
    divided(b.value, "division");
    return checkedUint(a.value / b.value);
  }),
  global("_/_", "divide_double", [double, double], double, (a: number, b: number) => a / b),
  global("_%_", "modulo_int64", [int, int], int, (a: bigint, b: bigint) => {
    divided(b, "modulus");
    return checkedInt(a % b);
  }),
  global("_%_", "modulo_uint64", [uint, uint], uint, (a: Uint, b: Uint) => {
    divided(b.value, "modulus");
    return checkedUint(a.value % b.value);
  }),
  global("-_", "negate_int64", [int], int, (a: bigint) => checkedInt(-a)),
  global("-_", "negate_double", [double], double, (a: number) => -a),
  global("!_", "logical_not", [bool], bool, (a: boolean) => !a),
];

/** Lists that the schema calls sets or maps are joined as such: nothing twice, the right side's entry wins. */
function concatenate(a: List, b: List): Value {
  if (a.listType === "set") {
    const items = [...a];
    for (const item of b) if (!items.some((other) => equal(other, item))) items.push(item);
    return new JoinedList(items, a);
  }
  if (a.listType === "map") {
    const items = [...a];
    for (const item of b) {
      const at = items.findIndex((other) => sameKeys(other, item, a.mapKeys));
      if (at < 0) items.push(item);
      else items[at] = item;
    }
    return new JoinedList(items, a);
  }
  return new ArrayList([...a, ...b]);
}

class JoinedList extends ArrayList {
  override readonly listType: "set" | "map" | undefined;
  override readonly mapKeys: readonly string[];
  constructor(items: Value[], { listType, mapKeys }: List) {
    super(items);
    this.listType = listType;
    this.mapKeys = mapKeys;
  }
}

const ordered: readonly CelType[] = [bool, int, uint, double, string, bytes, timestamp, duration];
const numbers: readonly CelType[] = [int, uint, double];
const pairs: readonly (readonly [CelType, CelType])[] = [
  ...ordered.map((type) => [type, type] as const),
  ...numbers.flatMap((a) => numbers.filter((b) => b !== a).map((b) => [a, b] as const)),
];

const orders: Readonly<Record<string, readonly [string, (order: number) => boolean]>> = {
  "_<_": ["less", (order) => order < 0],
  "_<=_": ["less_equals", (order) => order <= 0],
  "_>_": ["greater", (order) => order > 0],
  "_>=_": ["greater_equals", (order) => order >= 0],
};

const comparisons: readonly Overload[] = Object.entries(orders).flatMap(([name, [id, holds]]) =>
  pairs.map(([a, b]) =>
    global(
      name,
      `${id}_${a.kind}${a === b ? "" : `_${b.kind}`}`,
      [a, b],
      bool,
      (x: Value, y: Value) => {
        const order = compare(x, y);
        return order !== undefined && holds(order);
      },
      a.kind === "string" || a.kind === "bytes" ? compares : {},
    ),
  ),
);

const equality: readonly Overload[] = [
  global("_==_", "equals", [A, A], bool, equal, compares),
  global("_!=_", "not_equals", [A, A], bool, (a: Value, b: Value) => !equal(a, b), compares),
];

const membership: readonly Overload[] = [
  global(
    "@in",
    "in_list",
    [A, listA],
    bool,
    (item: Value, list: List) => {
      for (const other of list) if (equal(item, other)) return true;
      return false;
    },
    {
      cost: (args) => sizeOf(args[1]),
      estimate: (args) => ({ cost: args[1]?.size ?? UNKNOWN }),
    },
  ),
  global("@in", "in_map", [A, mapAB], bool, (key: Value, map: Dict) => map.get(key) !== undefined),
];

function index(list: List, at: Value): Value | undefined {
  const number = typeof at === "number" ? at : Number(typeof at === "bigint" ? at : (at as Uint).value);
  if (!Number.isInteger(number) || number < 0 || number >= list.size) return undefined;
  return list.at(number);
}

function element(list: List, at: Value): Value {
  const value = index(list, at);
  if (value === undefined) throw new CelRuntimeError(`index out of bounds: ${textOf(at)}`);
  return value;
}

function entry(map: Dict, key: Value): Value {
  const value = map.get(key);
  if (value === undefined) throw new CelRuntimeError(`no such key: ${textOf(key)}`);
  return value;
}

const textOf = (value: Value): string =>
  String(typeof value === "object" && value !== null && "value" in value ? value.value : value);

/** `a[?b]` and `optional[b]`: absent where there is no such thing. */
function optionalIndex(value: Value, key: Value): Value {
  const from = value instanceof Optional ? value.value : value;
  if (from === undefined) return none;
  let found: Value | undefined;
  if (from instanceof List) found = index(from, key);
  else if (from instanceof Dict) found = from.get(key);
  else if (from instanceof Fields && typeof key === "string") return optionalField(from, key);
  else throw noOverload();
  return found === undefined ? none : new Optional(found);
}

const indexing: readonly Overload[] = [
  global("_[_]", "index_list", [listA, int], A, element),
  global("_[_]", "index_map", [mapAB, A], B, entry),
  global("_[_]", "optional_list_index_int", [optional(listA), int], optional(A), optionalIndex),
  global("_[_]", "optional_map_index_value", [optional(mapAB), A], optional(B), optionalIndex),
  global("_[?_]", "list_optindex_optional_int", [listA, int], optional(A), optionalIndex),
  global("_[?_]", "optional_list_optindex_optional_int", [optional(listA), int], optional(A), optionalIndex),
  global("_[?_]", "map_optindex_optional_value", [mapAB, A], optional(B), optionalIndex),
  global("_[?_]", "optional_map_optindex_optional_value", [optional(mapAB), A], optional(B), optionalIndex),
  global("_?._", "select_optional_field", [dyn, string], optional(dyn), optionalField),
];

/** What plan.ts carries out itself; here for their types. */
const forms: readonly Overload[] = [
  global("_&&_", "logical_and", [bool, bool], bool, (a: boolean, b: boolean) => a && b),
  global("_||_", "logical_or", [bool, bool], bool, (a: boolean, b: boolean) => a || b),
  global("_?_:_", "conditional", [bool, A, A], A, (a: boolean, b: Value, c: Value) => (a ? b : c)),
  global("@not_strictly_false", "not_strictly_false", [bool], bool, (a: Value) => a !== false),
  global("cel.@mapInsert", "@mapInsert_map_key_value", [mapAB, A, B], mapAB, (map: EntryMap) => map),
  global("cel.@mapInsert", "@mapInsert_map_map", [mapAB, mapAB], mapAB, (map: EntryMap) => map),
  global("dyn", "to_dyn", [A], dyn, (value: Value) => value, {
    estimate: (args) => ({ cost: ONE, size: args[0]?.size ?? UNKNOWN }),
  }),
];

const sized: readonly (readonly [CelType, string, (value: never) => number])[] = [
  [string, "string", (value: string) => characters(value)],
  [bytes, "bytes", (value: Uint8Array) => value.length],
  [listA, "list", (value: List) => value.size],
  [mapAB, "map", (value: Dict) => value.size],
];
const sizes: readonly Overload[] = sized.flatMap(([type, id, size]) => {
  const run = (value: Value): Value => BigInt((size as (value: Value) => number)(value));
  return [
    global("size", `size_${id}`, [type], int, run),
    { ...global("size", `${id}_size`, [type], int, run), member: true },
  ];
});

export const operators: readonly Overload[] = [
  ...arithmetic,
  ...comparisons,
  ...equality,
  ...membership,
  ...indexing,
  ...forms,
  ...sizes,
];
