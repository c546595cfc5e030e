import { expect, test } from "vitest";
import { warningHeaders } from "./warning-headers.ts";

test("texts that stand twice are told once, and empty ones not at all", () => {
  expect(warningHeaders(["a", "", "b", "a"])).toEqual(['299 - "a"', '299 - "b"']);
});

test("control characters are written out", () => {
  expect(warningHeaders(['a"\n\u0000\u007f'])).toEqual(['299 - "a\\"\\n\\u0000\\u007f"']);
});

test("long texts are cut when they are too much together, never within a character", () => {
  expect(warningHeaders(["x".repeat(4096)])).toEqual([`299 - "${"x".repeat(4096)}"`]);
  expect(warningHeaders(["🎉".repeat(5000), "y"])).toEqual([`299 - "${"🎉".repeat(256)}"`, '299 - "y"']);
  expect(warningHeaders(Array.from({ length: 1000 }, (_, at) => `${at}`.padEnd(300)))).toHaveLength(16);
});
