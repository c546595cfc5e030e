/**
 * Field sets: sets of paths as FieldsV1 trees, and what is done with them.
 *
 * `{}` below an element means that the place is in the set and nothing under it is; with "." it is in the set along
 * with what follows. A root is never in its own set: `{}` there is the empty set. Trees are frozen, and equal ones
 * are mostly the same tree (intern.ts): objects of one shape share theirs, which keeps them small.
 */
import type { Fields } from "./contract.ts";
import { canonicalElement, HERE } from "./elements.ts";
import { Interning, LEAF, type State } from "./intern.ts";

/** managedFields that no server has written. */
export class MalformedFields extends Error {
  override readonly name = "MalformedFields";
}

const MAX_DEPTH = 200;

export class FieldSets {
  readonly #interning = new Interning();
  readonly #adopted = new WeakMap<Fields, Fields>();

  /** Begins a set; `here` puts the place itself into it. */
  start(here: boolean): State {
    return this.#interning.start(here);
  }

  /** A client's or the store's tree as one of ours. Throws MalformedFields. */
  adopt(raw: unknown): Fields {
    const known = this.#adopted.get(raw as Fields);
    if (known) return known;
    const adopted = this.#adopt(raw, 0);
    this.#adopted.set(adopted, adopted);
    if (Object.isFrozen(raw)) this.#adopted.set(raw as Fields, adopted);
    return adopted;
  }

  #adopt(raw: unknown, depth: number): Fields {
    if (typeof raw !== "object" || raw === null || Array.isArray(raw)) throw new MalformedFields("not an object");
    if (depth > MAX_DEPTH) throw new MalformedFields("too deep");
    const children = raw as Record<string, unknown>;
    let state = this.start(HERE in children);
    for (const key of Object.keys(children)) {
      if (key === HERE) continue;
      const element = canonicalElement(key);
      if (element === undefined) throw new MalformedFields(`unknown path element: ${key}`);
      state = state.with(element, this.#adopt(children[key], depth + 1));
    }
    return state.end() ?? LEAF;
  }

  union(a: Fields | undefined, b: Fields | undefined): Fields | undefined {
    if (a === undefined || a === b) return b;
    if (b === undefined) return a;
    let state = this.start(isHere(a) || isHere(b));
    for (const element in a) if (element !== HERE) state = state.with(element, this.union(a[element], b[element])!);
    for (const element in b) if (element !== HERE && !(element in a)) state = state.with(element, b[element]!);
    return state.end();
  }

  /** What is in `a` and not in `b`. */
  difference(a: Fields, b: Fields | undefined): Fields | undefined {
    if (b === undefined) return a;
    if (a === b) return undefined;
    return this.#kept(a, isHere(a) && !isHere(b), (child, element) => this.difference(child, b[element]));
  }

  /** As `difference`, and nothing under what is in `b`. */
  pruned(a: Fields, b: Fields | undefined): Fields | undefined {
    if (b === undefined) return a;
    if (isHere(b)) return undefined;
    return this.#kept(a, isHere(a), (child, element) => this.pruned(child, b[element]));
  }

  intersection(a: Fields | undefined, b: Fields | undefined): Fields | undefined {
    if (a === undefined || b === undefined || a === b) return a === b ? a : undefined;
    let state = this.start(isHere(a) && isHere(b));
    for (const element in a) {
      if (element === HERE) continue;
      const both = this.intersection(a[element], b[element]);
      if (both) state = state.with(element, both);
    }
    return state.end();
  }

  /** `a` itself where nothing changes. */
  #kept(a: Fields, here: boolean, keep: (child: Fields, element: string) => Fields | undefined): Fields | undefined {
    let same = here === isHere(a);
    let state = this.start(here);
    for (const element in a) {
      if (element === HERE) continue;
      const child = a[element] as Fields;
      const kept = keep(child, element);
      if (kept !== child) same = false;
      if (kept) state = state.with(element, kept);
    }
    return same ? a : state.end();
  }
}

/** Roots only: an empty set is `{}` there. The algebra knows it as undefined. */
export const setOf = (root: Fields): Fields | undefined => (isEmpty(root) ? undefined : root);

export function isEmpty(fields: Fields): boolean {
  for (const _element in fields) return false;
  return true;
}

/** Whether the place itself is in the set. */
export function isHere(fields: Fields): boolean {
  for (const element in fields) return element === HERE;
  return true;
}

export function equalFields(a: Fields, b: Fields): boolean {
  if (a === b) return true;
  let count = 0;
  for (const element in a) {
    const other = b[element];
    if (other === undefined || !equalFields(a[element] as Fields, other)) return false;
    count++;
  }
  for (const _element in b) count--;
  return count === 0;
}

/** Every path in the set, in its order, as lists of elements. */
export function* paths(fields: Fields | undefined, path: readonly string[] = []): Generator<readonly string[]> {
  if (fields === undefined) return;
  if (path.length > 0 && isHere(fields)) yield path;
  for (const element in fields) if (element !== HERE) yield* paths(fields[element], [...path, element]);
}
