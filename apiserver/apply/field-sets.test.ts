/** Field sets: the algebra's laws, and that FieldsV1 is read and written without loss. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Fields } from "./contract.ts";
import { canonicalElement, compareElements, elementText } from "./elements.ts";
import { equalFields, FieldSets, isHere, MalformedFields, paths } from "./field-sets.ts";

const sets = new FieldSets();

const element = fc.oneof(
  fc.constantFrom("f:spec", "f:replicas", "f:a", "f:b"),
  fc.constantFrom('k:{"name":"a"}', 'k:{"name":"b"}', 'k:{"containerPort":80,"protocol":"TCP"}', 'v:"x"', "v:1", "i:0"),
);

const { node } = fc.letrec<{ node: Fields }>((tie) => ({
  node: fc
    .tuple(
      fc.boolean(),
      fc.oneof({ maxDepth: 3 }, fc.constant({}), fc.dictionary(element, tie("node"), { maxKeys: 4 })),
    )
    .map(([here, below]) => (here && Object.keys(below).length > 0 ? { ".": {}, ...below } : below)),
}));

const set = node.map((raw) => {
  const { ".": _, ...root } = raw;
  return sets.adopt(root);
});

/** Every path as text: what a set is, whatever its tree. */
const members = (fields: Fields | undefined) => new Set([...paths(fields)].map((path) => path.join("\n")));
const operands = (a: Fields, b: Fields) => [a, b].map((one) => (Object.keys(one).length > 0 ? one : undefined));

describe("the algebra", () => {
  test("is that of sets of paths", () => {
    fc.assert(
      fc.property(set, set, (one, other) => {
        const [a, b] = operands(one, other);
        const [left, right] = [members(a), members(b)];
        expect(members(sets.union(a, b))).toEqual(left.union(right));
        expect(members(sets.intersection(a, b))).toEqual(left.intersection(right));
        expect(members(a && sets.difference(a, b))).toEqual(left.difference(right));
      }),
    );
  });

  test("makes equal sets the same object", () => {
    fc.assert(
      fc.property(set, set, (a, b) => {
        const both = sets.union(a, b);
        expect(sets.union(b, a)).toBe(both);
        expect(sets.union(both, a)).toBe(both);
        expect(sets.adopt(JSON.parse(JSON.stringify(both ?? {})))).toBe(both ?? sets.adopt({}));
      }),
    );
  });

  test("a pruned set has nothing at or under what it was pruned by", () => {
    fc.assert(
      fc.property(set, set, (a, b) => {
        const pruned = Object.keys(b).length > 0 ? sets.pruned(a, b) : a;
        const roots = [...members(b)];
        const under = (path: string) => roots.some((root) => path === root || path.startsWith(`${root}\n`));
        expect(members(pruned)).toEqual(new Set([...members(a)].filter((path) => !under(path))));
      }),
    );
  });

  test("equality is that of content", () => {
    fc.assert(
      fc.property(set, set, (a, b) => {
        const same = JSON.stringify(a) === JSON.stringify(b);
        expect(equalFields(a, JSON.parse(JSON.stringify(b)))).toBe(same);
      }),
    );
  });
});

describe("FieldsV1", () => {
  test("is written in Kubernetes' order, the place itself first", () => {
    const read = sets.adopt({
      "f:b": {},
      "f:a": { 'k:{"port":443}': {}, 'k:{"port":80}': { "f:port": {}, ".": {} } },
    });
    expect(JSON.stringify(read)).toBe(
      '{"f:a":{"k:{\\"port\\":80}":{".":{},"f:port":{}},"k:{\\"port\\":443}":{}},"f:b":{}}',
    );
  });

  test("keys mean the same in any order and spacing", () => {
    const spaced = sets.adopt({ "f:ports": { 'k:{ "protocol": "TCP", "containerPort": 80 }': {} } });
    expect(spaced).toBe(sets.adopt({ "f:ports": { 'k:{"containerPort":80,"protocol":"TCP"}': {} } }));
  });

  test.each<[string, unknown]>([
    ["no object", "f:a"],
    ["null", { "f:a": null }],
    ["a list", { "f:a": [] }],
    ["an unknown element", { "x:a": {} }],
    ["no prefix", { spec: {} }],
    ["a key that is no object", { "k:1": {} }],
    ["a key that is no JSON", { "k:{": {} }],
    ["an index that is no number", { "i:a": {} }],
  ])("%s is malformed", (_what, raw) => {
    expect(() => sets.adopt(raw)).toThrow(MalformedFields);
  });

  test("nesting is bounded", () => {
    let deep: Record<string, unknown> = {};
    for (let depth = 0; depth < 1_000; depth++) deep = { "f:a": deep };
    expect(() => sets.adopt(deep)).toThrow(MalformedFields);
  });
});

test("a leaf is in its set, a mere step on the way is not", () => {
  expect(isHere({})).toBe(true);
  expect(isHere({ ".": {}, "f:a": {} })).toBe(true);
  expect(isHere({ "f:a": {} })).toBe(false);
});

test.each([
  ["f:spec", ".spec"],
  ['k:{"name":"web"}', '[name="web"]'],
  ['k:{"containerPort":80,"protocol":"TCP"}', '[containerPort=80,protocol="TCP"]'],
  ['v:"a"', '[="a"]'],
  ["i:3", "[3]"],
])("%s stands in messages as %s", (text, shown) => {
  expect(canonicalElement(text)).toBe(text);
  expect(elementText(text)).toBe(shown);
});

test("elements are ordered by kind, then content", () => {
  const sorted = ["f:a", "f:b", 'k:{"port":80}', 'k:{"port":443}', 'v:"a"', "i:2", "i:10"];
  expect(sorted.toReversed().sort(compareElements)).toEqual(sorted);
});
