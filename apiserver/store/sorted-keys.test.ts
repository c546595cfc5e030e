/** Sorted keys against a plain sorted array, whatever is done to both. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { createSortedKeys } from "./sorted-keys.ts";

const key = fc.integer({ min: 0, max: 200 }).map((n) => `/k/${n}`);
const step = fc.oneof(
  fc.record({ do: fc.constant("add" as const), keys: fc.array(key, { maxLength: 80 }) }),
  fc.record({ do: fc.constant("remove" as const), keys: fc.array(key, { maxLength: 20 }) }),
  fc.record({ do: fc.constant("read" as const), keys: fc.array(key, { minLength: 1, maxLength: 3 }) }),
);

test("sorted keys give the order and the places of a plain sorted array", () => {
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const sorted = createSortedKeys();
      const plain = new Set<string>();
      for (const { do: what, keys } of steps) {
        for (const one of keys) {
          const order = () => [...plain].sort();
          if (what === "add" && !plain.has(one)) {
            plain.add(one);
            sorted.add(one);
          } else if (what === "remove") {
            plain.delete(one);
            sorted.remove(one);
          } else if (what === "read") {
            expect(sorted.from(one)).toBe(order().filter((other) => other < one).length);
            expect(sorted.after(one)).toBe(order().filter((other) => other <= one).length);
          }
        }
      }
      expect(sorted.size).toBe(plain.size);
      expect(Array.from({ length: plain.size }, (_, index) => sorted.at(index))).toEqual([...plain].sort());
    }),
  );
});
