/**
 * Surface: writes what the parser's grammar lacks in forms that it has, and remembers where things stood.
 *
 * Optional entries `[?a]`, `{?k: v}` become calls of OPTIONAL, message literals `Name{f: v}` calls of STRUCT;
 * parse.ts turns them into what they are. Expressions with none of these (nearly all) pass untouched.
 */
import type { Issue } from "./source.ts";

export const OPTIONAL = "__optional_entry__";
export const STRUCT = "__message_literal__";

export interface Surface {
  readonly text: string;
  /** From an offset of `text` to the offset in what was written. */
  at(offset: number): number;
}

interface Piece {
  text: string;
  readonly from: number;
}

interface Open {
  readonly kind: "[" | "{" | "(" | "struct" | "index";
  /** Of an optional entry: before its ":", or within what a ")" has to end. */
  optional: "" | "key" | "value";
  /** In a message literal: the next word is a field's name. */
  name: boolean;
}

const tokenPattern =
  /\s+|\/\/[^\n]*|[bBrR]{0,2}(?:"""(?:\\[\s\S]|[^\\])*?"""|'''(?:\\[\s\S]|[^\\])*?'''|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|[A-Za-z_][A-Za-z0-9_]*|[0-9][A-Za-z0-9.]*|[\s\S]/gy;
const word = /^[A-Za-z_]/;
const closes: Readonly<Record<string, string>> = { "]": "[", "}": "{", ")": "(" };

/** What needs to be written anew has one of these; a map after a word (`in {…}`) may be a false alarm. */
const unusual = /[A-Za-z0-9_]\s*\{|[[{,]\s*\?/;

export function surface(source: string, issues: Issue[]): Surface {
  if (!unusual.test(source)) return { text: source, at: (offset) => offset };
  if (source.includes(OPTIONAL) || source.includes(STRUCT)) {
    issues.push({ at: 0, message: "Syntax error: reserved identifier" });
    return { text: source, at: (offset) => offset };
  }
  const pieces: Piece[] = [];
  rewrite(source, pieces);
  const text = pieces.map((piece) => piece.text).join("");
  return { text, at: (offset) => original(pieces, offset) };
}

function rewrite(source: string, pieces: Piece[]): void {
  const open: Open[] = [];
  /** The token before this one, space and comments left out, and where the name that ends with it begins. */
  let before = "";
  let nameStart = -1;

  for (const match of source.matchAll(tokenPattern)) {
    const token = match[0];
    const from = match.index;
    const top = open.at(-1);
    if (/^(\s|\/\/)/.test(token)) {
      pieces.push({ text: token, from });
      continue;
    }
    if (word.test(token) && !/["']$/.test(token)) {
      if (top?.kind === "struct" && top.name) {
        pieces.push({ text: `"${token}"`, from });
        top.name = false;
      } else {
        if (before !== ".") nameStart = pieces.length;
        pieces.push({ text: token, from });
      }
      before = token === "in" ? "in" : "name";
      continue;
    }
    if (token === "{" && before === "name" && nameStart >= 0) {
      const name = pieces.splice(nameStart);
      pieces.push({
        text: `${STRUCT}("${name
          .map(({ text }) => text)
          .join("")
          .trim()}", {`,
        from: name[0]?.from ?? from,
      });
      open.push({ kind: "struct", optional: "", name: true });
    } else if (token === "[" || token === "{" || token === "(") {
      const index =
        token === "[" && (before === "name" || before === ")" || before === "]" || before === "}" || before === "text");
      open.push({ kind: index ? "index" : token, optional: "", name: false });
      pieces.push({ text: token, from });
    } else if (token === "?" && top && entryStart(before, top)) {
      if (top.kind === "[") pieces.push({ text: `${OPTIONAL}(`, from });
      top.optional = top.kind === "[" ? "value" : "key";
    } else if (token === ":" && top?.optional === "key") {
      pieces.push({ text: `: ${OPTIONAL}(`, from });
      top.optional = "value";
    } else if (token === "," && top) {
      pieces.push({ text: top.optional === "value" ? ")," : ",", from });
      top.optional = "";
      top.name = top.kind === "struct";
    } else if (closes[token] !== undefined) {
      const closed = open.pop();
      pieces.push({
        text: `${closed?.optional === "value" ? ")" : ""}${token}${closed?.kind === "struct" ? ")" : ""}`,
        from,
      });
    } else {
      pieces.push({ text: token, from });
    }
    before = /["']$/.test(token) ? "text" : token;
  }
}

/** A "?" here begins an optional entry, and is no ternary. */
const entryStart = (before: string, { kind }: Open): boolean =>
  (kind === "[" && (before === "[" || before === ",")) ||
  ((kind === "{" || kind === "struct") && (before === "{" || before === ","));

function original(pieces: readonly Piece[], offset: number): number {
  let end = 0;
  for (const { text, from } of pieces) {
    if (offset < end + text.length) return from + Math.min(offset - end, text.length - 1);
    end += text.length;
  }
  const last = pieces.at(-1);
  return last ? last.from + last.text.length : 0;
}
