/** Cost: what evaluations cost and when they end, and what rules may cost at most by their schema. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Budget, celLimits, dyn } from "./contract.ts";
import { cel } from "./lazy.ts";

const typeOf = (schema: object) => cel().schemaType({ type: "object", properties: { x: schema } });
const estimate = (schema: object, expression: string): number =>
  cel()
    .compile(expression, { variables: { self: typeOf(schema) } })
    .estimate().max;

function spent(expression: string, self: unknown, budget: Budget = { remaining: celLimits.objectCost }): number {
  const before = budget.remaining;
  cel()
    .compile(expression, { variables: { self: dyn } })
    .evaluate({ self }, budget);
  return before - budget.remaining;
}

describe("an estimate", () => {
  const text = { type: "string" };
  const shortText = { type: "string", maxLength: 10 };
  const cases: readonly (readonly [what: string, schema: object, expression: string, max: number])[] = [
    ["a field", text, "self.x == 'a'", 3],
    ["a short text against a pattern", shortText, "self.x.matches('abc')", 2 + Math.ceil(41 * 0.1)],
    ["a long text against a pattern", text, "self.x.matches('abc')", 2 + Math.ceil((3 * 1024 * 1024 - 1) * 0.1)],
    ["all of five", { type: "array", maxItems: 5, items: { type: "integer" } }, "self.x.all(i, i > 0)", 28],
    ["all of any number", { type: "array", items: { type: "integer" } }, "self.x.all(i, i > 0)", 7_864_318],
    [
      "entries of a map",
      { type: "object", maxProperties: 3, additionalProperties: text },
      "self.x.all(k, k != '')",
      15,
    ],
    ["has alone", text, "has(self.x)", 1],
    ["objects compared", { type: "object", properties: { a: text } }, "self.x == self.x", 4],
    ["an enum's longest value", { type: "string", enum: ["aa", "bbbb"] }, "self.x + self.x", 5],
    ["either branch", text, "true ? self.x.size() : 1", 3],
    ["a date", { type: "string", format: "date-time" }, "self.x < timestamp('2024-01-01T00:00:00Z')", 4],
  ];
  test.each(cases)("%s", (_what, schema, expression, max) => {
    expect(estimate(schema, expression)).toBe(max);
  });

  test("of nested loops without bounds is far beyond what a rule may cost", () => {
    const lists = { type: "array", items: { type: "array", items: { type: "string" } } };
    expect(estimate(lists, "self.x.all(a, a.all(b, b.contains('x')))")).toBeGreaterThan(celLimits.ruleEstimate * 100);
  });
});

describe("an evaluation", () => {
  test.each([
    ["1 + 2", 1],
    ["self.a", 2],
    ["[1, 2]", 10],
    ["{'a': 1}", 30],
    ["[1, 2].all(x, x > 0)", 21],
    ["self.s.contains('b')", 3],
    ["self.long.matches('a+')", 2 + 11],
    ["self.l.sum()", 2 + 3],
    ["1 in [1, 2, 3]", 13],
  ])("%s costs %d", (expression, cost) => {
    expect(spent(expression, { a: 1, s: "b", l: [1, 2, 3], long: "a".repeat(100) })).toBe(cost);
  });

  test("ends when it cost too much, even where errors are absorbed", () => {
    const self = Array.from({ length: 200 }, (_, index) => index);
    const nested = "self.all(a, self.all(b, self.all(c, true))) || true";
    expect(() => spent(nested, self)).toThrow("operation cancelled: actual cost limit exceeded");
  });

  test("takes from a budget that others share", () => {
    const budget = { remaining: 100 };
    expect(spent("self.map(x, x)", [1, 2, 3], budget)).toBeGreaterThan(0);
    expect(() => {
      for (;;) spent("self.map(x, x)", [1, 2, 3], budget);
    }).toThrow("cost limit");
    expect(budget.remaining).toBeLessThan(0);
  });

  test("never costs more than was estimated", () => {
    const schema = { type: "array", maxItems: 6, items: { type: "string", maxLength: 8 } };
    const expressions = [
      "self.x.all(a, a.size() < 9)",
      "self.x.exists(a, self.x.all(b, a == b))",
      "self.x.map(a, a + 'x').filter(a, a.startsWith('y')).size() == 0",
      "self.x.join(',').contains('zz')",
      "self.x.exists_one(a, a.matches('^[a-c]+$'))",
    ].map((expression) => cel().compile(expression, { variables: { self: typeOf(schema) } }));
    fc.assert(
      fc.property(fc.array(fc.string({ maxLength: 8 }), { maxLength: 6 }), (x) => {
        for (const program of expressions) {
          const budget = { remaining: celLimits.objectCost };
          program.evaluate({ self: { x } }, budget);
          expect(celLimits.objectCost - budget.remaining).toBeLessThanOrEqual(program.estimate().max);
        }
      }),
    );
  });
});

describe("whatever is written", () => {
  test.each([
    ["a long sum", Array(40_000).fill("1").join("+")],
    ["many comparisons", Array(8_000).fill("1==1").join("&&")],
    ["many lists", `[${Array(9_000).fill("[1,2]").join(",")}].size() > 0`],
    ["deep parentheses", `${"(".repeat(5_000)}1${")".repeat(5_000)}`],
    ["many optional entries", `[${Array(5_000).fill("?optional.of(1)").join(",")}]`],
    ["raw quotes", `${'r"'.repeat(30_000)}`],
    ["too long", " ".repeat(100_001)],
  ])("%s is compiled or refused in no time", (_what, text) => {
    const began = performance.now();
    try {
      cel().compile(text, { variables: {} });
    } catch (error) {
      expect((error as Error).name).toBe("CelCompileError");
    }
    expect(performance.now() - began).toBeLessThan(3_000);
  });

  const token = fc.constantFrom(
    ..."self a . ( ) [ ] { } , : ? + - * / % == != < && || ! in 1 1u 1.5 'x' b'x' true null has all map [? ?. optional.of int string size type Foo{ r'' \n // matches '(' timestamp('x')".split(
      " ",
    ),
  );

  test("compiles or is refused as an expression", () => {
    fc.assert(
      fc.property(fc.array(token, { maxLength: 14 }), (tokens) => {
        try {
          const program = cel().compile(tokens.join(" "), { variables: { self: dyn, a: dyn } });
          program.estimate();
          program.evaluate({ self: { a: [1, "x", { b: null }] }, a: 1 });
        } catch (error) {
          expect((error as Error).name).toMatch(/^Cel(Compile|Runtime)Error$/);
        }
      }),
      { numRuns: 3000 },
    );
  });

  test("of any characters at all", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 30 }), (text) => {
        try {
          cel().compile(text, { variables: {} });
        } catch (error) {
          expect((error as Error).name).toBe("CelCompileError");
        }
      }),
      { numRuns: 2000 },
    );
  });
});
