/**
 * Flags: the command line as kubectl reads it: `-o yaml`, `-oyaml`, `--output=yaml`, `-it`, `--`.
 *
 * Flags and arguments may be mixed; what follows `--` is arguments only. Flags are data, so that
 * parsing, `--help` and completion cannot differ. Errors are worded as kubectl words them.
 */
import { CommandError } from "./errors.ts";

export interface FlagSpec {
  readonly type: "string" | "boolean" | "number" | "list";
  readonly short?: string;
  readonly help: string;
  readonly default?: string | boolean | number;
  /** The value when the flag stands alone: `--dry-run`. */
  readonly alone?: string;
}

export type FlagTable = Readonly<Record<string, FlagSpec>>;

type Value<S extends FlagSpec> = S extends { type: "boolean" }
  ? boolean
  : S extends { type: "list" }
    ? readonly string[]
    : S extends { type: "number" }
      ? S extends { default: number }
        ? number
        : number | undefined
      : S extends { default: string }
        ? string
        : string | undefined;

export type FlagValues<F extends FlagTable> = { readonly [K in keyof F]: Value<F[K]> };

export interface ParsedLine {
  readonly values: Readonly<Record<string, unknown>>;
  /** Names that were given. */
  readonly given: ReadonlySet<string>;
  readonly args: readonly string[];
  /** How many of `args` stand before `--`; undefined without one. */
  readonly dash: number | undefined;
}

export interface ParseOptions {
  /** Arguments end the flags: what follows belongs to the argument (`exec pod ls -l` in old style). */
  readonly stopAtArgument?: boolean;
}

export function parseFlags(table: FlagTable, argv: readonly string[], options: ParseOptions = {}): ParsedLine {
  const values: Record<string, unknown> = {};
  for (const [name, spec] of Object.entries(table)) values[name] = spec.type === "list" ? [] : defaultOf(spec);
  const given = new Set<string>();
  const args: string[] = [];
  const rest = [...argv];
  const set = (name: string, spec: FlagSpec, text: string) => {
    const value = convert(name, spec, text);
    values[name] = spec.type === "list" ? [...(values[name] as string[]), text] : value;
    given.add(name);
  };
  let dash: number | undefined;
  while (rest.length > 0) {
    const word = rest.shift()!;
    if (word === "--") {
      dash = args.length;
      args.push(...rest);
      break;
    }
    if (word.startsWith("--")) long(table, word, rest, set);
    else if (word.startsWith("-") && word !== "-") short(table, word, rest, set);
    else {
      args.push(word);
      if (options.stopAtArgument) {
        args.push(...rest);
        break;
      }
    }
  }
  return { values, given, args, dash };
}

type Assign = (name: string, spec: FlagSpec, text: string) => void;

function long(table: FlagTable, word: string, rest: string[], set: Assign): void {
  const equals = word.indexOf("=");
  const name = equals < 0 ? word.slice(2) : word.slice(2, equals);
  const spec = Object.hasOwn(table, name) ? table[name] : undefined;
  if (!spec) throw new FlagError(`unknown flag: --${name}`);
  if (equals >= 0) {
    set(name, spec, word.slice(equals + 1));
    return;
  }
  const alone = spec.type === "boolean" ? "true" : spec.alone;
  if (alone !== undefined) {
    set(name, spec, alone);
    return;
  }
  if (rest.length === 0) throw new FlagError(`flag needs an argument: --${name}`);
  set(name, spec, rest.shift()!);
}

function short(table: FlagTable, word: string, rest: string[], set: Assign): void {
  for (let at = 1; at < word.length; at++) {
    const letter = word[at]!;
    const found = Object.entries(table).find(([, spec]) => spec.short === letter);
    if (!found) throw new FlagError(`unknown shorthand flag: '${letter}' in ${word}`);
    const [name, spec] = found;
    const after = word.slice(at + 1);
    if (after.startsWith("=")) {
      set(name, spec, after.slice(1));
      return;
    }
    const alone = spec.type === "boolean" ? "true" : spec.alone;
    if (alone !== undefined) {
      set(name, spec, alone);
      continue;
    }
    if (after !== "") {
      set(name, spec, after);
      return;
    }
    if (rest.length === 0) throw new FlagError(`flag needs an argument: '${letter}' in ${word}`);
    set(name, spec, rest.shift()!);
    return;
  }
}

const defaultOf = (spec: FlagSpec) => spec.default ?? (spec.type === "boolean" ? false : undefined);

const TRUE = ["true", "1", "t", "T", "TRUE", "True"];
const FALSE = ["false", "0", "f", "F", "FALSE", "False"];

function convert(name: string, spec: FlagSpec, text: string): unknown {
  const label = spec.short ? `-${spec.short}, --${name}` : `--${name}`;
  if (spec.type === "boolean") {
    if (TRUE.includes(text)) return true;
    if (FALSE.includes(text)) return false;
    const why = `strconv.ParseBool: parsing "${text}": invalid syntax`;
    throw new FlagError(`invalid argument "${text}" for "${label}" flag: ${why}`);
  }
  if (spec.type !== "number") return text;
  if (/^[+-]?\d+$/.test(text)) return Number(text);
  throw new FlagError(
    `invalid argument "${text}" for "${label}" flag: strconv.ParseInt: parsing "${text}": invalid syntax`,
  );
}

/** A line that does not fit the flags; kubectl points to `--help` after it. */
export class FlagError extends CommandError {}
