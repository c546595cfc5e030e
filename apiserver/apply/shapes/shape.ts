/**
 * Shape: how the values at a place are structured for ownership, and all that depends on it. One file per kind of
 * structure; the schema's types become shapes in of-schema.ts.
 *
 * Values are JSON and never changed. Paths come out as field sets (../field-sets.ts). The rules are those of
 * Kubernetes' structured merge and diff.
 */
import { goFormat } from "../../schema/go-types.ts";
import type { Fields } from "../contract.ts";
import { HERE } from "../elements.ts";
import { type FieldSets, isHere } from "../field-sets.ts";
import { LEAF } from "../intern.ts";

/** What two values differ in. `removed` is what only the first one has. */
export interface Comparison {
  readonly changed: Fields | undefined;
  readonly removed: Fields | undefined;
}

/** What is wrong with a configuration: ".spec.foo: field not declared in schema". */
export type Problems = string[];

export interface Shape {
  /** Everything that a value brings where there was none, its own place included. */
  added(value: unknown): Fields;
  /** Undefined when nothing differs. Null, or an empty value, is another value than none. */
  compare(before: unknown, after: unknown): Comparison | undefined;
  /** What a configuration that has the value owns; whether the place itself is among it, its parent says. */
  applied(value: unknown): Fields | undefined;
  /** A configuration's value laid over the live one. */
  merge(live: unknown, config: unknown): unknown;
  /** The value without the paths of a set; undefined for nothing left. */
  without(value: unknown, gone: Fields): unknown;
  /** The set with every named field of a struct that has something below it. */
  named(fields: Fields): Fields;
  /** The set as it reads for the shape of today: a list that has become one value, or ceased to be one. */
  reconciled(fields: Fields, value: unknown): Fields | undefined;
  check(value: unknown, path: string, problems: Problems): void;
}

export const CHANGED: Comparison = { changed: LEAF, removed: undefined };
export const REMOVED: Comparison = { changed: undefined, removed: LEAF };

export type JsonObject = Record<string, unknown>;

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !JSON_IS_RAW(value);

/** Integers beyond 2^53 are values of their own: see machinery/objects/json.ts. */
const JSON_IS_RAW = (JSON as unknown as { isRawJSON(value: unknown): boolean }).isRawJSON;

export function isEmptyObject(value: unknown): boolean {
  if (!isObject(value)) return false;
  for (const key in value) if (value[key] !== undefined) return false;
  return true;
}

/** The set with the place itself. */
export function withHere(sets: FieldSets, fields: Fields | undefined): Fields {
  return (fields && isHere(fields) ? fields : sets.union(fields, LEAF)) as Fields;
}

/** As Go prints a value that is none of those expected. */
export function goText(value: unknown): string {
  const text = goFormat(value);
  return typeof value === "object" && value !== null ? `&{${text}}` : `&value.valueUnstructured{Value:${text}}`;
}

/** Collects what the parts of a value differ in; makes nothing while nothing does. */
export class Differences {
  readonly #sets: FieldSets;
  #changed;
  #removed;
  #any = false;

  constructor(sets: FieldSets) {
    this.#sets = sets;
    this.#changed = sets.start(false);
    this.#removed = this.#changed;
  }

  changed(element: string, fields: Fields): void {
    this.#changed = this.#changed.with(element, fields);
    this.#any = true;
  }

  removed(element: string, fields: Fields): void {
    this.#removed = this.#removed.with(element, fields);
    this.#any = true;
  }

  note(element: string, comparison: Comparison | undefined): void {
    if (!comparison) return;
    if (comparison.changed) this.changed(element, comparison.changed);
    if (comparison.removed) this.removed(element, comparison.removed);
  }

  end(): Comparison | undefined {
    return this.#any ? { changed: this.#changed.end(), removed: this.#removed.end() } : undefined;
  }

  get sets(): FieldSets {
    return this.#sets;
  }
}

/** `fields` with each child as `change` makes it. */
export function mapped(sets: FieldSets, fields: Fields, change: (element: string, child: Fields) => Fields): Fields {
  let state = sets.start(isHere(fields));
  for (const element in fields) if (element !== HERE) state = state.with(element, change(element, fields[element]!));
  return state.end() ?? LEAF;
}
