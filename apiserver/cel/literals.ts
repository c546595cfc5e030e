/**
 * Literals: patterns, durations and timestamps written out in an expression are looked at when it is compiled.
 */
import { CelRuntimeError } from "./contract.ts";
import type { Patterns } from "./library/regex.ts";
import type { Issue } from "./source.ts";
import { type Expr, parts } from "./syntax.ts";
import { parseDuration, parseTimestamp } from "./time.ts";

export function checkLiterals(expr: Expr, patterns: Patterns, issues: Issue[]): void {
  if (expr.kind === "call") {
    const last = expr.args.at(-1);
    const literal = last?.kind === "const" && typeof last.value === "string" ? last.value : undefined;
    const check = literal === undefined ? undefined : checks(patterns)[expr.name];
    if (check && literal !== undefined && last && !passes(() => check(literal))) {
      issues.push({ at: last.at, message: `invalid ${expr.name} argument` });
    }
  }
  for (const part of parts(expr)) checkLiterals(part, patterns, issues);
}

const checks = (patterns: Patterns): Readonly<Record<string, (text: string) => unknown>> => ({
  matches: (text) => patterns.get(text),
  duration: parseDuration,
  timestamp: parseTimestamp,
});

function passes(check: () => unknown): boolean {
  try {
    check();
    return true;
  } catch (error) {
    if (error instanceof CelRuntimeError) return false;
    throw error;
  }
}
