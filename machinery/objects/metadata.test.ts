import { describe, expect, test } from "vitest";
import { type Condition, findCondition, isTrue, withCondition, withoutCondition } from "./conditions.ts";
import { resolvePercent } from "./int-or-string.ts";
import { isBigInteger, parseJson } from "./json.ts";
import { kinds } from "./kinds.ts";
import { controllerOf, isControlledBy, ownerReferenceTo } from "./owners.ts";

describe("conditions", () => {
  const old: Condition[] = [{ type: "Ready", status: "False", reason: "A", lastTransitionTime: "t0" }];

  test("keep their time while the status stays", () => {
    expect(withCondition(old, { type: "Ready", status: "False", reason: "B" }, "t1")).toEqual([
      { type: "Ready", status: "False", reason: "B", lastTransitionTime: "t0" },
    ]);
    expect(withCondition(old, { type: "Ready", status: "True" }, "t1")[0]?.lastTransitionTime).toBe("t1");
  });

  test("are added, found and removed", () => {
    const two = withCondition<{ type: string; status: string }>(old, { type: "Other", status: "True" }, "t1");
    expect(isTrue(two, "Other")).toBe(true);
    expect(findCondition(two, "Ready")).toBe(old[0]);
    expect(withoutCondition(two, "Ready")).toHaveLength(1);
  });
});

describe("owners", () => {
  const owner = { metadata: { name: "web", uid: "u1" } };
  const owned = { metadata: { ownerReferences: [ownerReferenceTo(owner, kinds.replicasets)] } };

  test("are named with everything that the garbage collector needs", () => {
    expect(controllerOf(owned)).toEqual({
      apiVersion: "apps/v1",
      kind: "ReplicaSet",
      name: "web",
      uid: "u1",
      controller: true,
      blockOwnerDeletion: true,
    });
  });

  test("are told apart by UID, not by name", () => {
    expect(isControlledBy(owned, owner)).toBe(true);
    expect(isControlledBy(owned, { metadata: { uid: "u2" } })).toBe(false);
    expect(isControlledBy({ metadata: {} }, { metadata: {} })).toBe(false);
  });
});

test.each([
  [3, 10, "up", 3],
  ["25%", 10, "up", 3],
  ["25%", 10, "down", 2],
  ["100%", 7, "up", 7],
  ["0%", 7, "up", 0],
] as const)("%s of %d rounded %s is %d", (value, total, round, wanted) => {
  expect(resolvePercent(value, total, round)).toBe(wanted);
});

test("a string that is no percentage cannot be resolved", () => {
  expect(() => resolvePercent("a", 1, "up")).toThrow("invalid type: string is not a percentage");
});

test("integers beyond 2^53 survive reading and writing", () => {
  const text = '{"a":9223372036854775807,"b":1,"c":1.5,"d":12345678901234567890.5}';
  const value = parseJson(text) as Record<string, unknown>;
  expect(isBigInteger(value["a"])).toBe(true);
  expect(JSON.stringify({ a: value["a"], b: value["b"] })).toBe('{"a":9223372036854775807,"b":1}');
});
