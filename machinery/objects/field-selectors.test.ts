import { describe, expect, test } from "vitest";
import { exactValue, formatFieldSelector, matchesFields, parseFieldSelector } from "./field-selectors.ts";

const pod: Record<string, string> = { "metadata.name": "a,b", "status.phase": "Running" };
const read = (field: string): string => pod[field] ?? "";

describe("field selectors", () => {
  test.each([
    ["status.phase=Running", true],
    ["status.phase==Running,metadata.name=a\\,b", true],
    ["status.phase!=Running", false],
    ["spec.nodeName=", true],
    ["", true],
  ])("match: %s", (text, wanted) => {
    expect(matchesFields(parseFieldSelector(text), read)).toBe(wanted);
  });

  test.each([
    ["status.phase", "invalid selector: 'status.phase'; can't understand 'status.phase'"],
    ["a=b=c", "invalid field selector: unescaped character in value: ="],
    ["a=b\\n", "invalid field selector: invalid escape sequence: \\n"],
  ])("are refused: %s", (text, message) => {
    expect(() => parseFieldSelector(text)).toThrow(message);
  });

  test("say which single value they demand, and are written back", () => {
    const selector = parseFieldSelector("metadata.name=x\\,y,spec.nodeName!=n");
    expect(exactValue(selector, "metadata.name")).toBe("x,y");
    expect(exactValue(selector, "spec.nodeName")).toBeUndefined();
    expect(formatFieldSelector(selector)).toBe("metadata.name=x\\,y,spec.nodeName!=n");
  });
});
