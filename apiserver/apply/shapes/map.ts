/**
 * Map: an object with any keys, each entry owned on its own: labels, annotations, data.
 *
 * Also what custom kinds keep without a schema (`deduced`): there the value says what it is: an object is a map of the
 * like, everything else is one value.
 */

import { equalJson } from "../../../machinery/objects/json-value.ts";
import { limits } from "../../../machinery/process/limits.ts";
import type { Fields } from "../contract.ts";
import { fieldElement } from "../elements.ts";
import type { FieldSets } from "../field-sets.ts";
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
import { set, withoutFields } from "./struct.ts";

const EMPTY: Readonly<JsonObject> = Object.freeze({});

export class MapOf implements Shape {
  readonly #sets: FieldSets;
  readonly #of: Shape;
  /** Texts are kept, for equal ones are compared faster when they are the same. */
  readonly #elements = new Map<string, string>();

  constructor(sets: FieldSets, of: (self: MapOf) => Shape) {
    this.#sets = sets;
    this.#of = of(this);
  }

  #element(key: string): string {
    const known = this.#elements.get(key);
    if (known !== undefined) return known;
    if (this.#elements.size >= limits.fieldSetTexts) this.#elements.clear();
    const element = fieldElement(key);
    this.#elements.set(key, element);
    return element;
  }

  added(value: unknown): Fields {
    if (!isObject(value)) return LEAF;
    let state = this.#sets.start(true);
    for (const key in value) {
      if (value[key] !== undefined) state = state.with(this.#element(key), this.#of.added(value[key]));
    }
    return state.end() ?? LEAF;
  }

  compare(before: unknown, after: unknown): Comparison | undefined {
    if (before === after) return undefined;
    const left = isObject(before) ? before : EMPTY;
    const right = isObject(after) ? after : EMPTY;
    if (isEmptyObject(left) && isEmptyObject(right)) return equalJson(before, after) ? undefined : CHANGED;
    const differences = new Differences(this.#sets);
    for (const key in right) {
      const [old, now] = [left[key], right[key]];
      if (old === now || now === undefined) continue;
      if (old === undefined) differences.changed(this.#element(key), this.#of.added(now));
      else differences.note(this.#element(key), this.#of.compare(old, now));
    }
    for (const key in left) {
      const old = left[key];
      if (old !== undefined && right[key] === undefined) differences.removed(this.#element(key), this.#of.added(old));
    }
    return differences.end();
  }

  applied(value: unknown): Fields | undefined {
    if (!isObject(value)) return undefined;
    let state = this.#sets.start(false);
    for (const key in value) {
      const part = value[key];
      if (part !== undefined) state = state.with(this.#element(key), withHere(this.#sets, this.#of.applied(part)));
    }
    return state.end();
  }

  merge(live: unknown, config: unknown): unknown {
    if (!isObject(live) || !isObject(config)) return config;
    const merged: JsonObject = { ...live };
    for (const key in config) {
      const old = Object.hasOwn(live, key) ? live[key] : undefined;
      set(merged, key, old === undefined ? config[key] : this.#of.merge(old, config[key]));
    }
    return merged;
  }

  without(value: unknown, gone: Fields): unknown {
    return isObject(value) ? withoutFields(value, gone, () => this.#of) : undefined;
  }

  named(fields: Fields): Fields {
    return mapped(this.#sets, fields, (_element, child) => this.#of.named(child));
  }

  reconciled(fields: Fields, value: unknown): Fields | undefined {
    if (fields === LEAF && isObject(value) && !isEmptyObject(value)) return this.added(value);
    return mapped(this.#sets, fields, (element, child) => {
      const part = isObject(value) ? value[element.slice(2)] : undefined;
      return this.#of.reconciled(child, part) ?? child;
    });
  }

  check(value: unknown, path: string, problems: Problems): void {
    if (value === null) return;
    if (!isObject(value)) problems.push(`${path}: expected map, got ${goText(value)}`);
    else for (const key in value) this.#of.check(value[key], `${path}.${key}`, problems);
  }
}

/** Takes its structure from the value. */
export class Deduced implements Shape {
  readonly #map: MapOf;

  constructor(sets: FieldSets) {
    this.#map = new MapOf(sets, () => this);
  }

  added(value: unknown): Fields {
    return isObject(value) ? this.#map.added(value) : LEAF;
  }

  compare(before: unknown, after: unknown): Comparison | undefined {
    if (isObject(before) && isObject(after)) return this.#map.compare(before, after);
    if (equalJson(before, after)) return undefined;
    // An object that became something else, or the other way round: its parts go or come along with it.
    if (isObject(before)) return { changed: LEAF, removed: this.#map.applied(before) };
    return isObject(after) ? { changed: this.#map.added(after), removed: undefined } : CHANGED;
  }

  applied(value: unknown): Fields | undefined {
    return isObject(value) ? this.#map.applied(value) : LEAF;
  }

  merge(live: unknown, config: unknown): unknown {
    return this.#map.merge(live, config);
  }

  without(value: unknown, gone: Fields): unknown {
    if (isObject(value)) return this.#map.without(value, gone);
    return typeof value === "object" ? undefined : value;
  }

  named(fields: Fields): Fields {
    return this.#map.named(fields);
  }

  reconciled(fields: Fields): Fields {
    return fields;
  }

  check(): void {}
}
