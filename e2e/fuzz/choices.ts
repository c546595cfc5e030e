/**
 * Choices: a list of numbers that decides everything about a request.
 *
 * The property tester makes the list and shrinks it; the generators here only ask "which of these?". A list that has
 * run out answers 0, and 0 is always the plainest choice: so a shorter list and smaller numbers are a plainer request.
 */
import fc from "fast-check";

export class Choices {
  private readonly list: readonly number[];
  private at = 0;

  constructor(list: readonly number[]) {
    this.list = list;
  }

  /** A whole number from 0 to below `count`. */
  below(count: number): number {
    return (this.list[this.at++] ?? 0) % count;
  }

  pick<T>(of: readonly T[]): T {
    return of[this.below(of.length)] as T;
  }

  /** True so many times of a hundred. */
  chance(percent: number): boolean {
    return this.below(100) >= 100 - percent;
  }

  /** The first and plainest, or, so many times of a hundred, one of the others. */
  mostly<T>(plain: T, percent: number, others: readonly T[]): T {
    return this.chance(percent) ? this.pick(others) : plain;
  }
}

export const choiceLists: fc.Arbitrary<number[]> = fc.noBias(fc.array(fc.nat(0xffff), { maxLength: 120, size: "max" }));
