/**
 * Struct: an object whose fields the schema lists.
 *
 * A built-in struct may hold others by value: those are always there, empty when nothing is in them, so nobody comes
 * to own their place (see embedded.ts). The same goes for lists and maps that it always writes: they are null.
 */

import type { Fields } from "../contract.ts";
import { fieldElement, HERE } from "../elements.ts";
import { type FieldSets, isHere } from "../field-sets.ts";
import { LEAF } from "../intern.ts";
import {
  CHANGED,
  type Comparison,
  Differences,
  goText,
  isEmptyObject,
  isObject,
  type JsonObject,
  mapped,
  type Problems,
  type Shape,
  withHere,
} from "./shape.ts";

export interface StructField {
  readonly name: string;
  readonly element: string;
  readonly shape: Shape;
  /** What the field holds where it is absent; undefined for nothing. */
  readonly zero: Readonly<JsonObject> | null | undefined;
}

const EMPTY: Readonly<JsonObject> = Object.freeze({});

export class Struct implements Shape {
  readonly #sets: FieldSets;
  readonly #fieldOf: (name: string) => StructField | undefined;
  /** Of fields that the schema does not list and yet keeps. */
  readonly #others: Shape | undefined;
  readonly #known = new Map<string, StructField | undefined>();
  /** The names of the fields that are never absent. */
  readonly #embedded: readonly string[];

  constructor(
    sets: FieldSets,
    fieldOf: (name: string) => StructField | undefined,
    embedded: readonly string[],
    others?: Shape,
  ) {
    this.#sets = sets;
    this.#fieldOf = fieldOf;
    this.#embedded = embedded;
    this.#others = others;
  }

  #field(name: string): StructField | undefined {
    const known = this.#known.get(name);
    if (known) return known;
    const declared = this.#fieldOf(name);
    if (declared) this.#known.set(name, declared);
    if (declared || !this.#others) return declared;
    return { name, element: fieldElement(name), shape: this.#others, zero: undefined };
  }

  added(value: unknown): Fields {
    if (!isObject(value)) return LEAF;
    let state = this.#sets.start(true);
    for (const name in value) {
      const part = value[name];
      const field = part === undefined ? undefined : this.#field(name);
      if (field) state = state.with(field.element, field.shape.added(part));
    }
    for (const name of this.#embedded) {
      if (value[name] !== undefined) continue;
      const { element, shape } = this.#field(name) as StructField;
      state = state.with(element, shape.added(EMPTY));
    }
    return state.end() ?? LEAF;
  }

  compare(before: unknown, after: unknown): Comparison | undefined {
    if (before === after) return undefined;
    return this.compareBut(before, after, undefined);
  }

  /** As `compare`, blind for some fields. */
  compareBut(before: unknown, after: unknown, blind: ReadonlySet<string> | undefined): Comparison | undefined {
    const left = isObject(before) ? before : undefined;
    const right = isObject(after) ? after : undefined;
    if (isEmptyObject(left ?? EMPTY) && isEmptyObject(right ?? EMPTY)) return left && right ? undefined : CHANGED;
    const differences = new Differences(this.#sets);
    for (const name in right) if (!blind?.has(name)) this.#compareField(name, left?.[name], right[name], differences);
    for (const name in left) {
      if (right?.[name] === undefined && !blind?.has(name))
        this.#compareField(name, left[name], undefined, differences);
    }
    return differences.end();
  }

  #compareField(name: string, before: unknown, after: unknown, differences: Differences): void {
    if (before === after) return;
    const field = this.#field(name);
    if (!field) return;
    const { element, shape, zero } = field;
    const left = before === undefined || (before === null && zero) ? zero : before;
    const right = after === undefined || (after === null && zero) ? zero : after;
    if (left === undefined) differences.changed(element, shape.added(right));
    else if (right === undefined) differences.removed(element, shape.added(left));
    else differences.note(element, shape.compare(left, right));
  }

  applied(value: unknown): Fields | undefined {
    if (!isObject(value)) return undefined;
    let state = this.#sets.start(false);
    for (const name in value) {
      const part = value[name];
      const field = part === undefined ? undefined : this.#field(name);
      if (!field) continue;
      const owned = field.shape.applied(part);
      const here = part === null || isEmptyObject(part) || !this.#fieldOf(name);
      const fields = here ? withHere(this.#sets, owned) : owned;
      if (fields) state = state.with(field.element, fields);
    }
    return state.end();
  }

  merge(live: unknown, config: unknown): unknown {
    if (!isObject(live) || !isObject(config)) return config;
    const merged: JsonObject = { ...live };
    for (const name in config) {
      const field = this.#field(name);
      if (field)
        set(merged, name, live[name] === undefined ? config[name] : field.shape.merge(live[name], config[name]));
    }
    return merged;
  }

  without(value: unknown, gone: Fields): unknown {
    if (!isObject(value)) return undefined;
    return withoutFields(value, gone, (name) => this.#field(name)?.shape);
  }

  named(fields: Fields): Fields {
    return mapped(this.#sets, fields, (element, child) => {
      const name = nameOf(element);
      const field = name === undefined ? undefined : this.#field(name);
      if (!field) return child;
      const below = field.shape.named(child);
      return this.#fieldOf(field.name) ? withHere(this.#sets, below) : below;
    });
  }

  reconciled(fields: Fields, value: unknown): Fields | undefined {
    if (fields === LEAF && isObject(value) && !isEmptyObject(value)) return fields;
    return mapped(this.#sets, fields, (element, child) => {
      const name = nameOf(element);
      const shape = name === undefined ? undefined : this.#field(name)?.shape;
      return shape?.reconciled(child, isObject(value) && name !== undefined ? value[name] : undefined) ?? child;
    });
  }

  check(value: unknown, path: string, problems: Problems): void {
    if (value === null) return;
    if (!isObject(value)) {
      problems.push(`${path}: expected map, got ${goText(value)}`);
      return;
    }
    for (const name in value) {
      const field = this.#field(name);
      if (field) field.shape.check(value[name], `${path}.${name}`, problems);
      else problems.push(`${path}.${name}: field not declared in schema`);
    }
  }
}

/** An object without the fields that a set names, as deep as it goes; undefined for nothing left. */
export function withoutFields(
  value: JsonObject,
  gone: Fields,
  shapeOf: (name: string) => Shape | undefined,
): JsonObject | undefined {
  const kept: JsonObject = {};
  let any = false;
  for (const name in value) {
    const below = gone[fieldElement(name)];
    if (below && isHere(below)) continue;
    const part = below ? shapeOf(name)?.without(value[name], below) : value[name];
    set(kept, name, part === undefined ? null : part);
    any = true;
  }
  return any ? kept : undefined;
}

const nameOf = (element: string): string | undefined =>
  element !== HERE && element.startsWith("f:") ? element.slice(2) : undefined;

/** Plain assignment of "__proto__" would set the prototype. */
export function set(object: JsonObject, key: string, value: unknown): void {
  if (key !== "__proto__") object[key] = value;
  else Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
}
