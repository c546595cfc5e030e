/** Three-way merges: what a manifest says now, said before, and what is there. */
import { describe, expect, test } from "vitest";
import type { OpenApiSchema, TypeSchema } from "../openapi.ts";
import { strategicPatch } from "./strategic.ts";
import { mergePatch } from "./three-way.ts";
import type { Json } from "./values.ts";

const list = (mergeKey: string, items: OpenApiSchema, strategy = "merge"): OpenApiSchema => ({
  type: "array",
  items,
  "x-kubernetes-patch-strategy": strategy,
  "x-kubernetes-patch-merge-key": mergeKey,
});
const string: OpenApiSchema = { type: "string" };
const container: OpenApiSchema = {
  properties: {
    name: string,
    image: string,
    env: list("name", { properties: { value: string } }),
    args: { type: "array", items: string },
  },
};
const root: OpenApiSchema = {
  properties: {
    spec: {
      properties: {
        containers: list("name", container),
        volumes: list("name", { properties: { name: string } }, "merge,retainKeys"),
        strategy: { "x-kubernetes-patch-strategy": "retainKeys", properties: { type: string } },
        finalizers: { type: "array", items: string, "x-kubernetes-patch-strategy": "merge" },
      },
    },
  },
};
const schema: TypeSchema = {
  root,
  resolve: (one) => one,
  target: () => undefined,
  nameOf: () => undefined,
  strategic: true,
};

const strategic = (original: Json, modified: Json, current: Json) =>
  strategicPatch({ original, modified, current }, schema);

describe("strategic", () => {
  const spec = (value: Json): Json => ({ spec: value });

  test("nothing to do is an empty patch, whatever others set", () => {
    const object = spec({ containers: [{ name: "a", image: "1" }], replicas: 2 });
    expect(
      strategic(object, object, spec({ containers: [{ name: "a", image: "1", tty: true }], replicas: 2, more: 1 })),
    ).toEqual({});
  });

  test("elements are found by key, with their order", () => {
    const before = spec({ containers: [{ name: "a", image: "1" }] });
    const after = spec({
      containers: [
        { name: "b", image: "2" },
        { name: "a", image: "3" },
      ],
    });
    expect(strategic(before, after, before)).toEqual(
      spec({
        containers: [
          { name: "b", image: "2" },
          { name: "a", image: "3" },
        ],
        "$setElementOrder/containers": [{ name: "b" }, { name: "a" }],
      }),
    );
  });

  test("an element that the manifest drops is deleted; one that somebody else added stays", () => {
    const original = spec({ containers: [{ name: "a" }, { name: "b" }] });
    const current = spec({ containers: [{ name: "a" }, { name: "b" }, { name: "injected" }] });
    expect(strategic(original, spec({ containers: [{ name: "a" }] }), current)).toEqual(
      spec({ containers: [{ $patch: "delete", name: "b" }], "$setElementOrder/containers": [{ name: "a" }] }),
    );
  });

  test("lists inside of elements merge by their own keys", () => {
    const env = (...names: string[]) =>
      spec({ containers: [{ name: "a", env: names.map((name) => ({ name, value: "1" })) }] });
    expect(strategic(env("A"), env("B"), env("A"))).toEqual(
      spec({
        containers: [
          {
            name: "a",
            env: [
              { name: "B", value: "1" },
              { $patch: "delete", name: "A" },
            ],
            "$setElementOrder/env": [{ name: "B" }],
          },
        ],
        "$setElementOrder/containers": [{ name: "a" }],
      }),
    );
  });

  test("lists without a strategy are replaced", () => {
    const args = (...words: string[]) => spec({ containers: [{ name: "a", args: words }] });
    expect(strategic(args("x"), args("x", "y"), args("x"))).toMatchObject(
      spec({ containers: [{ name: "a", args: ["x", "y"] }] }),
    );
  });

  test("primitive lists that merge gain and lose their own only", () => {
    const patch = strategic(
      spec({ finalizers: ["mine", "old"] }),
      spec({ finalizers: ["mine", "new"] }),
      spec({ finalizers: ["mine", "old", "theirs"] }),
    );
    expect(patch).toEqual(
      spec({
        finalizers: ["new"],
        "$deleteFromPrimitiveList/finalizers": ["old"],
        "$setElementOrder/finalizers": ["mine", "new"],
      }),
    );
  });

  test("a union keeps only the keys that the manifest names", () => {
    const current = spec({ strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1 } } });
    expect(strategic({}, spec({ strategy: { type: "Recreate" } }), current)).toEqual(
      spec({ strategy: { type: "Recreate", $retainKeys: ["type"] } }),
    );
    expect(
      strategic({}, spec({ volumes: [{ name: "v", secret: {} }] }), spec({ volumes: [{ name: "v", emptyDir: {} }] })),
    ).toEqual(
      spec({
        volumes: [{ name: "v", secret: {}, $retainKeys: ["name", "secret"] }],
        "$setElementOrder/volumes": [{ name: "v" }],
      }),
    );
  });

  test("null removes what is there, and only that", () => {
    expect(strategic({}, { a: null, b: null }, { a: 1 })).toEqual({ a: null });
  });
});

describe("JSON merge", () => {
  const merge = (original: Json | undefined, modified: Json, current: Json) =>
    mergePatch({ original, modified, current });
  test("changes, additions and deletions; what others set stays", () => {
    expect(
      merge(
        { a: 1, gone: 1, map: { x: 1, y: 1 } },
        { a: 2, map: { x: 1 }, list: [1] },
        { a: 1, gone: 1, map: { x: 1, y: 1, z: 1 }, other: 1, list: [1, 2] },
      ),
    ).toEqual({
      a: 2,
      gone: null,
      map: { y: null },
      list: [1],
    });
  });
  test("nothing to do is an empty patch", () => {
    expect(merge({ a: { b: 1 } }, { a: { b: 1 } }, { a: { b: 1, c: 2 } })).toEqual({});
  });
});
