/**
 * Lists and sets: Kubernetes' list functions and the sets extension.
 */
import { CelRuntimeError, type CelType } from "../contract.ts";
import { looksThrough, multiply, scale, UNKNOWN } from "../costing.ts";
import { type Costing, global, list, member, type Overload, param, types } from "../declarations.ts";
import { compare, equal } from "../equality.ts";
import { checkedDuration } from "../time.ts";
import { checkedInt, checkedUint, Duration, type List, noOverload, sizeOf, Uint, type Value } from "../values.ts";

const { bool, int, uint, double, string, bytes, timestamp, duration } = types;
const A = param("A");

const comparable: readonly CelType[] = [int, uint, double, bool, duration, timestamp, string, bytes];
const summable: readonly (readonly [CelType, Value])[] = [
  [int, 0n],
  [uint, new Uint(0n)],
  [double, 0],
  [duration, new Duration(0n)],
];

function order(a: Value, b: Value): number {
  const found = compare(a, b);
  if (found === undefined) throw noOverload();
  return found;
}

function isSorted(items: List): boolean {
  for (let index = 1; index < items.size; index++) if (order(items.at(index - 1), items.at(index)) > 0) return false;
  return true;
}

function extreme(name: string, sign: number): (items: List) => Value {
  return (items) => {
    if (items.size === 0) throw new CelRuntimeError(`${name} called on empty list`);
    let best = items.at(0);
    for (const item of items) if (order(item, best) * sign > 0) best = item;
    return best;
  };
}

function plus(a: Value, b: Value): Value {
  if (typeof a === "bigint" && typeof b === "bigint") return checkedInt(a + b);
  if (typeof a === "number" && typeof b === "number") return a + b;
  if (a instanceof Uint && b instanceof Uint) return checkedUint(a.value + b.value);
  if (a instanceof Duration && b instanceof Duration) return checkedDuration(a.nanos + b.nanos);
  throw noOverload();
}

function indexOf(items: List, item: Value): Value {
  for (let index = 0; index < items.size; index++) if (equal(items.at(index), item)) return BigInt(index);
  return -1n;
}

function lastIndexOf(items: List, item: Value): Value {
  for (let index = items.size - 1; index >= 0; index--) if (equal(items.at(index), item)) return BigInt(index);
  return -1n;
}

const has = (items: List, item: Value): boolean => indexOf(items, item) !== -1n;
function contains(items: List, others: List): boolean {
  for (const other of others) if (!has(items, other)) return false;
  return true;
}
function intersects(items: List, others: List): boolean {
  for (const other of others) if (has(items, other)) return true;
  return false;
}

/** Every item of the one against every item of the other, `times` over. */
const crossed = (times: number): Costing => ({
  cost: ([a, b]) => sizeOf(a) * sizeOf(b) * times + 1,
  estimate: (args) => {
    const cost = scale(multiply(args[0]?.size ?? UNKNOWN, args[1]?.size ?? UNKNOWN), times);
    return { cost: { min: cost.min + 1, max: cost.max + 1 } };
  },
});

export const lists: readonly Overload[] = [
  ...comparable.flatMap((type) => [
    member("isSorted", `list_${type.kind}_is_sorted_bool`, [list(type)], bool, isSorted, looksThrough),
    member("max", `list_${type.kind}_max`, [list(type)], type, extreme("max", 1), looksThrough),
    member("min", `list_${type.kind}_min`, [list(type)], type, extreme("min", -1), looksThrough),
  ]),
  ...summable.map(([type, zero]) =>
    member("sum", `list_${type.kind}_sum`, [list(type)], type, (items: List) => sum(items, zero), looksThrough),
  ),
  member("indexOf", "list_a_index_of_int", [list(A), A], int, indexOf, looksThrough),
  member("lastIndexOf", "list_a_last_index_of_int", [list(A), A], int, lastIndexOf, looksThrough),
  global("sets.contains", "list_sets_contains_list", [list(A), list(A)], bool, contains, crossed(1)),
  global("sets.intersects", "list_sets_intersects_list", [list(A), list(A)], bool, intersects, crossed(1)),
  global(
    "sets.equivalent",
    "list_sets_equivalent_list",
    [list(A), list(A)],
    bool,
    (a: List, b: List) => contains(a, b) && contains(b, a),
    crossed(2),
  ),
];

function sum(items: List, zero: Value): Value {
  let total = items.size > 0 ? items.at(0) : zero;
  for (let index = 1; index < items.size; index++) total = plus(total, items.at(index));
  return total;
}
