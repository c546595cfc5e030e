/**
 * List: items known by their keys ("map" lists) or by themselves ("set" lists), each owned on its own.
 *
 * An item that is there more than once (an object may hold that, a configuration may not) is owned as one value with
 * its likes. Lists without a type are atomic: leaf.ts.
 */
import { equalJson } from "../../../machinery/objects/json-value.ts";
import { limits } from "../../../machinery/process/limits.ts";
import type { Fields } from "../contract.ts";
import { elementText, HERE, keyElement, valueElement } from "../elements.ts";
import { type FieldSets, isHere } from "../field-sets.ts";
import { LEAF } from "../intern.ts";
import { mergedItems } from "./merged-items.ts";
import {
  CHANGED,
  type Comparison,
  Differences,
  goText,
  isObject,
  mapped,
  type Problems,
  type Shape,
  withHere,
} from "./shape.ts";

export interface ListKeys {
  /** Sorted; none for sets. */
  readonly names: readonly string[];
  /** What a key is where the item leaves it out. */
  readonly defaults: Readonly<Record<string, unknown>>;
}

const NONE: readonly unknown[] = [];

export class ListOf implements Shape {
  readonly #sets: FieldSets;
  readonly #keys: ListKeys;
  readonly #of: () => Shape;
  readonly #elements = new Map<unknown, string>();

  constructor(sets: FieldSets, keys: ListKeys, of: () => Shape) {
    this.#sets = sets;
    this.#keys = keys;
    this.#of = of;
  }

  #element(item: unknown): string {
    const { names, defaults } = this.#keys;
    const [name] = names;
    if (name === undefined) return this.#kept(item, () => valueElement(item));
    const keyed = isObject(item) ? item : {};
    if (names.length === 1) {
      const value = keyed[name] ?? defaults[name];
      return this.#kept(value, () => keyElement(names, [value]));
    }
    const values = names.map((one) => keyed[one] ?? defaults[one]);
    const known = values
      .map((value) => (typeof value === "string" ? value : `#${JSON.stringify(value)}`))
      .join("\u0000");
    return this.#kept(known, () => keyElement(names, values));
  }

  /** The text for a scalar, made once. */
  #kept(key: unknown, make: () => string): string {
    const known = this.#elements.get(key);
    if (known !== undefined) return known;
    if (this.#elements.size >= limits.fieldSetTexts) this.#elements.clear();
    const element = make();
    this.#elements.set(key, element);
    return element;
  }

  added(value: unknown): Fields {
    if (!Array.isArray(value)) return LEAF;
    const of = this.#of();
    let state = this.#sets.start(true);
    if (value.length === 1) return state.with(this.#element(value[0]), of.added(value[0])).end() as Fields;
    const groups = this.#groups(value);
    for (const [element, items] of groups) state = state.with(element, items.length > 1 ? LEAF : of.added(items[0]));
    return state.end() ?? LEAF;
  }

  #groups(list: readonly unknown[]): Map<string, unknown[]> {
    const groups = new Map<string, unknown[]>();
    for (const item of list) {
      const element = this.#element(item);
      const group = groups.get(element);
      if (group) group.push(item);
      else groups.set(element, [item]);
    }
    return groups;
  }

  compare(before: unknown, after: unknown): Comparison | undefined {
    if (before === after) return undefined;
    const left = Array.isArray(before) ? before : NONE;
    const right = Array.isArray(after) ? after : NONE;
    if (left.length === 0 && right.length === 0) return equalJson(before, after) ? undefined : CHANGED;
    if (equalJson(left, right)) return undefined;
    const differences = new Differences(this.#sets);
    const old = this.#groups(left);
    const now = this.#groups(right);
    for (const [element, items] of now) this.#compareItems(element, old.get(element) ?? NONE, items, differences);
    for (const [element, items] of old) if (!now.has(element)) this.#compareItems(element, items, NONE, differences);
    return differences.end();
  }

  #compareItems(element: string, old: readonly unknown[], now: readonly unknown[], differences: Differences): void {
    const of = this.#of();
    if (old.length <= 1 && now.length <= 1) {
      if (old.length === 0) differences.changed(element, of.added(now[0]));
      else if (now.length === 0) differences.removed(element, of.added(old[0]));
      else differences.note(element, of.compare(old[0], now[0]));
    } else if (old.length > 1 && now.length > 1) {
      if (!equalJson(old, now)) differences.changed(element, LEAF);
    } else if (old.length > 1) {
      if (now.length > 0) differences.changed(element, of.added(now[0]));
      differences.removed(element, LEAF);
    } else {
      if (old.length > 0) differences.removed(element, of.added(old[0]));
      differences.changed(element, LEAF);
    }
  }

  applied(value: unknown): Fields | undefined {
    if (!Array.isArray(value)) return undefined;
    let state = this.#sets.start(false);
    for (const [element, items] of this.#groups(value)) {
      const owned = items.length > 1 ? LEAF : this.#of().applied(items[0]);
      state = state.with(element, withHere(this.#sets, owned));
    }
    return state.end();
  }

  merge(live: unknown, config: unknown): unknown {
    if (!Array.isArray(live) || !Array.isArray(config)) return config;
    const of = this.#of();
    return mergedItems({
      live,
      config,
      elementOf: (item) => this.#element(item),
      merge: (old, item) => of.merge(old, item),
    });
  }

  without(value: unknown, gone: Fields): unknown {
    if (!Array.isArray(value)) return undefined;
    const kept: unknown[] = [];
    for (const item of value as unknown[]) {
      const below = gone[this.#element(item)];
      if (below && isHere(below)) continue;
      kept.push(below ? (this.#of().without(item, below) ?? null) : item);
    }
    return kept.length > 0 ? kept : undefined;
  }

  named(fields: Fields): Fields {
    return mapped(this.#sets, fields, (_element, child) => this.#of().named(child));
  }

  reconciled(fields: Fields, value: unknown): Fields | undefined {
    if (fields === LEAF && Array.isArray(value) && value.length > 0) return this.added(value);
    const items = Array.isArray(value) ? this.#groups(value) : undefined;
    return mapped(this.#sets, fields, (element, child) => {
      const [item] = (element === HERE ? undefined : items?.get(element)) ?? NONE;
      return item === undefined ? child : (this.#of().reconciled(child, item) ?? child);
    });
  }

  check(value: unknown, path: string, problems: Problems): void {
    if (value === null) return;
    if (!Array.isArray(value)) {
      problems.push(`${path}: expected list, got ${goText(value)}`);
      return;
    }
    const seen = new Set<string>();
    for (const [at, item] of (value as unknown[]).entries()) {
      const wrong = this.#wrongItem(item);
      if (wrong) {
        problems.push(`${path}: element ${at}: ${wrong}`);
        continue;
      }
      const element = this.#element(item);
      const text = elementText(element);
      if (seen.has(element)) problems.push(`${path}: duplicate entries for key ${text}`);
      seen.add(element);
      this.#of().check(item, `${path}${text}`, problems);
    }
  }

  #wrongItem(item: unknown): string | undefined {
    const { names, defaults } = this.#keys;
    if (names.length === 0) {
      if (Array.isArray(item)) return "not supported: associative list with lists as elements";
      if (isObject(item)) return "associative list without keys has an element that's a map type";
      return item === null ? "associative list without keys has an element that's an explicit null" : undefined;
    }
    if (item === null) return "associative list with keys may not have a null element";
    if (!isObject(item)) return "associative list with keys may not have non-map elements";
    const missing = names.find((name) => item[name] === undefined && defaults[name] === undefined);
    if (missing === undefined) return undefined;
    return `associative list with keys has an element that omits key field ${JSON.stringify(missing)} (and doesn't have default value)`;
  }
}
