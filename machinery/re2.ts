/**
 * RE2: regular expressions that users write, in Go's language and in time linear in the text.
 *
 * JavaScript's own engine accepts look-around, which Go refuses, and can be made to run for hours: no pattern from
 * outside may reach it. The library is loaded when the first pattern is met. Nothing is kept here; callers do.
 */
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);

export interface Re2 {
  /** Whether it is found anywhere in the text. */
  test(text: string): boolean;
  matcher(text: string): { find(): boolean; group(): string | null };
}

/** What is wrong with a pattern, in Go's words: "missing closing ): `(`". */
export class Re2SyntaxError extends Error {}

export function compileRe2(source: string): Re2 {
  const { RE2JS } = require("re2js") as typeof import("re2js");
  try {
    return RE2JS.compile(source) as unknown as Re2;
  } catch (error) {
    throw new Re2SyntaxError((error as Error).message.replace(/^error parsing regexp: /, ""));
  }
}
