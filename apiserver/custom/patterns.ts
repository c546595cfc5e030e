/**
 * Patterns: the regular expressions of schemas, each compiled once, when the first value is held to it.
 *
 * They are RE2's, as in Kubernetes, and run in time linear in the value: machinery/re2.ts. A pattern that cannot be
 * read is refused in a new definition.
 */
import { compileRe2, type Re2, Re2SyntaxError } from "../../machinery/re2.ts";
import type { SchemaProps } from "./contract.ts";

const compiled = new WeakMap<SchemaProps, { readonly pattern: Re2 | undefined }>();

/** The pattern of a schema; undefined where there is none or it cannot be read. */
export function patternOf(schema: SchemaProps): Re2 | undefined {
  const known = compiled.get(schema);
  if (known) return known.pattern;
  const read = schema.pattern === undefined ? undefined : readPattern(schema.pattern);
  const pattern = typeof read === "string" ? undefined : read;
  compiled.set(schema, { pattern });
  return pattern;
}

/** Why a pattern cannot be read, in Go's words; undefined for a good one. */
export function patternProblem(pattern: string): string | undefined {
  const read = readPattern(pattern);
  return typeof read === "string" ? `error parsing regexp: ${read}` : undefined;
}

function readPattern(pattern: string): Re2 | string {
  try {
    return compileRe2(pattern);
  } catch (error) {
    if (error instanceof Re2SyntaxError) return error.message;
    throw error;
  }
}
