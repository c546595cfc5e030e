/**
 * Surface: writes what the parser's grammar lacks in forms that it has, and remembers where things stood.
 *
 * Optional entries `[?a]`, `{?k: v}` become calls of OPTIONAL, message literals `Name{f: v}` calls of STRUCT;
 * parse.ts turns them into what they are. `.5` becomes 0.5, `.a` (from the root) a, raw text with
 * backslashes before quotes ordinary text.
 * Expressions with none of these (nearly all) pass untouched.
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

const quoted = String.raw`"""(?:\\[\s\S]|[^\\])*?"""|'{3}(?:\\[\s\S]|[^\\])*?'{3}|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'`;
const raw = String.raw`"""[\s\S]*?"""|'{3}[\s\S]*?'{3}|"[^"\n]*"|'[^'\n]*'`;
const tokenPattern = new RegExp(
  String.raw`\s+|\/\/[^\n]*|(?:[bB]?[rR]|[rR][bB])(?:${raw})|[bB]?(?:${quoted})|[A-Za-z_][A-Za-z0-9_]*|[0-9][A-Za-z0-9.]*|\.[0-9][A-Za-z0-9]*|[\s\S]`,
  "gy",
);
const word = /^[A-Za-z_]/;
/** After one of these a dot belongs to what stands before it. */
const operandEnds: ReadonlySet<string> = new Set(["name", "text", "number", ")", "]", "}"]);
const closes: Readonly<Record<string, string>> = { "]": "[", "}": "{", ")": "(" };

/** What needs to be written anew has one of these; a map after a word (`in {…}`) may be a false alarm. */
const unusual = /[A-Za-z0-9_]\s*\{|[[{,]\s*\?|(?:^|[^\w)\]}"'\s])\s*\.|(?:[rR][bB]|[bB][rR])["']/;
const rawText = /[rR]["']/;
const escapedQuote = /\\["']/;

export function surface(source: string, issues: Issue[]): Surface {
  if (!unusual.test(source) && !(rawText.test(source) && escapedQuote.test(source))) {
    return { text: source, at: (offset) => offset };
  }
  if (source.includes(OPTIONAL) || source.includes(STRUCT)) {
    issues.push({ at: 0, message: "Syntax error: reserved identifier" });
    return { text: source, at: (offset) => offset };
  }
  const pieces: Piece[] = [];
  rewrite(source, pieces);
  const text = pieces.map((piece) => piece.text).join("");
  const ends = endsOf(pieces);
  return { text, at: (offset) => original(pieces, ends, offset) };
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
    if (/^\.[0-9]/.test(token) && !operandEnds.has(before)) {
      pieces.push({ text: `0${token}`, from });
      before = "number";
      continue;
    }
    if (token === "." && !operandEnds.has(before)) continue;
    const prefix = /^[bBrR]{1,2}(?=["'])/.exec(token)?.[0].toLowerCase() ?? "";
    if (prefix.includes("r")) {
      const plain = token.slice(prefix.length).replaceAll("\\", "\\\\");
      pieces.push({ text: `${prefix.replace("r", "")}${plain}`, from });
      before = "text";
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
    before = /["']$/.test(token) ? "text" : /^[0-9]/.test(token) ? "number" : token;
  }
}

/** A "?" here begins an optional entry, and is no ternary. */
const entryStart = (before: string, { kind }: Open): boolean =>
  (kind === "[" && (before === "[" || before === ",")) ||
  ((kind === "{" || kind === "struct") && (before === "{" || before === ","));

/** Offsets of the new text where each piece ends. */
function endsOf(pieces: readonly Piece[]): readonly number[] {
  let end = 0;
  return pieces.map(({ text }) => {
    end += text.length;
    return end;
  });
}

function original(pieces: readonly Piece[], ends: readonly number[], offset: number): number {
  let [low, high] = [0, pieces.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ends[middle] as number) <= offset) low = middle + 1;
    else high = middle;
  }
  const piece = pieces[low];
  const last = pieces.at(-1);
  if (!piece) return last ? last.from + last.text.length : 0;
  const within = offset - ((ends[low] as number) - piece.text.length);
  return piece.from + Math.min(within, piece.text.length - 1);
}
