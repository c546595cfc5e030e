/**
 * Leaf: a value that is owned as a whole: a scalar, and every list, map and struct that is atomic.
 */
import { equalJson } from "../../../machinery/objects/json-value.ts";
import type { Fields } from "../contract.ts";
import { LEAF } from "../intern.ts";
import { CHANGED, type Comparison, goText, type Problems, type Shape } from "./shape.ts";

/** Says what is wrong with a configuration's value, which is not null. */
export type Judge = (value: unknown, path: string, problems: Problems) => void;

export class Leaf implements Shape {
  readonly #judge: Judge;

  constructor(judge: Judge) {
    this.#judge = judge;
  }

  added(): Fields {
    return LEAF;
  }

  compare(before: unknown, after: unknown): Comparison | undefined {
    return equalJson(before, after) ? undefined : CHANGED;
  }

  applied(): Fields {
    return LEAF;
  }

  merge(_live: unknown, config: unknown): unknown {
    return config;
  }

  without(value: unknown): unknown {
    return typeof value === "object" ? undefined : value;
  }

  named(fields: Fields): Fields {
    return fields;
  }

  /** Whoever owned a part of it owns all of it. */
  reconciled(): Fields {
    return LEAF;
  }

  check(value: unknown, path: string, problems: Problems): void {
    if (value !== null) this.#judge(value, path, problems);
  }
}

/** A judge of scalars. */
export function scalar(expected: string, is: (value: unknown) => boolean): Judge {
  return (value, path, problems) => {
    if (!is(value)) problems.push(`${path}: expected ${expected}, got ${goText(value)}`);
  };
}
