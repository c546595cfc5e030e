import fc from "fast-check";
import { expect, test } from "vitest";
import { createHeap } from "./heap.ts";

test("whatever is put in and taken out, items come in order", () => {
  const steps = fc.array(fc.record({ value: fc.integer({ min: 0, max: 20 }), remove: fc.boolean() }), {
    maxLength: 60,
  });
  fc.assert(
    fc.property(steps, (all) => {
      const heap = createHeap<{ readonly value: number }>((a, b) => a.value < b.value);
      const inside: { readonly value: number }[] = [];
      for (const { value, remove } of all) {
        const victim = inside[value % Math.max(inside.length, 1)];
        if (remove && victim) {
          heap.remove(victim);
          inside.splice(inside.indexOf(victim), 1);
        } else {
          const item = { value };
          heap.push(item);
          inside.push(item);
        }
        expect(heap.size).toBe(inside.length);
        expect(heap.first?.value).toBe(inside.length ? Math.min(...inside.map((one) => one.value)) : undefined);
      }
      const out = inside.map(() => heap.pop()?.value);
      expect(out).toEqual(inside.map(({ value }) => value).sort((a, b) => a - b));
      expect(heap.pop()).toBeUndefined();
    }),
  );
});

test("an item that is not in cannot be removed, and one that is in cannot be put in again", () => {
  const heap = createHeap<string>((a, b) => a < b);
  heap.push("b");
  heap.push("b");
  heap.remove("a");
  expect(heap.size).toBe(1);
});
