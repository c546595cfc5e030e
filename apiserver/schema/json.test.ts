/** What a request body's JSON may do to us, and what must survive it. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readJson } from "./json.ts";

const values = fc.jsonValue({ maxDepth: 6 }).map((value) => JSON.parse(JSON.stringify(value)) as unknown);

describe("a JSON body", () => {
  test("is read as JSON.parse reads it", () => {
    fc.assert(
      fc.property(values, (value) => {
        // As texts, for integers past 2^53 come back as BigInteger.
        expect(JSON.stringify(readJson(JSON.stringify(value, null, 1)).value)).toBe(JSON.stringify(value));
      }),
    );
  });

  test("with integers beyond 2^53 comes back unchanged", () => {
    const text = '{"a":9007199254740993,"b":[-9223372036854775808,1],"c":1.5,"d":12345678901234567890.5}';
    const { value } = readJson(text);
    expect(JSON.stringify(value)).toBe(text.replace("12345678901234567890.5", "12345678901234567000"));
  });

  test("names keys given twice, and the last one counts", () => {
    const { value, duplicates } = readJson('{"spec":{"x":[{"a":1},{"a":1,"b":2,"a":3,"a":4}],"y":0,"y":1}}');
    expect(duplicates).toEqual(["spec.x[1].a", "spec.y"]);
    expect(value).toEqual({ spec: { x: [{ a: 1 }, { a: 4, b: 2 }], y: 1 } });
  });

  test("with quotes, colons and braces inside strings has no duplicates", () => {
    const text = JSON.stringify({ 'a"b': '\\":{[', "c\\": { d: 'x\\\\"', e: "::" } });
    expect(readJson(text)).toEqual({ value: JSON.parse(text), duplicates: [] });
  });

  test("with a key __proto__ changes no prototype", () => {
    for (const text of ['{"__proto__":{"x":1}}', '{"a":1,"a":2,"__proto__":{"x":1}}']) {
      const { value } = readJson(text) as { value: Record<string, unknown> };
      expect(Object.keys(value)).toContain("__proto__");
      expect(value["x"]).toBeUndefined();
    }
  });

  test("nested too deeply is refused, however deep", () => {
    expect(() => readJson("[".repeat(500_000))).toThrow("exceeded max depth");
    expect(() => readJson(`${'{"a":'.repeat(201)}1${"}".repeat(201)}`)).toThrow("exceeded max depth");
    expect(readJson("[".repeat(200) + "]".repeat(200)).value).toBeDefined();
  });

  test.each([
    ["", "unexpected end of JSON input"],
    ['{"a":1', "unexpected end of JSON input"],
    ['{"a', "unexpected end of JSON input"],
    ["{a:1}", "invalid character 'a' looking for beginning of object key string"],
    ['{"a":1,}', "invalid character '}' looking for beginning of object key string"],
    ['{"a" 1}', "invalid character '1' after object key"],
    ['{"a":1 "b"}', "invalid character '\"' after object key:value pair"],
    ["[1 2]", "invalid character '2' after array element"],
    ["{} x", "invalid character 'x' after top-level value"],
    ["apiVersion: v1", "invalid character 'a' looking for beginning of value"],
    ["trux", "invalid character 'x' in literal true (expecting 'e')"],
    ['"\n"', "invalid character '\\n' in string literal"],
    ['"\\x"', "invalid character 'x' in string escape code"],
    ['"\\u12g4"', "invalid character 'g' in \\u hexadecimal character escape"],
    ["-x", "invalid character 'x' in numeric literal"],
    ["01", "invalid character '1' after top-level value"],
  ])("%j is refused in Go's words", (text, message) => {
    expect(() => readJson(text)).toThrow(message);
  });

  test("that is any text is read, or refused as a syntax error", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json().map((text) => text.slice(0, -1)),
        ),
        (text) => {
          let expected: unknown;
          try {
            expected = JSON.parse(text);
          } catch {
            expect(() => readJson(text)).toThrow(/^(invalid character|unexpected end|exceeded)/);
            return;
          }
          expect(JSON.stringify(readJson(text).value)).toBe(JSON.stringify(expected));
        },
      ),
    );
  });
});
