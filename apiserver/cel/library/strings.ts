/**
 * Strings: the language's own functions on text and the extension of version 2. Positions count characters.
 */
import { limits } from "../../../machinery/process/limits.ts";
import { CelRuntimeError } from "../contract.ts";
import { add, looksThrough, multiply, scale, TEXT, UNKNOWN, walks } from "../costing.ts";
import {
  type CallEstimate,
  type Costing,
  global,
  list,
  member,
  type Overload,
  type Size,
  type SizedNode,
  types,
} from "../declarations.ts";
import { ArrayList, type List, sizeOf, type Value } from "../values.ts";
import { format } from "./format-string.ts";

const { bool, int, string } = types;
const strings_ = list(string);

const points = (text: string): string[] => [...text];

function position(at: bigint, length: number): number {
  if (at < 0n || at > BigInt(length)) throw new CelRuntimeError(`index out of range: ${at}`);
  return Number(at);
}

function charAt(text: string, at: bigint): string {
  const all = points(text);
  return all[position(at, all.length)] ?? "";
}

function indexOf(text: string, part: string, from = 0n): Value {
  if (part === "" && from === 0n) return 0n;
  const all = points(text);
  const start = position(from, all.length);
  const found = all.slice(start).join("").indexOf(part);
  return found < 0 ? -1n : BigInt(start + points(all.slice(start).join("").slice(0, found)).length);
}

function lastIndexOf(text: string, part: string, before?: bigint): Value {
  const all = points(text);
  const start = before === undefined ? all.length : position(before, all.length);
  const sought = points(part);
  for (let at = Math.min(start, all.length - sought.length); at >= 0; at--) {
    if (sought.every((character, index) => all[at + index] === character)) return BigInt(at);
  }
  return -1n;
}

function substring(text: string, from: bigint, to?: bigint): string {
  const all = points(text);
  const start = position(from, all.length);
  const end = to === undefined ? all.length : position(to, all.length);
  if (start > end) throw new CelRuntimeError(`invalid substring range. start: ${from}, end: ${to}`);
  return all.slice(start, end).join("");
}

/** What a text may grow to: sizes multiply where one is put into every place of another. */
function bounded(length: number): void {
  if (length > limits.celTextChars) throw new CelRuntimeError("string too long");
}

function replace(text: string, part: string, by: string, times = -1n): string {
  const all = pieces(text, part);
  const count = times < 0n ? all.length - 1 : Math.min(Number(times), all.length - 1);
  bounded(text.length + count * by.length);
  const head = all.slice(0, count + 1);
  return [head.join(by), ...all.slice(count + 1)].join(part);
}

/** An empty part stands between all characters and at both ends. */
const pieces = (text: string, part: string): string[] => (part === "" ? ["", ...points(text), ""] : text.split(part));

function split(text: string, by: string, times = -1n): Value {
  if (times === 0n) return new ArrayList([]);
  const pieces = by === "" ? points(text) : text.split(by);
  if (times < 0n || BigInt(pieces.length) <= times) return new ArrayList(pieces);
  const count = Number(times) - 1;
  return new ArrayList([...pieces.slice(0, count), pieces.slice(count).join(by)]);
}

function join(items: List, by = ""): string {
  const texts = [...items].map(textItem);
  bounded(texts.reduce((sum, text) => sum + text.length + by.length, 0));
  return texts.join(by);
}

function textItem(value: Value): string {
  if (typeof value === "string") return value;
  throw new CelRuntimeError("no such overload");
}

const ascii = (text: string, pattern: RegExp, change: (text: string) => string): string =>
  text.replace(pattern, change);

/** As Go's strings.TrimSpace and Unicode see space. */
const trim = (text: string): string =>
  text.replace(
    /^[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+|[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+$/g,
    "",
  );

const escapes: Readonly<Record<string, string>> = {
  "\x07": "\\a",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\v": "\\v",
  "\\": "\\\\",
  '"': '\\"',
};
const quote = (text: string): string => `"${text.replace(/[\x07\b\f\n\r\t\v\\"]/g, (each) => escapes[each] ?? each)}"`;

const keeps = (size: Size): Size => size;
const walk = walks(0, TEXT, keeps);
const rebuild = (args: readonly Value[]): number => Math.ceil(sizeOf(args[0]) * 2 * TEXT);
const sizeAt = (args: readonly SizedNode[], index: number): Size => args[index]?.size ?? UNKNOWN;

/** How long a text can become when every `part` in it turns into `by`. */
function replaceEstimate(args: readonly SizedNode[]): CallEstimate {
  const [text, part, by] = [sizeAt(args, 0), sizeAt(args, 1), sizeAt(args, 2)];
  const count = { min: 0, max: 0 };
  const kept = { min: 0, max: 0 };
  if (part.min === 0) {
    count.max = text.max + 1;
    kept.max = text.max;
  } else if (by.max <= part.min) kept.max = text.max;
  else count.max = Math.ceil(text.max / part.min);
  if (part.max === 0) {
    count.min = text.min + 1;
    kept.min = text.min;
  } else if (part.max <= by.min) kept.min = text.min;
  else count.min = Math.ceil(text.min / part.max);
  return { cost: scale(text, 2 * TEXT), size: add(multiply(count, by), kept) };
}

function joinEstimate(args: readonly SizedNode[]): CallEstimate {
  const count = sizeAt(args, 0);
  const type = args[0]?.type;
  const item: Size =
    type?.kind === "list" && type.of.kind === "string" ? { min: 0, max: type.of.maxSize ?? UNKNOWN.max } : UNKNOWN;
  let size = multiply(count, item);
  if (args[1])
    size = add(size, multiply(args[1].size, { min: Math.max(count.min - 1, 0), max: Math.max(count.max - 1, 0) }));
  return { cost: scale(size, TEXT), size };
}

const joinCost: Costing = {
  costAfter: (result) => Math.ceil(sizeOf(result) * 2 * TEXT),
  estimate: joinEstimate,
};
const replaceCost: Costing = { cost: rebuild, estimate: replaceEstimate };
const splitCost: Costing = {
  cost: (args) => Math.ceil(sizeOf(args[0]) * 2 * TEXT),
  estimate: (args) => {
    const limit = args[2]?.expr;
    const most =
      limit?.kind === "const" && typeof limit.value === "bigint" && limit.value >= 0n
        ? Number(limit.value)
        : sizeAt(args, 0).max;
    return { cost: scale(sizeAt(args, 0), 2 * TEXT), size: { min: 0, max: most } };
  },
};
const formatCost: Costing = {
  cost: (args) => Math.ceil(sizeOf(args[0]) * TEXT),
  estimate: (args) => ({ cost: scale(sizeAt(args, 0), TEXT), size: UNKNOWN }),
};
const containsCost: Costing = {
  cost: (args) => Math.ceil(sizeOf(args[0]) * TEXT) * Math.ceil(sizeOf(args[1]) * TEXT),
  estimate: (args) => ({ cost: multiply(scale(sizeAt(args, 0), TEXT), scale(sizeAt(args, 1), TEXT)) }),
};
/** Run-time cost is by the text, the estimate by what it is compared with. */
const affixCost: Costing = {
  cost: (args) => Math.ceil(sizeOf(args[0]) * TEXT),
  estimate: (args) => ({ cost: scale(sizeAt(args, 1), TEXT) }),
};

export const strings: readonly Overload[] = [
  member("contains", "contains_string", [string, string], bool, (a: string, b: string) => a.includes(b), containsCost),
  member(
    "startsWith",
    "starts_with_string",
    [string, string],
    bool,
    (a: string, b: string) => a.startsWith(b),
    affixCost,
  ),
  member("endsWith", "ends_with_string", [string, string], bool, (a: string, b: string) => a.endsWith(b), affixCost),
  member("charAt", "string_char_at_int", [string, int], string, charAt),
  member("indexOf", "string_index_of_string", [string, string], int, indexOf, looksThrough),
  member("indexOf", "string_index_of_string_int", [string, string, int], int, indexOf, looksThrough),
  member("lastIndexOf", "string_last_index_of_string", [string, string], int, lastIndexOf, looksThrough),
  member("lastIndexOf", "string_last_index_of_string_int", [string, string, int], int, lastIndexOf, looksThrough),
  member(
    "lowerAscii",
    "string_lower_ascii",
    [string],
    string,
    (text: string) => ascii(text, /[A-Z]+/g, (each) => each.toLowerCase()),
    walk,
  ),
  member(
    "upperAscii",
    "string_upper_ascii",
    [string],
    string,
    (text: string) => ascii(text, /[a-z]+/g, (each) => each.toUpperCase()),
    walk,
  ),
  member("replace", "string_replace_string_string", [string, string, string], string, replace, replaceCost),
  member("replace", "string_replace_string_string_int", [string, string, string, int], string, replace, replaceCost),
  member("split", "string_split_string", [string, string], strings_, split, splitCost),
  member("split", "string_split_string_int", [string, string, int], strings_, split, splitCost),
  member("substring", "string_substring_int", [string, int], string, substring, walk),
  member("substring", "string_substring_int_int", [string, int, int], string, substring, walk),
  member("trim", "string_trim", [string], string, trim, walk),
  member("join", "list_join", [strings_], string, join, joinCost),
  member("join", "list_join_string", [strings_, string], string, join, joinCost),
  member("format", "string_format", [string, list(types.dyn)], string, format, formatCost),
  global(
    "strings.quote",
    "strings_quote",
    [string],
    string,
    quote,
    walks(0, TEXT, ({ min, max }) => ({ min: min + 2, max: max * 2 + 2 })),
  ),
];
