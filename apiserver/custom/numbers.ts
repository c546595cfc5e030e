/**
 * Numbers of custom kinds: comparisons that hold for integers beyond 2^53 too, and the ranges of formats.
 */
import { isBigInteger } from "../../machinery/objects/json.ts";

/** Negative, zero or positive. `value` is a number of JSON. */
export function compareNumbers(value: unknown, limit: number): number {
  if (!isBigInteger(value)) return Math.sign((value as number) - limit);
  const wide = BigInt(value.rawJSON);
  // JavaScript compares integers of both kinds exactly
  return wide > limit ? 1 : wide < limit ? -1 : 0;
}

export function isMultipleOf(value: unknown, factor: number): boolean {
  if (factor <= 0) return true;
  if (isBigInteger(value)) return Number.isInteger(factor) ? BigInt(value.rawJSON) % BigInt(factor) === 0n : true;
  return Number.isInteger((value as number) / factor);
}

const RANGES: Readonly<Record<string, readonly [type: string, low: number, high: number]>> = {
  int32: ["integer", -(2 ** 31), 2 ** 31 - 1],
  uint32: ["integer", 0, 2 ** 32 - 1],
  int64: ["integer", -(2 ** 63), 2 ** 63],
  uint64: ["integer", 0, 2 ** 64],
  float: ["number", -3.4028234663852886e38, 3.4028234663852886e38],
};

/** Undefined when the value is within its format: "integer with format int32". */
export function rangeProblem(value: unknown, format: string): string | undefined {
  const range = Object.hasOwn(RANGES, format) ? RANGES[format] : undefined;
  if (!range) return undefined;
  const [type, low, high] = range;
  return compareNumbers(value, low) < 0 || compareNumbers(value, high) > 0
    ? `${type} with format ${format}`
    : undefined;
}
