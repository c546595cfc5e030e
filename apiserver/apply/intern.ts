/**
 * Interning: makes field sets so that equal ones are the same object.
 *
 * A set is made element by element; each step leads from state to state of a tree that remembers the sets made
 * before, so that the second of its kind costs look-ups and no memory. The tree is bounded: when it is full it is
 * forgotten, and what it made lives on unshared. Sets come out sorted in Kubernetes' order, and frozen.
 */
import { limits } from "../../machinery/process/limits.ts";
import type { Fields } from "./contract.ts";
import { compareElements, HERE } from "./elements.ts";

/** The place itself and nothing below. */
export const LEAF: Fields = Object.freeze({});

export class Interning {
  #without = new State(this, false);
  #with = new State(this, true);
  #size = 0;

  start(here: boolean): State {
    return here ? this.#with : this.#without;
  }

  /** One state more. */
  grown(): void {
    if (++this.#size < limits.fieldSetStates) return;
    this.#size = 0;
    this.#without = new State(this, false);
    this.#with = new State(this, true);
  }
}

/** A set in the making: what has been added to it so far. Never changes, so that many can go on from here. */
export class State {
  readonly #interning: Interning;
  readonly #here: boolean;
  readonly #before: State | undefined;
  readonly #element: string;
  readonly #child: Fields;
  /** The step taken last, then all others. */
  #lastElement = "";
  #lastChild: Fields | undefined;
  #last: State | undefined;
  #steps: Map<string, Map<Fields, State>> | undefined;
  #fields: Fields | undefined;

  constructor(interning: Interning, here: boolean, before?: State, element = "", child: Fields = LEAF) {
    this.#interning = interning;
    this.#here = here;
    this.#before = before;
    this.#element = element;
    this.#child = child;
  }

  with(element: string, child: Fields): State {
    if (this.#lastChild === child && this.#lastElement === element) return this.#last as State;
    this.#last = this.#step(element, child);
    this.#lastElement = element;
    this.#lastChild = child;
    return this.#last;
  }

  #step(element: string, child: Fields): State {
    this.#steps ??= new Map();
    const byChild = this.#steps.get(element) ?? new Map<Fields, State>();
    if (byChild.size === 0) this.#steps.set(element, byChild);
    const known = byChild.get(child);
    if (known) return known;
    const made = new State(this.#interning, this.#here, this, element, child);
    byChild.set(child, made);
    this.#interning.grown();
    return made;
  }

  /** Undefined for what has nothing in it. */
  end(): Fields | undefined {
    if (this.#before === undefined) return this.#here ? LEAF : undefined;
    this.#fields ??= this.#make();
    return this.#fields;
  }

  #make(): Fields | undefined {
    const taken: State[] = [];
    for (let state: State = this; state.#before; state = state.#before) taken.push(state);
    const sorted = taken.reverse().toSorted((a, b) => compareElements(a.#element, b.#element));
    if (sorted.some((state, at) => state !== taken[at])) {
      let state = this.#interning.start(this.#here);
      for (const { element, child } of sorted.map((one) => one.#own())) state = state.with(element, child);
      return state.end();
    }
    const fields: Record<string, Fields> = {};
    if (this.#here) fields[HERE] = LEAF;
    for (const state of taken) fields[state.#element] = state.#child;
    return Object.freeze(fields);
  }

  #own(): { element: string; child: Fields } {
    return { element: this.#element, child: this.#child };
  }
}
