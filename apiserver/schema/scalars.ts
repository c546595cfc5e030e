/**
 * Scalars: how each type without fields of its own is read, and what Go's decoder says when it cannot be.
 *
 * A decoder answers the value as Kubernetes keeps it, or a Problem; format errors of quantities, times and
 * base64 are thrown as they are, for Go adds no field to them. See decode.ts for the place of a problem.
 */
import { type BigInteger, isBigInteger } from "../../machinery/objects/json.ts";
import { canonicalQuantity, QuantityError } from "../../machinery/objects/quantity.ts";
import type { FieldType } from "./contract.ts";
import { goKindOf } from "./go-types.ts";
import { canonicalMicroTime, canonicalTime, TimeError } from "./rfc3339.ts";

/** Its message is what follows "cannot be handled as a Pod: ". */
export class DecodeError extends Error {
  override readonly name = "DecodeError";
}

/** "cannot unmarshal <found> into … of type <wanted>"; without `wanted`, of the field's own type. */
export interface Problem {
  readonly found: string;
  readonly wanted?: string;
}

export type ScalarKind = Exclude<FieldType["kind"], "raw" | "deduced" | "message" | "list" | "map">;
type Scalar = string | number | boolean | BigInteger;

const problem = (value: unknown, wanted?: string): Problem => ({
  found: goKindOf(value),
  ...(wanted === undefined ? {} : { wanted }),
});

const string = (value: unknown): Scalar | Problem => (typeof value === "string" ? value : problem(value));
const boolean = (value: unknown): Scalar | Problem => (typeof value === "boolean" ? value : problem(value));

function double(value: unknown): Scalar | Problem {
  if (isBigInteger(value)) return Number(value.rawJSON);
  return typeof value === "number" ? value : problem(value);
}

const INT32 = 2 ** 31;
const INT64 = 2n ** 63n;

function int32(value: unknown): Scalar | Problem {
  if (typeof value === "number" && Number.isInteger(value) && value >= -INT32 && value < INT32) return value;
  return { found: foundNumber(value) ?? goKindOf(value), wanted: "int32" };
}

function int64(value: unknown): Scalar | Problem {
  if (typeof value === "number" && Number.isInteger(value) && value >= -DOUBLE_INT64 && value < DOUBLE_INT64)
    return value;
  if (isBigInteger(value) && fitsInt64(BigInt(value.rawJSON))) return value;
  return { found: foundNumber(value) ?? goKindOf(value) };
}

/** Integers that a number cannot hold come as BigIntegers. */
const DOUBLE_INT64 = 2 ** 63;

const fitsInt64 = (value: bigint): boolean => value >= -INT64 && value < INT64;

/** A number that does not fit is shown. */
function foundNumber(value: unknown): string | undefined {
  if (isBigInteger(value)) return `number ${value.rawJSON}`;
  return typeof value === "number" ? `number ${value}` : undefined;
}

function intOrString(value: unknown): Scalar | Problem {
  return typeof value === "string" ? value : int32(value);
}

function quantity(value: unknown): Scalar | Problem {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return asDecodeError(() => canonicalQuantity(text));
}

function time(value: unknown): Scalar | Problem {
  return typeof value === "string" ? asDecodeError(() => canonicalTime(value)) : problem(value, "string");
}

function microTime(value: unknown): Scalar | Problem {
  return typeof value === "string" ? asDecodeError(() => canonicalMicroTime(value)) : problem(value, "string");
}

const DURATION = /^[+-]?(?:0|(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)$/;

function duration(value: unknown): Scalar | Problem {
  if (typeof value !== "string") return problem(value, "string");
  if (!DURATION.test(value)) throw new DecodeError(`time: invalid duration ${JSON.stringify(value)}`);
  return value;
}

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

function bytes(value: unknown): Scalar | Problem {
  if (typeof value !== "string") return problem(value);
  const text = /[\r\n]/.test(value) ? value.replaceAll(/[\r\n]/g, "") : value;
  if (!BASE64.test(text)) throw new DecodeError(`illegal base64 data at input byte ${firstIllegal(text)}`);
  return text;
}

function firstIllegal(text: string): number {
  const at = text.search(/[^A-Za-z0-9+/]/);
  return at < 0 ? text.length - (text.length % 4) : at;
}

function asDecodeError<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof QuantityError || error instanceof TimeError) throw new DecodeError(error.message);
    throw error;
  }
}

const DECODERS: Readonly<Record<ScalarKind, (value: unknown) => Scalar | Problem>> = {
  string,
  boolean,
  double,
  int32,
  int64,
  bytes,
  quantity,
  intOrString,
  time,
  microTime,
  duration,
};

export const scalarDecoder = (kind: ScalarKind) => DECODERS[kind];

const ZEROS: Readonly<Record<FieldType["kind"], () => unknown>> = {
  string: () => "",
  boolean: () => false,
  double: () => 0,
  int32: () => 0,
  int64: () => 0,
  bytes: () => "",
  quantity: () => "0",
  intOrString: () => 0,
  time: () => "0001-01-01T00:00:00Z",
  microTime: () => "0001-01-01T00:00:00.000000Z",
  duration: () => "0s",
  raw: () => null,
  deduced: () => null,
  message: () => ({}),
  list: () => [],
  map: () => ({}),
};

/** What null stands for as an item of a list or map: Go's zero value. */
export const zeroOf = (type: FieldType): (() => unknown) => ZEROS[type.kind];
