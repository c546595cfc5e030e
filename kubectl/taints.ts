/** Taints as `kubectl taint` writes them: `key=value:Effect`, `key:Effect-`, `key-`, and what they make of a node's. Pure. */
import type { Taint } from "../machinery/objects/kinds.ts";
import { labelValue, qualifiedName } from "../machinery/objects/names.ts";
import { CommandError } from "./errors.ts";

export interface TaintChanges {
  readonly add: readonly Taint[];
  /** An empty effect stands for all of the key. */
  readonly remove: readonly Taint[];
}

const EFFECTS = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

const same = (a: Taint, b: Taint) => a.key === b.key && a.effect === b.effect;

export function parseTaintChanges(words: readonly string[]): TaintChanges {
  const add: Taint[] = [];
  const remove: Taint[] = [];
  for (const word of words) {
    if (word.endsWith("-")) {
      const { key, effect } = parseTaint(word.slice(0, -1));
      remove.push({ key, effect });
      continue;
    }
    const taint = parseTaint(word);
    if (taint.effect === "") throw new CommandError(`invalid taint spec: ${word}`);
    if (add.some((one) => same(one, taint)))
      throw new CommandError(
        `duplicated taints with the same key and effect: {${taint.key} ${taint.value ?? ""} ${taint.effect} <nil>}`,
      );
    add.push(taint);
  }
  return { add, remove };
}

function parseTaint(text: string): Taint {
  const refuse = (why = "") => new CommandError(`invalid taint spec: ${text}${why && `, ${why}`}`);
  const [first = "", effect, ...more] = text.split(":");
  if (more.length > 0) throw refuse();
  let key = first;
  let value: string | undefined;
  if (effect !== undefined) {
    if (!EFFECTS.includes(effect)) throw new CommandError(`invalid taint effect: ${effect}, unsupported taint effect`);
    const [name = "", ...values] = first.split("=");
    if (values.length > 1) throw refuse();
    key = name;
    [value] = values;
    const faults = labelValue(value ?? "");
    if (faults.length > 0) throw refuse(faults.join("; "));
  }
  const faults = qualifiedName(key);
  if (faults.length > 0) throw refuse(faults.join("; "));
  return { key, ...(value ? { value } : {}), effect: effect ?? "" };
}

/** "a=NoSchedule": what is to be added and removed in one go. */
export const contradictions = ({ add, remove }: TaintChanges): readonly string[] =>
  add.flatMap((taint) =>
    remove
      .filter(({ key, effect }) => key === taint.key && (effect === "" || effect === taint.effect))
      .map(({ key, effect }) => `${key}=${effect}`),
  );

/** The keys that the node has already with the same effect. */
export const existing = (taints: readonly Taint[], { add }: TaintChanges): readonly string[] =>
  add.filter((taint) => taints.some((one) => same(one, taint))).map(({ key }) => key);

export interface Retainted {
  readonly taints: readonly Taint[];
  readonly done: "tainted" | "untainted" | "modified";
  /** Taints that were to go and are not there. */
  readonly missing: readonly string[];
}

export function retaint(before: readonly Taint[], { add, remove }: TaintChanges, overwrite: boolean): Retainted {
  const all = [...add, ...before.filter((old) => !add.some((taint) => same(old, taint)))];
  const added = all.length !== before.length;
  const matches = (one: Taint, { key, effect }: Taint) => one.key === key && (effect === "" || one.effect === effect);
  const missing = remove.filter((gone) => !all.some((one) => matches(one, gone)));
  const removed = missing.length < remove.length;
  return {
    taints: all.filter((one) => !remove.some((gone) => matches(one, gone))),
    done: (added && removed) || overwrite ? "modified" : added ? "tainted" : "untainted",
    missing: missing.map(({ key, effect }) => (effect === "" ? key : `${key}:${effect}`)),
  };
}
