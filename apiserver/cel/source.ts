/**
 * Source: where in an expression something is wrong, in the form of cel-go's messages.
 */
import { CelCompileError } from "./contract.ts";

/** One mistake, at an offset into the expression. */
export interface Issue {
  readonly at: number;
  readonly message: string;
}

/** "ERROR: <input>:1:5: undefined field 'foo'\n | self.foo\n | ....^" for each. */
export function describe(source: string, issues: readonly Issue[]): string {
  return issues
    .toSorted((a, b) => a.at - b.at)
    .map(({ at, message }) => {
      const before = source.slice(0, at);
      const line = before.split("\n").length;
      const column = at - (before.lastIndexOf("\n") + 1);
      const text = source.split("\n")[line - 1] ?? "";
      return `ERROR: <input>:${line}:${column + 1}: ${message}\n | ${text}\n | ${".".repeat(column)}^`;
    })
    .join("\n");
}

export const compileError = (source: string, issues: readonly Issue[]): CelCompileError =>
  new CelCompileError(`compilation failed: ${describe(source, issues)}`);
