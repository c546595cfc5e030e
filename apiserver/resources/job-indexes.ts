/**
 * Indexes of Indexed Jobs, written as intervals: "0,2-5".
 */

export class IndexesError extends Error {
  override readonly name = "IndexesError";
}

type Interval = readonly [first: number, last: number];

/** How many there are, each below `completions` and in order. Throws an IndexesError. */
export function countIndexes(text: string, completions: number): number {
  if (text === "") return 0;
  let total = 0;
  let last: number | undefined;
  for (const part of text.split(",")) {
    const [low, high] = interval(part, completions);
    if (last !== undefined && last >= low) {
      throw new IndexesError(`non-increasing order, previous: ${last}, current: ${low}`);
    }
    total += high - low + 1;
    last = high;
  }
  return total;
}

function interval(text: string, completions: number): Interval {
  const parts = text.split("-");
  if (parts.length > 2) {
    throw new IndexesError(
      `the fragment ${JSON.stringify(text)} violates the requirement that an index interval can have at most two parts separated by '-'`,
    );
  }
  const [low, high] = parts.map((part) => number(part, completions)) as [number, number | undefined];
  if (high !== undefined && low >= high) {
    throw new IndexesError(`non-increasing order, previous: ${low}, current: ${high}`);
  }
  return [low, high ?? low];
}

function number(text: string, completions: number): number {
  if (!/^[+-]?\d+$/.test(text)) {
    throw new IndexesError(`cannot convert string to integer for index: ${JSON.stringify(text)}`);
  }
  const value = Number(text);
  if (value >= completions) throw new IndexesError(`too large index: ${JSON.stringify(text)}`);
  return value;
}

/** The first index that is in both, or undefined. What cannot be read is told elsewhere. */
export function overlap(a: string, b: string, completions: number): number | undefined {
  const intervals = (text: string): Interval[] =>
    text.split(",").flatMap((part) => {
      try {
        return text === "" ? [] : [interval(part, completions)];
      } catch (error) {
        if (error instanceof IndexesError) return [];
        throw error;
      }
    });
  const others = intervals(b);
  for (const [low, high] of intervals(a)) {
    const found = others.find(([first, last]) => low <= last && first <= high);
    if (found) return Math.max(low, found[0]);
  }
  return undefined;
}
