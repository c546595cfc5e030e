/**
 * Quantities: "500m", "1Gi", "0.5", "12e6": parsed, compared, added and written canonically.
 *
 * Exact: a quantity is a whole number of billionths, as in Kubernetes, rounded away from zero,
 * and never beyond 2^63-1. Sums keep the format of their first operand.
 * https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
 */

export type QuantityFormat = "DecimalSI" | "BinarySI" | "DecimalExponent";

export interface Quantity {
  readonly nanos: bigint;
  readonly format: QuantityFormat;
}

export class QuantityError extends Error {
  override readonly name = "QuantityError";
}

const NANO = 1_000_000_000n;
const MAX_NANOS = (2n ** 63n - 1n) * NANO;
const SHAPE = "^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$";

/** Suffix ► power of ten. */
const DECIMAL: Readonly<Record<string, number>> = {
  n: -9,
  u: -6,
  m: -3,
  "": 0,
  k: 3,
  M: 6,
  G: 9,
  T: 12,
  P: 15,
  E: 18,
};
/** Suffix ► power of two. */
const BINARY: Readonly<Record<string, bigint>> = { Ki: 10n, Mi: 20n, Gi: 30n, Ti: 40n, Pi: 50n, Ei: 60n };

const DECIMAL_SUFFIX = new Map(Object.entries(DECIMAL).map(([suffix, power]) => [power, suffix]));
const BINARY_SUFFIXES = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"] as const;

export const zeroQuantity: Quantity = Object.freeze({ nanos: 0n, format: "DecimalSI" as const });

/** Throws a QuantityError in Kubernetes' words. */
export function parseQuantity(text: string | number): Quantity {
  return (typeof text === "string" ? parseWhole(text) : undefined) ?? parseAny(text);
}

/** Suffix ► what one of it is in billionths. */
const UNITS = new Map<string, { readonly nanos: bigint; readonly format: QuantityFormat }>([
  ...Object.entries(DECIMAL).map(
    ([suffix, power]) => [suffix, { nanos: 10n ** BigInt(power + 9), format: "DecimalSI" }] as const,
  ),
  ...Object.entries(BINARY).map(
    ([suffix, power]) => [suffix, { nanos: 2n ** power * NANO, format: "BinarySI" }] as const,
  ),
]);

/** Nearly all are up to nine digits and a suffix. Undefined for others. */
function parseWhole(text: string): Quantity | undefined {
  let digits = 0;
  let whole = 0;
  for (; digits < text.length && digits < 10; digits++) {
    const digit = text.charCodeAt(digits) - 0x30;
    if (digit < 0 || digit > 9) break;
    whole = whole * 10 + digit;
  }
  const unit = digits === 0 || digits === 10 ? undefined : UNITS.get(text.slice(digits));
  return unit && { nanos: cap(BigInt(whole) * unit.nanos), format: unit.format };
}

function parseAny(text: string | number): Quantity {
  const match = /^([+-]?)(\d*)(?:\.(\d*))?([eEinumkKMGTP]*[-+]?\d*)$/.exec(String(text).trim());
  if (!match) {
    const numeric = /^[+-]?[0-9.]+/.test(String(text).trim());
    throw new QuantityError(
      numeric && new RegExp(SHAPE).test(String(text).trim())
        ? "unable to parse numeric part of quantity"
        : `quantities must match the regular expression '${SHAPE}'`,
    );
  }
  const [, sign, whole = "", fraction = "", suffix = ""] = match;
  if (whole === "" && fraction === "") {
    throw new QuantityError(`quantities must match the regular expression '${SHAPE}'`);
  }
  const { format, numerator, power } = readSuffix(suffix);
  const digits = BigInt(whole + fraction) * numerator;
  const nanos = cap(scale(digits, power - fraction.length + 9));
  const small = format === "BinarySI" && nanos > 0n && nanos < NANO;
  return { nanos: sign === "-" ? -nanos : nanos, format: small ? "DecimalSI" : format };
}

function readSuffix(suffix: string): { format: QuantityFormat; numerator: bigint; power: number } {
  const decimal = DECIMAL[suffix];
  if (decimal !== undefined) return { format: "DecimalSI", numerator: 1n, power: decimal };
  const binary = BINARY[suffix];
  if (binary !== undefined) return { format: "BinarySI", numerator: 2n ** binary, power: 0 };
  const exponent = /^[eE]([-+]?\d{1,3})$/.exec(suffix)?.[1];
  if (exponent === undefined) throw new QuantityError("unable to parse quantity's suffix");
  return { format: "DecimalExponent", numerator: 1n, power: Number(exponent) };
}

/** digits × 10^power, rounded away from zero. `digits` is not negative. */
function scale(digits: bigint, power: number): bigint {
  if (power >= 0) return digits * 10n ** BigInt(Math.min(power, 60));
  return divideUp(digits, 10n ** BigInt(-power));
}

const divideUp = (value: bigint, by: bigint): bigint =>
  value >= 0n ? (value + by - 1n) / by : -((-value + by - 1n) / by);
const cap = (nanos: bigint): bigint => (nanos > MAX_NANOS ? MAX_NANOS : nanos < -MAX_NANOS ? -MAX_NANOS : nanos);

/** The one way to write a quantity: largest suffix without a fraction. */
export function formatQuantity({ nanos, format }: Quantity): string {
  if (nanos === 0n) return "0";
  const negative = nanos < 0n;
  const size = negative ? -nanos : nanos;
  const binary = format === "BinarySI" && size >= 1024n * NANO && size % NANO === 0n;
  const text = binary ? writeBinary(size / NANO) : writeDecimal(size, format);
  return negative ? `-${text}` : text;
}

function writeBinary(value: bigint): string {
  let rest = value;
  let index = 0;
  while (rest % 1024n === 0n && index < BINARY_SUFFIXES.length - 1) {
    rest /= 1024n;
    index += 1;
  }
  return `${rest}${BINARY_SUFFIXES[index]}`;
}

function writeDecimal(nanos: bigint, format: QuantityFormat): string {
  let rest = nanos;
  let power = -9;
  while (rest % 1000n === 0n && power < 18) {
    rest /= 1000n;
    power += 3;
  }
  if (format !== "DecimalExponent") return `${rest}${DECIMAL_SUFFIX.get(power)}`;
  return power === 0 ? `${rest}` : `${rest}e${power}`;
}

/** "0.5" ► "500m". Most quantities that arrive are canonical already. */
export function canonicalQuantity(text: string | number): string {
  if (typeof text === "string" && CANONICAL.test(text)) return text;
  return formatQuantity(parseQuantity(text));
}

/** Three digits at most without a trailing zero: cannot be written shorter, and is not too large. */
const CANONICAL = /^(0|[1-9]\d{0,2}(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?)$/;

export const compareQuantities = (a: Quantity, b: Quantity): number =>
  a.nanos < b.nanos ? -1 : a.nanos > b.nanos ? 1 : 0;

export function addQuantities(a: Quantity, b: Quantity): Quantity {
  return { nanos: cap(a.nanos + b.nanos), format: a.nanos === 0n ? b.format : a.format };
}

export function subtractQuantities(a: Quantity, b: Quantity): Quantity {
  return { nanos: cap(a.nanos - b.nanos), format: a.nanos === 0n ? b.format : a.format };
}

/** Thousandths, rounded up: CPU in millicores. Absent counts as 0. */
export function milliValue(text: string | number | undefined): number {
  return text === undefined ? 0 : Number(divideUp(parseQuantity(text).nanos, 1_000_000n));
}

/** Units, rounded up: memory in bytes, numbers of Pods. Absent counts as 0. */
export function unitValue(text: string | number | undefined): number {
  return text === undefined ? 0 : Number(divideUp(parseQuantity(text).nanos, NANO));
}
