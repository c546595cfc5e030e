/**
 * Costing: the measures of cost that libraries share, at run time and as estimates.
 *
 * The factors are those of cel-go: a tenth for each character walked over, a quarter for each of a pattern.
 */
import type { CostEstimate } from "./contract.ts";
import type { Costing, Size, SizedNode } from "./declarations.ts";
import { Dict, Fields, List, sizeOf, type Value } from "./values.ts";

export const TEXT = 0.1;
export const PATTERN = 0.25;
export const UNKNOWN: Size = { min: 0, max: Number.POSITIVE_INFINITY };
export const ONE: CostEstimate = { min: 1, max: 1 };

export const add = (...sums: readonly CostEstimate[]): CostEstimate =>
  sums.reduce((a, b) => ({ min: a.min + b.min, max: a.max + b.max }), { min: 0, max: 0 });

/** Nothing times anything is nothing, endless too. */
const product = (a: number, b: number): number => (a === 0 || b === 0 ? 0 : a * b);
export const multiply = (a: CostEstimate, b: CostEstimate): CostEstimate => ({
  min: product(a.min, b.min),
  max: product(a.max, b.max),
});
export const scale = ({ min, max }: CostEstimate, factor: number): CostEstimate => ({
  min: Math.ceil(min * factor),
  max: Math.ceil(max * factor),
});
export const union = (a: CostEstimate, b: CostEstimate): CostEstimate => ({
  min: Math.min(a.min, b.min),
  max: Math.max(a.max, b.max),
});

const sizeAt = (args: readonly SizedNode[], index: number): Size => args[index]?.size ?? UNKNOWN;

/** Walks over one argument's text once; what comes out may be `size` long. */
export const walks = (index: number, factor = TEXT, size?: (from: Size) => Size): Costing => ({
  cost: (args) => Math.ceil(sizeOf(args[index]) * factor),
  estimate: (args) => {
    const from = sizeAt(args, index);
    return size ? { cost: scale(from, factor), size: size(from) } : { cost: scale(from, factor) };
  },
});

/** A pattern run over a text: every place of the one may meet every part of the other. */
export const patternCost = (text: number, pattern: number): number =>
  Math.ceil((1 + text) * TEXT) * Math.ceil(pattern * PATTERN);
export const patternEstimate = (text: Size, pattern: Size): CostEstimate =>
  multiply(scale(add(text, ONE), TEXT), scale(pattern, PATTERN));

export const searches = (size?: (text: Size) => Size): Costing => ({
  cost: ([text, pattern]) => patternCost(sizeOf(text), sizeOf(pattern)),
  estimate: (args) => {
    const text = sizeAt(args, 0);
    const cost = patternEstimate(text, sizeAt(args, 1));
    return size ? { cost, size: size(text) } : { cost };
  },
});

/** Compares two values as far as the shorter goes. */
export const compares: Costing = {
  cost: ([a, b]) => Math.ceil(Math.min(sizeOf(a), sizeOf(b)) * TEXT),
  estimate: (args) => {
    const max = Math.min(sizeAt(args, 0).max, sizeAt(args, 1).max);
    return { cost: scale({ min: max > 0 ? 1 : 0, max }, TEXT) };
  },
};

/** Makes one of both: what comes out is as long as the two. */
export const joins = (factor: number): Costing => ({
  cost: ([a, b]) => (factor === 0 ? 1 : Math.ceil((sizeOf(a) + sizeOf(b)) * factor)),
  estimate: (args) => {
    const size = add(sizeAt(args, 0), sizeAt(args, 1));
    return { cost: factor === 0 ? ONE : scale(size, factor), size };
  },
});

/** Walks over everything that a value holds. */
export function traversal(value: Value | undefined): number {
  if (typeof value === "string" || value instanceof Uint8Array) return Math.floor(value.length * TEXT);
  let sum = 0;
  if (value instanceof List) for (const item of value) sum += traversal(item);
  else if (value instanceof Dict) for (const key of value.keys()) sum += traversal(key) + traversal(value.get(key));
  else if (value instanceof Fields)
    for (const name of value.names()) sum += traversal(name) + traversal(value.field(name));
  else return 1;
  return sum;
}

/** Looks at each item of a list, or each character of a text, once. */
export const looksThrough: Costing = {
  cost: ([list]) => traversal(list),
  estimate: (args) => {
    const type = args[0]?.type;
    const size = sizeAt(args, 0);
    if (type?.kind !== "list") return { cost: scale(size, TEXT) };
    const { of } = type;
    const text =
      of.kind === "string" || of.kind === "bytes" ? scale({ min: 0, max: of.maxSize ?? UNKNOWN.max }, TEXT) : undefined;
    return { cost: multiply(size, text ? add(ONE, text) : ONE) };
  },
};

export const fixed = (cost: number): Costing => ({
  cost: () => cost,
  estimate: () => ({ cost: { min: cost, max: cost } }),
});
