import { describe, expect, test } from "vitest";
import { limits } from "./process/limits.ts";
import { readOneYaml, readYaml } from "./yaml.ts";

describe("YAML scalars mean what Kubernetes reads", () => {
  test.each([
    ["0644", 420],
    ["0o17", 15],
    ["0x1F", 31],
    ["-0b11", -3],
    ["1_000", 1000],
    ["08", 8],
    ["1.50", 1.5],
    ["1e3", 1000],
    [".5", 0.5],
    ["yes", true],
    ["on", true],
    ["Off", false],
    ["n", false],
    ["~", null],
    ["", null],
    ["null", null],
    ["2020-01-01", "2020-01-01"],
    ["2020-01-01T00:00:00Z", "2020-01-01T00:00:00Z"],
    ["12:30:45", "12:30:45"],
    ["1.2.3", "1.2.3"],
    ["500m", "500m"],
    ["'0644'", "0644"],
    ['"yes"', "yes"],
    ["!!str 12", "12"],
    ["!!binary aGk=", "hi"],
    ["nginx:1.27", "nginx:1.27"],
  ])("%s", (text, value) => {
    expect(readOneYaml(`a: ${text}\n`)).toEqual({ a: value });
  });

  test("integers beyond 2^53 survive", () => {
    expect(JSON.stringify(readOneYaml("a: 9223372036854775807"))).toBe('{"a":9223372036854775807}');
    expect(JSON.stringify(readOneYaml('{"a": 9223372036854775807}'))).toBe('{"a":9223372036854775807}');
  });
});

describe("a YAML text", () => {
  test("may hold several documents, empty ones too, each with its line", () => {
    const documents = readYaml("a: 1\n---\n# only a comment\n---\nb: 2\n");
    expect(documents.map(({ value, line }) => [value, line])).toEqual([
      [{ a: 1 }, 1],
      [undefined, 2],
      [{ b: 2 }, 5],
    ]);
  });

  test("merges maps, and what stands there itself wins", () => {
    const value = readOneYaml("base: &b {x: 1, z: 2}\nmore: &m {x: 5}\none: {<<: *b, z: 3}\ntwo: {<<: [*m, *b]}\n");
    expect(value).toMatchObject({ one: { x: 1, z: 3 }, two: { x: 5, z: 2 } });
  });

  test("has keys that are strings", () => {
    expect(readOneYaml("1: a\ntrue: b\n~: c\n")).toEqual({ 1: "a", true: "b", null: "c" });
  });

  test("reports keys given twice, of which the last counts", () => {
    const [document] = readYaml("a: 1\nb:\n  c: 1\n  c: 2\na: 3\n");
    expect(document?.value).toEqual({ b: { c: 2 }, a: 3 });
    expect(document?.duplicates).toEqual(['line 4: key "c" already set in map', 'line 5: key "a" already set in map']);
  });

  test("may be JSON with tabs", () => {
    expect(readOneYaml('{\n\t"a":\t[1]\n}')).toEqual({ a: [1] });
  });

  test("takes __proto__ for a key", () => {
    expect(Object.keys(readOneYaml("__proto__: {a: 1}") as object)).toEqual(["__proto__"]);
  });

  test.each([
    ["a: b: c\n", 1],
    ["a:\n  - b\n c: d\n", 3],
    ["ok: 1\n---\na: 'x\n", 4],
    ["a: 1\nb: *nowhere\n", 2],
    ["a: [1,\n", 2],
    ["a: .inf\n", 1],
    ["a: !!int x\n", 1],
    ["<<: 5\n", 1],
    ["? [a]\n: b\n", 1],
    ["a: &x [*x]\n", 1],
  ])("with a fault names its line: %j", (text, line) => {
    expect(() => readYaml(text)).toThrow(new RegExp(`^error converting YAML to JSON: yaml: line ${line}: `));
  });

  test("cannot be blown up by aliases", () => {
    const bomb = Array.from({ length: 12 }, (_, index) =>
      index === 0
        ? "a0: &a0 [x]"
        : `a${index}: &a${index} [${Array(9)
            .fill(`*a${index - 1}`)
            .join(",")}]`,
    );
    expect(() => readYaml(bomb.join("\n"))).toThrow("document contains excessive aliasing");
  });

  test("cannot be nested without end", () => {
    const depth = limits.jsonDepth + 1;
    expect(() => readYaml(`a: ${"[".repeat(depth)}${"]".repeat(depth)}`)).toThrow("exceeded max depth");
    expect(() => readYaml(`a: ${"[".repeat(20_000)}`)).toThrow("exceeded max depth");
  });

  test("has no half surrogates", () => {
    expect(() => readYaml('a: "\\ud800"')).toThrow("line 1: found invalid Unicode character escape code");
    expect(() => readYaml('{"a": "\\ud800"}')).toThrow("line 1: found invalid Unicode character escape code");
    expect(readYaml('{"a": "\\ud83d\\ude00"}')[0]?.value).toEqual({ a: "😀" });
  });
});
