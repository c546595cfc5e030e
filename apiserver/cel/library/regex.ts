/**
 * Regex: matches, find and findAll with RE2's language, in time linear in the text: machinery/re2.ts.
 */
import { compileRe2, type Re2, Re2SyntaxError } from "../../../machinery/re2.ts";
import { CelRuntimeError } from "../contract.ts";
import { searches } from "../costing.ts";
import { list, member, type Overload, types } from "../declarations.ts";
import { ArrayList, type Value } from "../values.ts";

const { bool, int, string } = types;
const KEPT = 200;

/** Compiled patterns, the latest ones used kept. */
export class Patterns {
  private readonly kept = new Map<string, Re2>();

  /** Throws CelRuntimeError where RE2 does not take the pattern. */
  get(source: string): Re2 {
    const known = this.kept.get(source);
    if (known) return known;
    const pattern = readPattern(source);
    if (this.kept.size >= KEPT) this.kept.delete(this.kept.keys().next().value as string);
    this.kept.set(source, pattern);
    return pattern;
  }
}

function readPattern(source: string): Re2 {
  try {
    return compileRe2(source);
  } catch (error) {
    if (error instanceof Re2SyntaxError) throw new CelRuntimeError(`error parsing regexp: ${error.message}`);
    throw error;
  }
}

export function regex(patterns: Patterns): readonly Overload[] {
  const matches = (text: string, pattern: string): Value => patterns.get(pattern).test(text);
  const find = (text: string, pattern: string): Value => {
    const matcher = patterns.get(pattern).matcher(text);
    return matcher.find() ? (matcher.group() ?? "") : "";
  };
  const findAll = (text: string, pattern: string, limit = -1n): Value => {
    const found: string[] = [];
    const matcher = patterns.get(pattern).matcher(text);
    while ((limit < 0n || BigInt(found.length) < limit) && matcher.find()) found.push(matcher.group() ?? "");
    return new ArrayList(found);
  };
  const within = searches((text) => ({ min: 0, max: text.max }));
  return [
    member("matches", "matches_string", [string, string], bool, matches, searches()),
    { ...member("matches", "matches", [string, string], bool, matches, searches()), member: false },
    member("find", "string_find_string", [string, string], string, find, within),
    member("findAll", "string_find_all_string", [string, string], list(string), findAll, within),
    member("findAll", "string_find_all_string_int", [string, string, int], list(string), findAll, within),
  ];
}
