/**
 * Conversions: from one of the language's own types to another, and `type()`.
 */
import { CelRuntimeError } from "../contract.ts";
import { TEXT, UNKNOWN, walks } from "../costing.ts";
import { global, type Overload, param, types, typeType } from "../declarations.ts";
import { durationText, floorDivide, parseDuration, parseTimestamp, timestampText } from "../time.ts";
import {
  checkedInt,
  checkedUint,
  type Duration,
  Timestamp,
  TypeValue as Type,
  type TypeValue,
  typeOf,
  type Uint,
  type Value,
} from "../values.ts";

const { bool, int, uint, double, string, bytes, timestamp, duration } = types;

const failed = (from: string, to: string): CelRuntimeError =>
  new CelRuntimeError(`type conversion error from '${from}' to '${to}'`);

function parsed(text: string, pattern: RegExp, to: string): bigint {
  if (!pattern.test(text)) throw failed("string", to);
  try {
    return to === "int" ? checkedInt(BigInt(text.replace(/^\+/, ""))) : checkedUint(BigInt(text)).value;
  } catch {
    throw failed("string", to);
  }
}

function wholeNumber(value: number, what: string): bigint {
  if (!Number.isFinite(value)) throw new CelRuntimeError(`${what} overflow`);
  return BigInt(Math.trunc(value));
}

function decoded(value: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(value);
  } catch {
    throw new CelRuntimeError("invalid UTF-8 in bytes, cannot convert to string");
  }
}

/** As Go prints a float64 with %v: an exponent only where it is long. */
export function doubleText(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  if (Object.is(value, -0)) return "-0";
  const exponent = value === 0 ? 0 : Number(value.toExponential().split("e")[1]);
  if (exponent >= -4 && exponent < 21)
    return value.toString().includes("e") ? value.toFixed(-exponent + 15).replace(/0+$/, "") : value.toString();
  return value.toExponential().replace(/e([+-])(\d)$/, "e$10$2");
}

function parsedDouble(text: string): number {
  if (/^[+-]?(inf|infinity)$/i.test(text))
    return text.startsWith("-") ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  if (/^nan$/i.test(text)) return Number.NaN;
  if (!/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text)) throw failed("string", "double");
  return Number(text);
}

const truths: Readonly<Record<string, boolean>> = {
  "1": true,
  t: true,
  T: true,
  true: true,
  TRUE: true,
  True: true,
  "0": false,
  f: false,
  F: false,
  false: false,
  FALSE: false,
  False: false,
};

function parsedBool(text: string): boolean {
  const value = Object.hasOwn(truths, text) ? truths[text] : undefined;
  if (value === undefined) throw failed("string", "bool");
  return value;
}

const same = (value: Value): Value => value;

export const conversions: readonly Overload[] = [
  global("bool", "bool_to_bool", [bool], bool, same),
  global("bool", "string_to_bool", [string], bool, parsedBool),
  global("int", "int64_to_int64", [int], int, same),
  global("int", "uint64_to_int64", [uint], int, (value: Uint) => checkedInt(value.value)),
  global("int", "double_to_int64", [double], int, (value: number) => {
    if (value <= -(2 ** 63) || value >= 2 ** 63) throw new CelRuntimeError("integer overflow");
    return checkedInt(wholeNumber(value, "integer"));
  }),
  global("int", "string_to_int64", [string], int, (value: string) => parsed(value, /^[+-]?\d+$/, "int")),
  global("int", "timestamp_to_int64", [timestamp], int, (value: Timestamp) => floorDivide(value.nanos, 1_000_000_000n)),
  global("int", "duration_to_int64", [duration], int, (value: Duration) => value.nanos),
  global("uint", "uint64_to_uint64", [uint], uint, same),
  global("uint", "int64_to_uint64", [int], uint, (value: bigint) => checkedUint(value)),
  global("uint", "double_to_uint64", [double], uint, (value: number) => {
    if (value < 0 || value >= 2 ** 64) throw new CelRuntimeError("unsigned integer overflow");
    return checkedUint(wholeNumber(value, "unsigned integer"));
  }),
  global("uint", "string_to_uint64", [string], uint, (value: string) => checkedUint(parsed(value, /^\d+$/, "uint"))),
  global("double", "double_to_double", [double], double, same),
  global("double", "int64_to_double", [int], double, (value: bigint) => Number(value)),
  global("double", "uint64_to_double", [uint], double, (value: Uint) => Number(value.value)),
  global("double", "string_to_double", [string], double, parsedDouble),
  global("string", "string_to_string", [string], string, same),
  global("string", "bool_to_string", [bool], string, String),
  global("string", "int64_to_string", [int], string, String),
  global("string", "uint64_to_string", [uint], string, (value: Uint) => String(value.value)),
  global("string", "double_to_string", [double], string, doubleText),
  global(
    "string",
    "bytes_to_string",
    [bytes],
    string,
    decoded,
    walks(0, TEXT, ({ min, max }) => ({ min: Math.floor(min / 4), max })),
  ),
  global("string", "timestamp_to_string", [timestamp], string, timestampText),
  global("string", "duration_to_string", [duration], string, durationText),
  global("bytes", "bytes_to_bytes", [bytes], bytes, same),
  global(
    "bytes",
    "string_to_bytes",
    [string],
    bytes,
    (value: string) => new Uint8Array(Buffer.from(value)),
    walks(0, TEXT, ({ min, max }) => ({ min, max: max * 4 })),
  ),
  global("timestamp", "timestamp_to_timestamp", [timestamp], timestamp, same),
  global("timestamp", "string_to_timestamp", [string], timestamp, timestampOf),
  global("timestamp", "int64_to_timestamp", [int], timestamp, (value: bigint) => {
    if (value < -62_135_596_800n || value > 253_402_300_799n) throw new CelRuntimeError("timestamp overflow");
    return new Timestamp(value * 1_000_000_000n);
  }),
  global("duration", "duration_to_duration", [duration], duration, same),
  global("duration", "string_to_duration", [string], duration, parseDuration),
  global("type", "type", [param("A")], typeType(param("A")), (value: Value): TypeValue => new Type(typeOf(value)), {
    estimate: () => ({ cost: { min: 1, max: 1 }, size: UNKNOWN }),
  }),
];

/** A date alone is no timestamp here, only where a schema's format says so. */
function timestampOf(text: string): Timestamp {
  if (!text.includes("T") && !text.includes("t")) throw failed("string", "google.protobuf.Timestamp");
  return parseTimestamp(text);
}
