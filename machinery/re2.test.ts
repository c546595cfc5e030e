import { expect, test } from "vitest";
import { systemClock } from "./process/clock.ts";
import { compileRe2, Re2SyntaxError } from "./re2.ts";

test.each(["(a+)+$", "^(([a-z])+.)+[A-Z]([a-z])+$", "(x+x+)+y", "((a*)*)*b", "^(a|a?)+$"])(
  "%s takes time linear in the text",
  (pattern) => {
    const compiled = compileRe2(pattern);
    const begin = systemClock.monotonic();
    compiled.test(`${"a".repeat(50_000)}!`);
    expect(systemClock.monotonic() - begin).toBeLessThan(2_000);
  },
);

test.each([
  ["(?i)AB", "xaby", true],
  ["^\\Qa.b\\E$", "a.b", true],
  ["^[[:alpha:]]+$", "abc1", false],
  ["(?P<year>\\d{4})\\z", "in 2026", true],
  ["^\\p{Greek}$", "λ", true],
])("%s in %s: %s", (pattern, text, expected) => {
  expect(compileRe2(pattern).test(text)).toBe(expected);
});

test.each([
  ["(", "missing closing ): `(`"],
  ["(?=a)", "invalid or unsupported Perl syntax: `(?=`"],
  ["\\1", "invalid escape sequence: `\\1`"],
  ["((a{100}){100}){100}", "invalid repeat count: `{100}`"],
])("%s is none", (pattern, problem) => {
  expect(() => compileRe2(pattern)).toThrow(new Re2SyntaxError(problem));
});
