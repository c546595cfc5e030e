import { describe, expect, test } from "vitest";
import { applyJsonPatch, type PatchOperation } from "./json-patch.ts";

type Case = readonly [string, unknown, readonly PatchOperation[], unknown];

const applies: readonly Case[] = [
  ["adds a field", { a: 1 }, [{ op: "add", path: "/b", value: 2 }], { a: 1, b: 2 }],
  ["adds into a list", [1, 3], [{ op: "add", path: "/1", value: 2 }], [1, 2, 3]],
  ["adds at the end", { a: [1] }, [{ op: "add", path: "/a/-", value: 2 }], { a: [1, 2] }],
  ["replaces an existing field by add", { a: 1 }, [{ op: "add", path: "/a", value: null }], { a: null }],
  ["replaces the whole", { a: 1 }, [{ op: "replace", path: "", value: 5 }], 5],
  ["removes", { a: [1, 2] }, [{ op: "remove", path: "/a/0" }], { a: [2] }],
  ["moves", { a: 1, b: {} }, [{ op: "move", from: "/a", path: "/b/c" }], { b: { c: 1 } }],
  ["copies", { a: { x: 1 } }, [{ op: "copy", from: "/a", path: "/b" }], { a: { x: 1 }, b: { x: 1 } }],
  [
    "tests deeply, whatever the order of keys",
    { a: { x: 1, y: [1] } },
    [{ op: "test", path: "/a", value: { y: [1], x: 1 } }],
    { a: { x: 1, y: [1] } },
  ],
  ["tests an absent field for null", {}, [{ op: "test", path: "/a", value: null }], {}],
  ["reads ~0 and ~1", { "a/b~c": 1 }, [{ op: "replace", path: "/a~1b~0c", value: 2 }], { "a/b~c": 2 }],
  ["takes __proto__ for a key", {}, [{ op: "add", path: "/__proto__", value: 1 }], JSON.parse('{"__proto__":1}')],
];

const refused: readonly (readonly [unknown, PatchOperation, string])[] = [
  [
    { a: 1 },
    { op: "remove", path: "/b" },
    "error in remove for path: '/b': Unable to remove nonexistent key: b: missing value",
  ],
  [
    { a: 1 },
    { op: "replace", path: "/b", value: 1 },
    "replace operation does not apply: doc is missing key: /b: missing value",
  ],
  [
    {},
    { op: "add", path: "/a/b", value: 1 },
    'add operation does not apply: doc is missing path: "/a/b": missing value',
  ],
  [{ a: 1 }, { op: "test", path: "/a", value: 2 }, "testing value /a failed: test failed"],
  [
    [1],
    { op: "add", path: "/5", value: 2 },
    "error in add for path: '/5': Unable to access invalid index: 5: invalid index referenced",
  ],
  [
    [1],
    { op: "remove", path: "/01" },
    "error in remove for path: '/01': Unable to access invalid index: 01: invalid index referenced",
  ],
  [
    {},
    { op: "copy", from: "/x", path: "/y" },
    "copy operation does not apply: doc is missing from path: /x: missing value",
  ],
  [{}, { op: "frobnicate", path: "/y" }, "Unexpected kind: frobnicate"],
];

describe("a JSON patch", () => {
  test.each(applies)("%s", (_name, document, patch, wanted) => {
    const before = structuredClone(document);
    expect(applyJsonPatch(document, patch)).toEqual(wanted);
    expect(document).toEqual(before);
  });

  test.each(refused)("that does not apply to %j says why: %j", (document, operation, message) => {
    expect(() => applyJsonPatch(document, [operation])).toThrow(message);
  });

  test("counts negative indexes from the end", () => {
    const operations = [
      { op: "replace", path: "/-1", value: "c" },
      { op: "add", path: "/-1", value: "d" },
      { op: "remove", path: "/-4" },
    ];
    expect(applyJsonPatch(["a", "b", "x"], operations)).toEqual(["b", "c", "d"]);
  });

  test("copies no more than it may: copies of copies grow fast", () => {
    const operations = Array.from({ length: 40 }, (_, at) => ({ op: "copy", from: "/0", path: `/0/${at}` }));
    expect(() => applyJsonPatch([["0123456789"]], operations, { copiedBytes: 100_000 })).toThrow(
      /^Unable to complete the copy, the accumulated size increase of copy is \d+, exceeding the limit 100000$/,
    );
  });

  test("reaches into what a copy shares with a frozen document", () => {
    const managedFields = Object.freeze([Object.freeze({ manager: "a" })]);
    const document = Object.freeze({ metadata: Object.freeze({ managedFields }) });
    const operations = [
      { op: "replace", path: "/metadata/managedFields/0/manager", value: "b" },
      { op: "add", path: "/metadata/managedFields/-", value: {} },
    ];
    expect(applyJsonPatch(document, operations)).toEqual({ metadata: { managedFields: [{ manager: "b" }, {}] } });
    expect(managedFields).toEqual([{ manager: "a" }]);
  });

  test("shares nothing with the document it made", () => {
    const patch = [{ op: "add", path: "/a", value: { x: 1 } }];
    const made = applyJsonPatch({}, patch) as { a: { x: number } };
    made.a.x = 2;
    expect(patch[0]?.value).toEqual({ x: 1 });
  });
});
