/**
 * JSON whose integers survive: those beyond 2^53 stay as they were written.
 *
 * They are values of their own (JSON.rawJSON), which JSON.stringify writes unharmed. Never clone one
 * (structuredClone loses it) and never calculate with one.
 */

declare const raw: unique symbol;

/** An integer that a number cannot hold. */
export interface BigInteger {
  readonly [raw]: true;
  readonly rawJSON: string;
}

interface JsonWithRaw {
  rawJSON(text: string): BigInteger;
  isRawJSON(value: unknown): value is BigInteger;
}

const { rawJSON, isRawJSON } = JSON as unknown as JsonWithRaw;

export const isBigInteger = isRawJSON;

/** A number where it can hold the integer, else a BigInteger. */
export function integerOf(value: bigint): number | BigInteger {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : rawJSON(String(value));
}

/** JSON.parse that keeps integers beyond 2^53. The common text without any takes the quick way. */
export function parseJson(text: string): unknown {
  return LONG_INTEGER.test(text) ? JSON.parse(text, keepInteger) : JSON.parse(text);
}

const LONG_INTEGER = /\d{16}/;

function keepInteger(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value !== "number" || Number.isSafeInteger(value) || context?.source === undefined) return value;
  return /^-?\d+$/.test(context.source) ? rawJSON(context.source) : value;
}
