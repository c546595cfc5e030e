import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  addQuantities,
  canonicalQuantity,
  compareQuantities,
  formatQuantity,
  milliValue,
  parseQuantity,
  unitValue,
} from "./quantity.ts";

describe("quantities", () => {
  test.each([
    ["0", "0"],
    ["0.5", "500m"],
    ["500m", "500m"],
    ["1000m", "1"],
    ["1500m", "1500m"],
    ["1.5", "1500m"],
    ["100", "100"],
    ["1000", "1k"],
    ["1024", "1024"],
    ["1Gi", "1Gi"],
    ["1024Mi", "1Gi"],
    ["1.5Gi", "1536Mi"],
    ["0.5Ki", "512"],
    ["1.25Ki", "1280"],
    ["2048Ki", "2Mi"],
    ["0.5Mi", "512Ki"],
    ["1e3", "1e3"],
    ["12e6", "12e6"],
    ["1E3", "1e3"],
    ["1E", "1E"],
    ["100k", "100k"],
    ["0.0001", "100u"],
    ["1n", "1n"],
    ["0.1n", "1n"],
    ["-1.5", "-1500m"],
    ["+2", "2"],
    [".5", "500m"],
    ["1.", "1"],
    ["10.0", "10"],
    ["9223372036854775808", "9223372036854775807"],
    ["100Ei", "9223372036854775807"],
  ])("are written canonically: %s is %s", (text, canonical) => {
    expect(canonicalQuantity(text)).toBe(canonical);
    expect(canonicalQuantity(canonical)).toBe(canonical);
  });

  test.each([
    ["", "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"],
    ["one", "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"],
    ["1 Gi", "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"],
    ["1GB", "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"],
    ["1ki", "unable to parse quantity's suffix"],
    ["1.2.3", "unable to parse numeric part of quantity"],
  ])("are refused: %j", (text, message) => {
    expect(() => parseQuantity(text)).toThrow(message);
  });

  test("add and compare exactly, in the format of the first", () => {
    const sum = addQuantities(parseQuantity("128Mi"), parseQuantity("1G"));
    expect(formatQuantity(sum)).toBe("1134217728");
    expect(formatQuantity(addQuantities(parseQuantity("0.1"), parseQuantity("0.2")))).toBe("300m");
    expect(compareQuantities(parseQuantity("1Gi"), parseQuantity("1G"))).toBe(1);
    expect(compareQuantities(parseQuantity("1000m"), parseQuantity("1"))).toBe(0);
  });

  test("give thousandths and units, rounded up", () => {
    expect(milliValue("0.5")).toBe(500);
    expect(milliValue("1u")).toBe(1);
    expect(unitValue("1.5")).toBe(2);
    expect(unitValue("64Mi")).toBe(64 * 1024 * 1024);
    expect(milliValue(undefined)).toBe(0);
  });

  test("mean the same with and without a fraction of zero", () => {
    const suffixes = fc.constantFrom(
      "",
      "n",
      "u",
      "m",
      "k",
      "M",
      "G",
      "T",
      "P",
      "E",
      "Ki",
      "Mi",
      "Gi",
      "Ti",
      "Pi",
      "Ei",
    );
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2_000_000_000 }), suffixes, (whole, suffix) => {
        expect(parseQuantity(`${whole}${suffix}`)).toEqual(parseQuantity(`${whole}.0${suffix}`));
      }),
    );
  });

  test("keep their value when written and read again", () => {
    const suffixes = fc.constantFrom("", "m", "k", "M", "G", "Ki", "Mi", "Gi", "e3", "u", "n");
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 1_000_000 }),
        fc.integer({ min: 0, max: 999 }),
        suffixes,
        (whole, part, suffix) => {
          const quantity = parseQuantity(`${whole}.${part}${suffix}`);
          expect(parseQuantity(formatQuantity(quantity)).nanos).toBe(quantity.nanos);
        },
      ),
    );
  });
});
