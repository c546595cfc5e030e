/**
 * Values that a schema refuses, through the whole pipeline, in Kubernetes' words.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CustomServer, faultsOf, kindOf, startCustomServer } from "../../e2e/harness/custom-server.ts";
import { withSpec } from "./fixture.ts";

let server: CustomServer;
beforeAll(async () => {
  server = await startCustomServer();
});
afterAll(() => server.pipeline.close());

type Json = Record<string, unknown>;
const kindWith = (schema: Json, version?: Json) => kindOf(server, schema, version);
const faults = (properties: Json, spec: unknown, more?: Json) => faultsOf(server, properties, spec, more);

describe("a value that its schema refuses", () => {
  test.each<[string, Json, Json, string[]]>([
    [
      "type",
      { a: { type: "string" } },
      { a: 1 },
      ['spec.a: Invalid value: "integer": spec.a in body must be of type string: "integer"'],
    ],
    [
      "a fraction",
      { a: { type: "integer" } },
      { a: 1.5 },
      ['spec.a: Invalid value: "number": spec.a in body must be of type integer: "number"'],
    ],
    [
      "int or string",
      { a: { "x-kubernetes-int-or-string": true } },
      { a: true },
      ['spec.a: Invalid value: "boolean": spec.a in body must be of type integer,string: "boolean"'],
    ],
    [
      "minimum",
      { a: { type: "integer", minimum: 1 } },
      { a: 0 },
      ["spec.a: Invalid value: 0: spec.a in body should be greater than or equal to 1"],
    ],
    [
      "exclusive maximum",
      { a: { type: "number", maximum: 2, exclusiveMaximum: true } },
      { a: 2 },
      ["spec.a: Invalid value: 2: spec.a in body should be less than 2"],
    ],
    [
      "multipleOf",
      { a: { type: "integer", multipleOf: 3 } },
      { a: 4 },
      ["spec.a: Invalid value: 4: spec.a in body should be a multiple of 3"],
    ],
    [
      "minLength",
      { a: { type: "string", minLength: 2 } },
      { a: "ä" },
      ['spec.a: Invalid value: "ä": spec.a in body should be at least 2 chars long'],
    ],
    [
      "maxLength",
      { a: { type: "string", maxLength: 2 } },
      { a: "abc" },
      ["spec.a: Too long: may not be more than 2 bytes"],
    ],
    [
      "pattern",
      { a: { type: "string", pattern: "^[a-z]+$" } },
      { a: "A" },
      [`spec.a: Invalid value: "A": spec.a in body should match '^[a-z]+$'`],
    ],
    [
      "a pattern that would keep another engine busy for ever",
      { a: { type: "string", pattern: "^(a+)+$" } },
      { a: `${"a".repeat(40)}!` },
      [`spec.a: Invalid value: "${"a".repeat(40)}!": spec.a in body should match '^(a+)+$'`],
    ],
    [
      "format",
      { a: { type: "string", format: "ipv4" } },
      { a: "::1" },
      ['spec.a: Invalid value: "::1": spec.a in body must be of type ipv4: "::1"'],
    ],
    ["an unknown format", { a: { type: "string", format: "anything" } }, { a: "x" }, []],
    [
      "enum",
      { a: { type: "string", enum: ["A", "B"] } },
      { a: "C" },
      ['spec.a: Unsupported value: "C": supported values: "A", "B"'],
    ],
    [
      "maxItems",
      { a: { type: "array", maxItems: 1, items: { type: "string" } } },
      { a: ["x", "y"] },
      ["spec.a: Too many: 2: must have at most 1 items"],
    ],
    [
      "an item",
      { a: { type: "array", items: { type: "string" } } },
      { a: ["x", 1] },
      ['spec.a[1]: Invalid value: "integer": spec.a[1] in body must be of type string: "integer"'],
    ],
    [
      "a map's value",
      { a: { type: "object", additionalProperties: { type: "integer" } } },
      { a: { k: "v" } },
      ['spec.a.k: Invalid value: "string": spec.a.k in body must be of type integer: "string"'],
    ],
    [
      "maxProperties",
      { a: { type: "object", maxProperties: 1, additionalProperties: { type: "integer" } } },
      { a: { k: 1, l: 2 } },
      ["spec.a: Too many: 2: must have at most 1 items"],
    ],
    [
      "required",
      { a: { type: "object", required: ["b"], properties: { b: { type: "string" } } } },
      { a: {} },
      ["spec.a.b: Required value"],
    ],
    [
      "null in a list",
      { a: { type: "array", items: { type: "string" } } },
      { a: [null] },
      ['spec.a[0]: Invalid value: "null": spec.a[0] in body must be of type string: "null"'],
    ],
    [
      "oneOf",
      {
        a: {
          type: "object",
          properties: { b: { type: "string" }, c: { type: "string" } },
          oneOf: [{ required: ["b"] }, { required: ["c"] }],
        },
      },
      { a: { b: "1", c: "2" } },
      ['<nil>: Invalid value: "": "spec.a" must validate one and only one schema (oneOf). Found 2 valid alternatives'],
    ],
    [
      "anyOf",
      { a: { type: "integer", anyOf: [{ minimum: 5 }, { maximum: 1 }] } },
      { a: 3 },
      [
        '<nil>: Invalid value: "": "spec.a" must validate at least one schema (anyOf)',
        "spec.a: Invalid value: 3: spec.a in body should be greater than or equal to 5",
      ],
    ],
    [
      "not",
      { a: { type: "integer", not: { maximum: 3 } } },
      { a: 3 },
      ['<nil>: Invalid value: "": "spec.a" must not validate the schema (not)'],
    ],
    [
      "a set",
      { a: { type: "array", "x-kubernetes-list-type": "set", items: { type: "string" } } },
      { a: ["x", "x"] },
      ['spec.a[1]: Duplicate value: "x"'],
    ],
    [
      "a list that is a map",
      {
        a: {
          type: "array",
          "x-kubernetes-list-type": "map",
          "x-kubernetes-list-map-keys": ["n"],
          items: { type: "object", required: ["n"], properties: { n: { type: "string" } } },
        },
      },
      { a: [{ n: "x" }, { n: "x" }] },
      ['spec.a[1]: Duplicate value: {"n":"x"}'],
    ],
    [
      "an embedded object",
      { a: { type: "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true } },
      { a: { kind: "Pod", metadata: { labels: { "a b": "c" } } } },
      [
        "spec.a.apiVersion: Required value: must not be empty",
        expect.stringMatching(/^spec\.a\.metadata\.labels: Invalid value: "a b": /) as unknown as string,
      ],
    ],
  ])("%s", async (_name, properties, spec, expected) => {
    expect(await faults(properties, spec)).toEqual(expected);
  });

  test("a wide integer", async () => {
    const { path, kind } = await kindWith(withSpec({ a: { type: "integer", maximum: 5 } }));
    const body = `{"apiVersion":"example.com/v1","kind":"${kind}","metadata":{"name":"w"},"spec":{"a":9007199254740993}}`;
    const { value } = await server.send("POST", path, body);
    expect(value.message).toContain("spec.a in body should be less than or equal to 5");
  });
});
