/**
 * Quantity: "1Gi", "500m" as values that can be compared, added and taken apart.
 */
import {
  addQuantities,
  compareQuantities,
  parseQuantity,
  type Quantity,
  QuantityError,
  subtractQuantities,
} from "../../../machinery/objects/quantity.ts";
import { CelRuntimeError } from "../contract.ts";
import { fixed, walks } from "../costing.ts";
import { global, member, type Overload, opaque, types } from "../declarations.ts";
import { Opaque } from "../values.ts";

const { bool, int, string, double } = types;
const quantityType = opaque("kubernetes.Quantity");
const UNIT = 1_000_000_000n;

class QuantityValue extends Opaque {
  readonly typeName = "kubernetes.Quantity";
  readonly quantity: Quantity;
  constructor(quantity: Quantity) {
    super();
    this.quantity = quantity;
  }
  equals(other: Opaque): boolean {
    return other instanceof QuantityValue && compareQuantities(this.quantity, other.quantity) === 0;
  }
}

function parsed(text: string): Quantity | undefined {
  try {
    return parseQuantity(text);
  } catch (error) {
    if (error instanceof QuantityError) return undefined;
    throw error;
  }
}

function toQuantity(text: string): QuantityValue {
  try {
    return new QuantityValue(parseQuantity(text));
  } catch (error) {
    if (error instanceof QuantityError) throw new CelRuntimeError(error.message);
    throw error;
  }
}

const isInteger = ({ quantity }: QuantityValue): boolean =>
  quantity.nanos % UNIT === 0n && quantity.nanos / UNIT < 2n ** 63n && quantity.nanos / UNIT >= -(2n ** 63n);

function asInteger(value: QuantityValue): bigint {
  if (!isInteger(value)) throw new CelRuntimeError("cannot convert value to integer");
  return value.quantity.nanos / UNIT;
}

const other = (value: QuantityValue | bigint): Quantity =>
  typeof value === "bigint" ? { nanos: value * UNIT, format: "DecimalSI" } : value.quantity;
const compared = (a: QuantityValue, b: QuantityValue): number => compareQuantities(a.quantity, b.quantity);
const plus = (a: QuantityValue, b: QuantityValue | bigint): QuantityValue =>
  new QuantityValue(addQuantities(a.quantity, other(b)));
const minus = (a: QuantityValue, b: QuantityValue | bigint): QuantityValue =>
  new QuantityValue(subtractQuantities(a.quantity, other(b)));
const sign = ({ quantity: { nanos } }: QuantityValue): bigint => (nanos > 0n ? 1n : nanos < 0n ? -1n : 0n);

const one = fixed(1);
const two = [quantityType, quantityType];

export const quantities: readonly Overload[] = [
  global("quantity", "string_to_quantity", [string], quantityType, toQuantity, walks(0)),
  global("isQuantity", "is_quantity_string", [string], bool, (text: string) => parsed(text) !== undefined, walks(0)),
  member("sign", "quantity_sign", [quantityType], int, sign, one),
  member(
    "isGreaterThan",
    "quantity_is_greater_than",
    two,
    bool,
    (a: QuantityValue, b: QuantityValue) => compared(a, b) > 0,
    one,
  ),
  member(
    "isLessThan",
    "quantity_is_less_than",
    two,
    bool,
    (a: QuantityValue, b: QuantityValue) => compared(a, b) < 0,
    one,
  ),
  member(
    "compareTo",
    "quantity_compare_to",
    two,
    int,
    (a: QuantityValue, b: QuantityValue) => BigInt(Math.sign(compared(a, b))),
    one,
  ),
  member(
    "asApproximateFloat",
    "quantity_get_float",
    [quantityType],
    double,
    ({ quantity }: QuantityValue) => Number(quantity.nanos) / 1e9,
    one,
  ),
  member("asInteger", "quantity_get_int", [quantityType], int, asInteger, one),
  member("isInteger", "quantity_is_integer", [quantityType], bool, isInteger, one),
  member("add", "quantity_add", two, quantityType, plus, one),
  member("add", "quantity_add_int", [quantityType, int], quantityType, plus, one),
  member("sub", "quantity_sub", two, quantityType, minus, one),
  member("sub", "quantity_sub_int", [quantityType, int], quantityType, minus, one),
];

export const quantityTypes = { "kubernetes.Quantity": quantityType } as const;
