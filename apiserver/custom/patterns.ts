/**
 * Patterns: regular expressions written for Go (RE2), as JavaScript understands them; compiled once.
 *
 * What only Go has is translated where it means the same: (?i) and the like at the front, \A and \z, named
 * groups, POSIX classes, \Q…\E. A pattern that JavaScript cannot read is no pattern: it is refused in a new definition.
 */
import type { SchemaProps } from "./contract.ts";

const POSIX: Readonly<Record<string, string>> = {
  alnum: "0-9A-Za-z",
  alpha: "A-Za-z",
  ascii: "\\x00-\\x7F",
  blank: "\\t ",
  cntrl: "\\x00-\\x1F\\x7F",
  digit: "0-9",
  graph: "!-~",
  lower: "a-z",
  print: " -~",
  punct: "!-\\/:-@[-`{-~",
  space: "\\t\\n\\v\\f\\r ",
  upper: "A-Z",
  word: "0-9A-Za-z_",
  xdigit: "0-9A-Fa-f",
};

const compiled = new WeakMap<SchemaProps, { readonly pattern: RegExp | undefined }>();

/** The pattern of a schema; undefined where there is none or it cannot be read. */
export function patternOf(schema: SchemaProps): RegExp | undefined {
  const known = compiled.get(schema);
  if (known) return known.pattern;
  const pattern = schema.pattern === undefined ? undefined : compilePattern(schema.pattern);
  compiled.set(schema, { pattern });
  return pattern;
}

function compilePattern(pattern: string): RegExp | undefined {
  try {
    return translated(pattern);
  } catch {
    return undefined;
  }
}

/** Why a pattern cannot be read; undefined for a good one. */
export function patternProblem(pattern: string): string | undefined {
  if (compilePattern(pattern)) return undefined;
  return `error parsing regexp: invalid or unsupported syntax: \`${pattern}\``;
}

function translated(pattern: string): RegExp {
  const front = /^\(\?([imsU]+)\)/.exec(pattern);
  const flags = [...(front?.[1] ?? "")].filter((flag) => "ims".includes(flag)).join("");
  const source = pattern
    .slice(front?.[0].length ?? 0)
    .replace(/\\Q([\s\S]*?)(?:\\E|$)/g, (_all, literal: string) => literal.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"))
    .replace(/\[:(\^?)(\w+):\]/g, (all, not: string, name: string) => (not || !POSIX[name] ? all : POSIX[name]))
    .replace(/\(\?P</g, "(?<")
    .replace(/\\A/g, "^")
    .replace(/\\z/g, "$")
    .replace(/\\a/g, "\\x07");
  // Without the flag u a needless escape is fine, as it is in Go; with it classes of Unicode are known.
  try {
    return new RegExp(source, `${flags}u`);
  } catch {
    if (/\\p\{/i.test(source)) throw new SyntaxError(pattern);
    return new RegExp(source, flags);
  }
}
