/** Strategic merge patches as kubectl sends them, as people write them, and as nobody should. */
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import type { Schema } from "./contract.ts";
import { createDecoders } from "./decode.ts";
import { loadSchema } from "./load.ts";
import { deployment, pod } from "./samples.cases.ts";
import { applyStrategicMergePatch } from "./strategic-merge.ts";

const POD = "io.k8s.api.core.v1.Pod";
const DEPLOYMENT = "io.k8s.api.apps.v1.Deployment";

let schema: Schema;
beforeAll(async () => {
  schema = await loadSchema();
});

const podWith = (spec: object) => ({ apiVersion: "v1", kind: "Pod", metadata: { name: "a" }, spec });
const patchPod = (spec: object, patch: object) =>
  applyStrategicMergePatch(schema, POD, podWith(spec), { spec: patch })["spec"];
const patchMeta = (metadata: object, patch: object) =>
  applyStrategicMergePatch(schema, POD, { metadata }, { metadata: patch })["metadata"];

interface Case {
  readonly what: string;
  readonly original: object;
  readonly patch: object;
  readonly result: object;
}

const web = { name: "web", image: "nginx:1", args: ["a", "b"] };
const sidecar = { name: "sidecar", image: "envoy:1" };

describe("a Pod's spec", () => {
  const cases: Case[] = [
    {
      what: "has items of a list with a merge key merged",
      original: { containers: [web, sidecar] },
      patch: { containers: [{ name: "sidecar", image: "envoy:2" }] },
      result: { containers: [web, { name: "sidecar", image: "envoy:2" }] },
    },
    {
      what: "gets a new item before those that only the server has",
      original: { containers: [web] },
      patch: { containers: [sidecar] },
      result: { containers: [sidecar, web] },
    },
    {
      what: "keeps the order that kubectl asks for",
      original: { containers: [web, sidecar] },
      patch: {
        "$setElementOrder/containers": [{ name: "sidecar" }, { name: "new" }, { name: "web" }],
        containers: [{ name: "new", image: "n" }],
      },
      result: { containers: [sidecar, { name: "new", image: "n" }, web] },
    },
    {
      what: "is put into a new order without other changes",
      original: { containers: [web, sidecar] },
      patch: { "$setElementOrder/containers": [{ name: "sidecar" }, { name: "web" }] },
      result: { containers: [sidecar, web] },
    },
    {
      what: "keeps the place of items that only the server has",
      original: { containers: [{ name: "injected" }, web, sidecar] },
      patch: {
        "$setElementOrder/containers": [{ name: "web" }, { name: "sidecar" }],
        containers: [{ name: "web", image: "nginx:2" }],
      },
      result: { containers: [{ name: "injected" }, { ...web, image: "nginx:2" }, sidecar] },
    },
    {
      what: "loses the item that the patch deletes",
      original: { containers: [web, sidecar] },
      patch: {
        "$setElementOrder/containers": [{ name: "web" }],
        containers: [{ $patch: "delete", name: "sidecar" }],
      },
      result: { containers: [web] },
    },
    {
      what: "has a whole list replaced on demand",
      original: { containers: [web, sidecar] },
      patch: { containers: [{ name: "only", image: "x" }, { $patch: "replace" }] },
      result: { containers: [{ name: "only", image: "x" }] },
    },
    {
      what: "has a list replaced by one in which a key is there twice",
      original: { containers: [web, sidecar] },
      patch: {
        containers: [{ $patch: "replace" }, { name: "b", image: "1" }, { name: "a" }, { name: "b", image: "2" }],
      },
      result: { containers: [{ name: "b", image: "1" }, { name: "a" }, { name: "b", image: "2" }] },
    },
    {
      what: "has atomic lists replaced",
      original: { containers: [web], tolerations: [{ key: "a" }] },
      patch: { containers: [{ name: "web", args: ["c"] }], tolerations: [{ key: "b" }] },
      result: { containers: [{ ...web, args: ["c"] }], tolerations: [{ key: "b" }] },
    },
    {
      what: "merges ports by containerPort",
      original: { containers: [{ name: "web", ports: [{ containerPort: 80, name: "http" }] }] },
      patch: { containers: [{ name: "web", ports: [{ containerPort: 80, name: "web" }, { containerPort: 81 }] }] },
      result: { containers: [{ name: "web", ports: [{ containerPort: 80, name: "web" }, { containerPort: 81 }] }] },
    },
    {
      what: "swaps a volume's source under retainKeys",
      original: { volumes: [{ name: "v", emptyDir: { medium: "Memory" } }] },
      patch: { volumes: [{ name: "v", $retainKeys: ["name", "hostPath"], hostPath: { path: "/x" }, emptyDir: null }] },
      result: { volumes: [{ name: "v", hostPath: { path: "/x" } }] },
    },
    {
      what: "loses what is null",
      original: { nodeName: "n1", containers: [web] },
      patch: { nodeName: null, hostname: null, containers: [{ name: "web", args: null }] },
      result: { containers: [{ name: "web", image: "nginx:1" }] },
    },
    {
      what: "merges a map of strings",
      original: { nodeSelector: { a: "1", b: "2" } },
      patch: { nodeSelector: { b: null, c: "3" } },
      result: { nodeSelector: { a: "1", c: "3" } },
    },
    {
      what: "has a map replaced or emptied on demand",
      original: { nodeSelector: { a: "1" }, securityContext: { runAsUser: 1 } },
      patch: { nodeSelector: { $patch: "replace", c: "3" }, securityContext: { $patch: "delete" } },
      result: { nodeSelector: { c: "3" }, securityContext: {} },
    },
    {
      what: "never takes over directives or nulls with something new",
      original: {},
      patch: {
        "$setElementOrder/containers": [{ name: "a" }],
        containers: [
          { name: "a", image: null, "$setElementOrder/env": [{ name: "X" }], env: [{ name: "X", value: "1" }] },
          { $patch: "delete", name: "b" },
        ],
        securityContext: { $retainKeys: ["runAsUser"], runAsUser: 1 },
      },
      result: { containers: [{ name: "a", env: [{ name: "X", value: "1" }] }], securityContext: { runAsUser: 1 } },
    },
  ];
  test.each(cases)("$what", ({ original, patch, result }) => {
    expect(patchPod(original, patch)).toEqual(result);
  });
});

describe("a list of scalars that is a set", () => {
  test("gets items added, in the patch's order", () => {
    expect(patchMeta({ finalizers: ["a", "b"] }, { finalizers: ["c", "b"] })).toEqual({ finalizers: ["c", "a", "b"] });
  });

  test("loses the items that the patch deletes", () => {
    const patch = {
      "$deleteFromPrimitiveList/finalizers": ["a"],
      "$setElementOrder/finalizers": ["c", "b"],
      finalizers: ["c"],
    };
    expect(patchMeta({ finalizers: ["a", "b"] }, patch)).toEqual({ finalizers: ["c", "b"] });
    expect(patchMeta({}, { "$deleteFromPrimitiveList/finalizers": ["a"] })).toEqual({});
  });
});

test("a Deployment's strategy changes type as kubectl apply changes it", () => {
  const original = { spec: { strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1 } } } };
  const patch = { spec: { strategy: { $retainKeys: ["type"], type: "Recreate" } } };
  expect(applyStrategicMergePatch(schema, DEPLOYMENT, original, patch)).toEqual({
    spec: { strategy: { type: "Recreate" } },
  });
});

test("a selector marked to be replaced is not merged", () => {
  const original = { spec: { selector: { matchLabels: { a: "1" } } } };
  const patch = { spec: { selector: { matchLabels: { b: "2" } } } };
  const result = applyStrategicMergePatch(schema, "io.k8s.api.policy.v1.PodDisruptionBudget", original, patch);
  expect(result).toEqual(patch);
});

test("conditions merge by type", () => {
  const original = {
    status: {
      conditions: [
        { type: "Ready", status: "True" },
        { type: "X", status: "True" },
      ],
    },
  };
  const patch = { status: { conditions: [{ type: "Ready", status: "False" }] } };
  expect(applyStrategicMergePatch(schema, POD, original, patch)).toEqual({
    status: {
      conditions: [
        { type: "Ready", status: "False" },
        { type: "X", status: "True" },
      ],
    },
  });
});

test("neither argument changes, and the result shares nothing with them", () => {
  const original = deepFreeze(podWith({ containers: [web, sidecar], nodeSelector: { a: "1" } }));
  const patch = deepFreeze({ spec: { containers: [{ name: "new", env: [{ name: "X" }] }], nodeSelector: { b: "2" } } });
  const result = applyStrategicMergePatch(schema, POD, original, patch) as unknown as {
    spec: { containers: { image: string }[]; nodeSelector: Record<string, string> };
  };
  for (const container of result.spec.containers) container.image = "changed";
  expect(original.spec).toMatchObject({ containers: [{ image: "nginx:1" }, { image: "envoy:1" }] });
});

function deepFreeze<T extends object>(value: T): T {
  for (const item of Object.values(value)) if (typeof item === "object" && item !== null) deepFreeze(item as object);
  return Object.freeze(value);
}

describe("a patch that cannot be applied is refused:", () => {
  test.each([
    [{ containers: [{ image: "x" }] }, "map: map[image:x] does not contain declared merge key: name"],
    [{ containers: [{ $patch: "delete" }] }, "map: map[$patch:delete] does not contain declared merge key: name"],
    [{ containers: [{ $patch: "merge", name: "web" }] }, "merging lists cannot yet be specified in the patch"],
    [{ containers: [{ $patch: "drop", name: "web" }] }, "unknown patch type: drop in map: map[$patch:drop name:web]"],
    [{ securityContext: { $patch: "drop" } }, "unknown patch type: drop in map: map[$patch:drop]"],
    [{ securityContext: { $retainKeys: "x" } }, "invalid patch format of retainKeys"],
    [{ securityContext: { $retainKeys: ["a"], b: 1 } }, "invalid patch format of retainKeys"],
    [{ "$deleteFromPrimitiveList/containers": 1 }, "invalid patch format of primitive list"],
    [{ "$setElementOrder/containers": {} }, "expected a slice, but received a map"],
    [
      { "$setElementOrder/containers": [{ name: "other" }], containers: [{ name: "web" }] },
      "The order in patch list:\n[map[name:web]]\n doesn't match $setElementOrder list:\n[map[name:other]]\n",
    ],
    [{ "$setElementOrder/foo": [1], foo: [1] }, 'unable to find api field in struct PodSpec for the json field "foo"'],
    [{ containers: ["web"] }, /^list element types are not identical/],
  ])("%j", (patch, message) => {
    expect(() => patchPod({ containers: [web], securityContext: {} }, patch)).toThrow(message);
  });

  test("one that is no object", () => {
    expect(() => applyStrategicMergePatch(schema, POD, {}, [])).toThrow(
      "json: cannot unmarshal array into Go value of type map[string]interface {}",
    );
  });

  test("lists of lists are 422", () => {
    expect(() => patchMeta({ finalizers: ["a"] }, { finalizers: [["b"]] })).toThrow(
      expect.objectContaining({ code: 422 }) as Error,
    );
  });
});

describe("laws", () => {
  const name = fc.constantFrom("a", "b", "c", "d");
  const env = fc.uniqueArray(fc.record({ name, value: fc.constantFrom("1", "2") }, { requiredKeys: ["name"] }), {
    selector: (item) => item.name,
  });
  const container = fc.record(
    { name, image: name, args: fc.array(name, { maxLength: 3 }), env },
    { requiredKeys: ["name"] },
  );
  const target = fc.record({
    metadata: fc.record(
      {
        labels: fc.dictionary(name, fc.constantFrom("1", "2")),
        finalizers: fc.uniqueArray(name),
      },
      { requiredKeys: [] },
    ),
    spec: fc.record(
      {
        containers: fc.uniqueArray(container, { selector: (item) => item.name }),
        nodeSelector: fc.dictionary(name, name),
        tolerations: fc.array(fc.record({ key: name }), { maxLength: 2 }),
      },
      { requiredKeys: [] },
    ),
  });

  test("the patch between two objects, applied to the first, gives the second", () => {
    fc.assert(
      fc.property(target, target, (from, to) => {
        const patch = diff(from, to);
        expect(applyStrategicMergePatch(schema, POD, from, patch)).toEqual(to);
      }),
      { numRuns: 500 },
    );
  });

  test("applying a patch twice is applying it once", () => {
    fc.assert(
      fc.property(target, target, target, (from, to, live) => {
        const patch = diff(from, to);
        const once = applyStrategicMergePatch(schema, POD, live, patch);
        expect(applyStrategicMergePatch(schema, POD, once, patch)).toEqual(once);
      }),
    );
  });

  test("an empty patch changes nothing", () => {
    for (const [type, object] of [
      [POD, pod],
      [DEPLOYMENT, deployment],
    ] as const) {
      expect(applyStrategicMergePatch(schema, type, object, {})).toEqual(object);
    }
  });

  test("whatever the patch, the result decodes or is refused, and holds no directive", () => {
    const decode = createDecoders(schema)(POD);
    const key = fc.constantFrom(
      "spec",
      "containers",
      "name",
      "$patch",
      "$retainKeys",
      "$setElementOrder/containers",
      "env",
    );
    const any = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: "small" },
        name,
        fc.constantFrom("delete", "replace"),
        fc.constant(null),
        tie("object"),
        fc.array(tie("value"), { maxLength: 3 }),
      ),
      object: fc.dictionary(key, tie("value"), { maxKeys: 4 }),
    })).object;
    fc.assert(
      fc.property(target, any, (from, patch) => {
        try {
          const { value } = decode(applyStrategicMergePatch(schema, POD, from, patch));
          expect(JSON.stringify(value)).not.toContain('"$');
        } catch (error) {
          expect((error as Error).name).toMatch(/^(ApiError|DecodeError)$/);
        }
      }),
    );
  });
});

type Tree = Record<string, unknown>;

test("merges nothing into what every object inherits", () => {
  const patch = JSON.parse('{"__proto__":{"polluted":1},"spec":{"__proto__":{"polluted":2}}}') as unknown;
  applyStrategicMergePatch(schema, POD, podWith({}), patch);
  expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
});

/** The two-way patch as kubectl computes it, for the fields of the laws. */
function diff(from: Tree, to: Tree): Tree {
  const patch: Tree = {};
  for (const key of Object.keys(from)) if (!(key in to)) patch[key] = null;
  for (const [key, value] of Object.entries(to)) {
    const before = from[key];
    if (Array.isArray(value) && Array.isArray(before)) diffLists(patch, key, before, value);
    else if (isTree(before) && isTree(value)) patch[key] = diff(before, value);
    else patch[key] = value;
  }
  return patch;
}

function diffLists(patch: Tree, key: string, before: unknown[], after: unknown[]): void {
  if (key === "containers" || key === "env") {
    const [old, next] = [before as Tree[], after as Tree[]];
    const named = (list: Tree[], name: unknown) => list.find((item) => item["name"] === name);
    patch[`$setElementOrder/${key}`] = next.map((item) => ({ name: item["name"] }));
    patch[key] = [
      ...next.map((item) => ({ ...diff(named(old, item["name"]) ?? {}, item), name: item["name"] })),
      ...old.filter((item) => !named(next, item["name"])).map((item) => ({ $patch: "delete", name: item["name"] })),
    ];
  } else if (key === "finalizers") {
    patch[`$deleteFromPrimitiveList/${key}`] = before.filter((item) => !after.includes(item));
    patch[`$setElementOrder/${key}`] = after;
    patch[key] = after.filter((item) => !before.includes(item));
  } else patch[key] = after;
}

const isTree = (value: unknown): value is Tree => typeof value === "object" && value !== null && !Array.isArray(value);
