/** Taints: what a line's words make of those of a node. */
import { describe, expect, test } from "vitest";
import { contradictions, existing, parseTaintChanges, retaint } from "./taints.ts";

const BEFORE = [
  { key: "a", value: "1", effect: "NoSchedule" },
  { key: "a", effect: "NoExecute" },
];

describe("retaint", () => {
  test.each([
    { words: ["b=1:NoSchedule"], done: "tainted", keys: ["b", "a", "a"] },
    { words: ["a-"], done: "untainted", keys: [] },
    { words: ["a:NoExecute-"], done: "untainted", keys: ["a"] },
    { words: ["b:NoExecute", "a-"], done: "modified", keys: ["b"] },
  ])("$words", ({ words, done, keys }) => {
    const after = retaint(BEFORE, parseTaintChanges(words), false);
    expect(after.done).toBe(done);
    expect(after.taints.map(({ key }) => key)).toEqual(keys);
    expect(after.missing).toEqual([]);
  });

  test("what is to go and is not there is told", () => {
    expect(retaint(BEFORE, parseTaintChanges(["c-", "a:PreferNoSchedule-"]), false).missing).toEqual([
      "c",
      "a:PreferNoSchedule",
    ]);
  });

  test("a value is replaced where that is allowed", () => {
    const changes = parseTaintChanges(["a=2:NoSchedule"]);
    expect(existing(BEFORE, changes)).toEqual(["a"]);
    expect(retaint(BEFORE, changes, true)).toMatchObject({ done: "modified", taints: [{ value: "2" }, { key: "a" }] });
  });
});

test("what is added and removed in one go", () => {
  expect(contradictions(parseTaintChanges(["a=1:NoSchedule", "a-"]))).toEqual(["a="]);
});

test.each(["a=b", "a=b=c:NoSchedule", "a:b:c", "a=b:Sometimes", "a=!:NoSchedule", "-", "=:NoSchedule"])(
  "%s is no taint",
  (word) => {
    expect(() => parseTaintChanges([word])).toThrow(/invalid taint/);
  },
);
