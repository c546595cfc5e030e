/**
 * YAML writer: objects as `kubectl get -o yaml` prints them.
 *
 * Keys are sorted, lists stand at the indentation of their key, strings are quoted only where they
 * would read as something else, several lines become a literal block, long lines fold after column 80.
 * Takes JSON values; whatever it writes, yaml.ts reads back as the same value.
 */
import { isBigInteger } from "./objects/json.ts";
import { resolvePlain } from "./yaml-scalars.ts";

const INDENT = 2;
const FOLD_AFTER = 80;

export function writeYaml(value: unknown): string {
  const out: string[] = [];
  if (isMap(value) && Object.keys(value).length > 0) writeMap(out, value, 0);
  else if (Array.isArray(value) && value.length > 0) writeList(out, value, 0);
  else out.push(scalar(value, 0, 0), "\n");
  return out.join("");
}

/** Several documents, as kubectl separates them. */
export function writeYamlDocuments(values: readonly unknown[]): string {
  return values.map(writeYaml).join("---\n");
}

/** The first entry stands where the cursor is, the others on lines of their own. */
function writeMap(out: string[], map: Record<string, unknown>, indent: number): void {
  const keys = Object.keys(map)
    .filter((key) => map[key] !== undefined)
    .sort(naturally);
  keys.forEach((key, index) => {
    if (index > 0) out.push(" ".repeat(indent));
    const name = scalar(key, indent, indent, true);
    out.push(name, ":");
    writeValue(out, map[key], indent, indent + name.length + 2);
  });
}

function writeList(out: string[], list: readonly unknown[], indent: number): void {
  list.forEach((item, index) => {
    if (index > 0) out.push(" ".repeat(indent));
    out.push("- ");
    if (isMap(item) && hasFields(item)) writeMap(out, item, indent + INDENT);
    else if (Array.isArray(item) && item.length > 0) writeList(out, item, indent + INDENT);
    else out.push(scalar(item, indent, indent + INDENT), "\n");
  });
}

/** What follows "key:". */
function writeValue(out: string[], value: unknown, indent: number, column: number): void {
  if (isMap(value) && hasFields(value)) {
    out.push("\n", " ".repeat(indent + INDENT));
    writeMap(out, value, indent + INDENT);
  } else if (Array.isArray(value) && value.length > 0) {
    out.push("\n", " ".repeat(indent));
    writeList(out, value, indent);
  } else {
    out.push(" ", scalar(value, indent, column), "\n");
  }
}

function scalar(value: unknown, indent: number, column: number, isKey = false): string {
  if (value === null || value === undefined) return "null";
  if (typeof value === "string") return text(value, indent, column, isKey);
  if (Array.isArray(value)) return "[]";
  if (typeof value === "object" && !isBigInteger(value)) return "{}";
  return JSON.stringify(value);
}

/** Plain where it reads back the same, else literal, single or double quotes. */
function text(value: string, indent: number, column: number, isKey: boolean): string {
  if (value === "" || resolvePlain(value) !== value || OTHERS_MISREAD.test(value)) return `"${value}"`;
  if (!PRINTABLE.test(value)) return doubleQuoted(value);
  if (value.includes("\n"))
    return isKey || SPACE_BEFORE_BREAK.test(value) ? doubleQuoted(value) : literal(value, indent);
  const fold = isKey ? (line: string) => line : (line: string) => folded(line, indent + INDENT, column);
  if (PLAIN.test(value) && !NOT_PLAIN.test(value)) return fold(value);
  return fold(`'${value.replaceAll("'", "''")}'`);
}

/** Times and sexagesimal numbers: strings to us, but not to every YAML 1.1 reader. */
const OTHERS_MISREAD =
  /^\d{4}-\d{1,2}-\d{1,2}(?:[Tt ]\d{1,2}:\d{1,2}:\d{1,2}(?:\.\d+)?(?:Z|[-+]\d{2}:\d{2})?)?$|^[-+]?\d[\d_]*(?::[0-5]?\d)+(?:\.[\d_]*)?$/;

/** Characters that need no escape: no control characters, no line separators, no lone surrogates. */
const PRINTABLE = /^[\n\x20-\x7e\x85\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\u{10000}-\u{10ffff}]*$/u;
const SPACE_BEFORE_BREAK = /^[ \n]| \n| $/;
/** First characters that mean something to YAML, and what may not stand at the end. */
const PLAIN = /^(?:[^\s,[\]{}#&*!|>'"%@`?:-]|[?:-](?=[^\s,[\]{}])).*$|^$/su;
const NOT_PLAIN = /^(?:---|\.\.\.)|: |:$| #|^ | $|^=$|^<<$/;

function literal(value: string, indent: number): string {
  const trailing = /\n*$/.exec(value)![0].length;
  const chomp = trailing === 0 ? "-" : trailing === 1 ? "" : "+";
  const lines = value.replace(/\n$/, "").split("\n");
  const pad = " ".repeat(indent + INDENT);
  return `|${chomp}\n${lines.map((line) => (line === "" ? "" : pad + line)).join("\n")}`;
}

const ESCAPES: Readonly<Record<string, string>> = {
  "\0": "\\0",
  "\x07": "\\a",
  "\b": "\\b",
  "\t": "\\t",
  "\n": "\\n",
  "\v": "\\v",
  "\f": "\\f",
  "\r": "\\r",
  "\x1b": "\\e",
  '"': '\\"',
  "\\": "\\\\",
  "\u2028": "\\L",
  "\u2029": "\\P",
  "\ufeff": "\\uFEFF",
};

function doubleQuoted(value: string): string {
  const escaped = value.replace(/["\\\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]/gu, (char) => {
    const code = char.charCodeAt(0);
    return ESCAPES[char] ?? (code < 256 ? `\\x${hex(code, 2)}` : `\\u${hex(code, 4)}`);
  });
  return `"${escaped}"`;
}

const hex = (code: number, width: number): string => code.toString(16).toUpperCase().padStart(width, "0");

/** Breaks at the first lone space after column 80. */
function folded(line: string, indent: number, start: number): string {
  if (start + line.length <= FOLD_AFTER) return line;
  let column = start;
  let out = "";
  for (let at = 0; at < line.length; at += 1) {
    const lone = line[at] === " " && line[at - 1] !== " " && line[at + 1] !== " " && at > 1 && at < line.length - 2;
    if (lone && column > FOLD_AFTER) {
      out += `\n${" ".repeat(indent)}`;
      column = indent;
    } else {
      out += line[at];
      column += 1;
    }
  }
  return out;
}

const isMap = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !isBigInteger(value);
const hasFields = (map: Record<string, unknown>): boolean => Object.values(map).some((value) => value !== undefined);

/** Digits compare as numbers, letters stand behind other characters: go-yaml's order of keys. */
function naturally(a: string, b: string): number {
  const left = [...a];
  const right = [...b];
  const shared = Math.min(left.length, right.length);
  for (let at = 0; at < shared; at += 1) {
    if (left[at] === right[at]) continue;
    const [one, other] = [left[at]!, right[at]!];
    if (isLetter(one) && isLetter(other)) return one < other ? -1 : 1;
    if (isLetter(one) !== isLetter(other))
      return afterDigit(left, at) ? (isLetter(one) ? -1 : 1) : isLetter(one) ? 1 : -1;
    const byNumber = numberAt(left, at) - numberAt(right, at);
    if (byNumber !== 0 && !Number.isNaN(byNumber)) return byNumber;
    return one < other ? -1 : 1;
  }
  return left.length - right.length;
}

const isLetter = (char: string): boolean => /\p{L}/u.test(char);
const afterDigit = (chars: readonly string[], at: number): boolean => at > 0 && /\d/.test(chars[at - 1]!);
function numberAt(chars: readonly string[], at: number): number {
  let start = at;
  while (start > 0 && /\d/.test(chars[start - 1]!)) start -= 1;
  const digits = /^\d+/.exec(chars.slice(start).join(""));
  return digits ? Number(digits[0]) : Number.NaN;
}
