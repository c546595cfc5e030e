/** Times in all their spellings. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { canonicalMicroTime, canonicalTime } from "./rfc3339.ts";

describe("a time", () => {
  test.each([
    ["2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000000Z"],
    ["2026-01-02T03:04:05.1Z", "2026-01-02T03:04:05Z", "2026-01-02T03:04:05.100000Z"],
    ["2026-01-02T03:04:05.123456789Z", "2026-01-02T03:04:05Z", "2026-01-02T03:04:05.123456Z"],
    ["2026-01-01T00:00:00+02:30", "2025-12-31T21:30:00Z", "2025-12-31T21:30:00.000000Z"],
    ["2025-12-31T23:59:59-00:01", "2026-01-01T00:00:59Z", "2026-01-01T00:00:59.000000Z"],
    ["2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000000Z"],
    ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"],
  ])("%s is kept in UTC", (text, seconds, micros) => {
    expect(canonicalTime(text)).toBe(seconds);
    expect(canonicalMicroTime(text)).toBe(micros);
  });

  const layout = '"2006-01-02T15:04:05Z07:00"';
  test.each([
    ["", `parsing time "" as ${layout}: cannot parse "" as "2006"`],
    ["yesterday", `parsing time "yesterday" as ${layout}: cannot parse "yesterday" as "2006"`],
    ["2026-1-02T03:04:05Z", `parsing time "2026-1-02T03:04:05Z" as ${layout}: cannot parse "1-02T03:04:05Z" as "01"`],
    ["2026-01-02 03:04:05Z", `parsing time "2026-01-02 03:04:05Z" as ${layout}: cannot parse " 03:04:05Z" as "T"`],
    ["2026-01-02T03:04:05", `parsing time "2026-01-02T03:04:05" as ${layout}: cannot parse "" as "Z07:00"`],
    ["2026-01-02T03:04:05Zx", 'parsing time "2026-01-02T03:04:05Zx": extra text: "x"'],
    ["2026-13-02T03:04:05Z", 'parsing time "2026-13-02T03:04:05Z": month out of range'],
    ["2025-02-29T03:04:05Z", 'parsing time "2025-02-29T03:04:05Z": day out of range'],
    ["2026-01-02T24:04:05Z", 'parsing time "2026-01-02T24:04:05Z": hour out of range'],
  ])("%j is refused in Go's words", (text, message) => {
    expect(() => canonicalTime(text)).toThrow(message);
  });

  test("that a Date writes means that Date", () => {
    const date = fc.date({
      min: new Date("0001-01-01T00:00:00Z"),
      max: new Date("9999-12-31T23:59:59Z"),
      noInvalidDate: true,
    });
    fc.assert(
      fc.property(date, (value) => {
        const text = value.toISOString();
        expect(canonicalTime(text)).toBe(`${text.slice(0, 19)}Z`);
        expect(canonicalMicroTime(text)).toBe(text.replace("Z", "000Z"));
        expect(canonicalMicroTime(canonicalMicroTime(text))).toBe(canonicalMicroTime(text));
      }),
    );
  });
});
