/**
 * Selector lexer: cuts the text of a label selector into words and symbols.
 *
 * "in" and "notin" are words here; selectors.ts knows where they are operators.
 */

export class SelectorError extends Error {
  override readonly name = "SelectorError";
}

export interface Token {
  readonly kind: "word" | "symbol" | "end";
  readonly text: string;
}

const SYMBOLS: ReadonlySet<string> = new Set(["=", "==", "!=", "!", "(", ")", ",", ">", "<"]);
const SPECIAL: ReadonlySet<string> = new Set("=!(),><");
const SPACE: ReadonlySet<string> = new Set(" \t\r\n");

export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const char = text[at]!;
    if (SPACE.has(char)) {
      at += 1;
      continue;
    }
    const start = at;
    if (SPECIAL.has(char)) {
      at += 1;
      while (at < text.length && SYMBOLS.has(text.slice(start, at + 1))) at += 1;
      tokens.push({ kind: "symbol", text: text.slice(start, at) });
    } else {
      while (at < text.length && !SPECIAL.has(text[at]!) && !SPACE.has(text[at]!)) at += 1;
      tokens.push({ kind: "word", text: text.slice(start, at) });
    }
  }
  tokens.push({ kind: "end", text: "" });
  return tokens;
}
