/**
 * Format: "…%s…".format([…]), with the verbs s, d, f, e, b, x, X and o.
 */
import { CelRuntimeError } from "../contract.ts";
import { durationText, timestampText } from "../time.ts";
import { Dict, Duration, List, Timestamp, TypeValue, typeOf, Uint, type Value } from "../values.ts";
import { doubleText } from "./conversions.ts";

const MAX_PRECISION = 100;

export function format(text: string, args: List): string {
  let next = 0;
  return text.replace(
    /%(?:%|(?:\.(\d+))?([\s\S])|$)/g,
    (whole, precision: string | undefined, verb: string | undefined) => {
      if (whole === "%%") return "%";
      if (verb === undefined) throw new CelRuntimeError("unexpected end of string");
      if (next >= args.size) throw new CelRuntimeError(`index ${next} out of range`);
      const digits = precision === undefined ? 6 : Number(precision);
      if (digits > MAX_PRECISION)
        throw new CelRuntimeError(`precision ${digits} out of range, maximum is ${MAX_PRECISION}`);
      const write = verbs[verb];
      if (!write)
        throw new CelRuntimeError(`could not parse formatting clause: unrecognized formatting clause "${verb}"`);
      return write(args.at(next++), digits);
    },
  );
}

const wrong = (verb: string, allowed: string, value: Value): CelRuntimeError =>
  new CelRuntimeError(
    `error during formatting: ${verb} clause can only be used on ${allowed}, was given ${typeOf(value)}`,
  );

function whole(value: Value): bigint | undefined {
  if (typeof value === "bigint") return value;
  return value instanceof Uint ? value.value : undefined;
}

function real(value: Value, verb: string): number {
  if (typeof value === "number") return value;
  const number = whole(value);
  if (number !== undefined) return Number(number);
  if (value === "NaN") return Number.NaN;
  if (value === "Infinity") return Number.POSITIVE_INFINITY;
  if (value === "-Infinity") return Number.NEGATIVE_INFINITY;
  throw wrong(verb, "doubles", value);
}

const special = (value: number): string | undefined =>
  Number.isFinite(value) ? undefined : Number.isNaN(value) ? "NaN" : value > 0 ? "∞" : "-∞";

function hexadecimal(value: Value): string {
  const number = whole(value);
  if (number !== undefined) return number.toString(16);
  if (typeof value === "string") return Buffer.from(value).toString("hex");
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  throw wrong("hex", "integers, byte buffers, and strings", value);
}

const verbs: Readonly<Record<string, (value: Value, digits: number) => string>> = {
  s: (value) => plainText(value),
  d: (value) => {
    const number = whole(value);
    if (number !== undefined) return String(number);
    if (typeof value === "number") return special(value) ?? doubleText(value);
    throw wrong("decimal", "integers", value);
  },
  f: (value, digits) => {
    const number = real(value, "fixed-point");
    return special(number) ?? number.toFixed(digits);
  },
  e: (value, digits) => {
    const number = real(value, "scientific");
    return special(number) ?? number.toExponential(digits).replace(/e([+-])(\d)$/, "e$10$2");
  },
  b: (value) => {
    if (typeof value === "boolean") return value ? "1" : "0";
    const number = whole(value);
    if (number !== undefined) return number.toString(2);
    throw wrong("only integers and bools can be formatted as binary;", "integers and bools", value);
  },
  x: (value) => hexadecimal(value),
  X: (value) => hexadecimal(value).toUpperCase(),
  o: (value) => {
    const number = whole(value);
    if (number !== undefined) return number.toString(8);
    throw wrong("octal", "integers", value);
  },
};

function plainText(value: Value): string {
  if (typeof value === "string") return value;
  if (value === null) return "null";
  if (typeof value === "boolean" || typeof value === "bigint") return String(value);
  if (typeof value === "number") return special(value) === undefined ? doubleText(value) : String(value);
  if (value instanceof Uint) return String(value.value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString("utf8");
  if (value instanceof Timestamp) return timestampText(value);
  if (value instanceof Duration) return durationText(value);
  if (value instanceof TypeValue) return value.name;
  if (value instanceof List) return `[${[...value].map(plainText).join(", ")}]`;
  if (value instanceof Dict) {
    const entries = [...value.keys()].map((key) => [plainText(key), plainText(value.get(key) as Value)] as const);
    entries.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    return `{${entries.map(([key, text]) => `${key}: ${text}`).join(", ")}}`;
  }
  throw wrong("string", "strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps", value);
}
