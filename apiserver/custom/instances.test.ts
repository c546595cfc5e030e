/**
 * Custom objects through the whole pipeline: pruned, filled in, judged, selected, scaled, watched, deleted.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type CustomServer, faultsOf, kindOf, startCustomServer } from "../../e2e/harness/custom-server.ts";
import { versionOf, withSpec } from "./fixture.ts";

let server: CustomServer;
beforeAll(async () => {
  server = await startCustomServer();
});
afterAll(() => server.pipeline.close());

type Json = Record<string, unknown>;
const kindWith = (schema: Json, version?: Json) => kindOf(server, schema, version);
const faults = (properties: Json, spec: unknown, more?: Json) => faultsOf(server, properties, spec, more);

test("a stored object has what its schema says and no more, and nulls only where they are allowed", async () => {
  const schema = withSpec({
    a: { type: "string", default: "A" },
    list: { type: "array", items: { type: "object", properties: { x: { type: "integer", default: 7 } } } },
    free: { type: "object", "x-kubernetes-preserve-unknown-fields": true, properties: { known: { type: "object" } } },
    nothing: { type: "string", nullable: true },
    nulled: { type: "string" },
    again: { type: "string", default: "again" },
    either: { "x-kubernetes-int-or-string": true },
  });
  const { create } = await kindWith(schema);
  const { value, headers } = await create({
    odd: 1,
    list: [{}, { x: 1, y: 2 }],
    free: { other: { deep: 1 }, known: { gone: 1 } },
    nothing: null,
    nulled: null,
    again: null,
    either: "50%",
  });
  expect(value.spec).toEqual({
    a: "A",
    list: [{ x: 7 }, { x: 1 }],
    free: { other: { deep: 1 }, known: {} },
    nothing: null,
    again: "again",
    either: "50%",
  });
  expect(headers["warning"]).toEqual(
    ["spec.odd", "spec.list[1].y", "spec.free.known.gone"].map((path) => `299 - "unknown field \\"${path}\\""`),
  );
});

test("unknown fields are refused where strictness is asked for", async () => {
  const { path, object } = await kindWith(withSpec({ a: { type: "string" } }));
  const { status, value } = await server.send("POST", `${path}?fieldValidation=Strict`, object({ b: 1 }));
  expect(status).toBe(400);
  expect(value.message).toContain('strict decoding error: unknown field "spec.b"');
});

describe("an update", () => {
  test("is not blamed for what was wrong before and stays as it was", async () => {
    const { kind, create, patch } = await kindWith(withSpec({ a: { type: "string" }, b: { type: "integer" } }));
    await create({ a: "free text", b: 1 });
    await server.redefine(`${kind.toLowerCase()}s.example.com`, {
      spec: {
        versions: [
          versionOf("v1", withSpec({ a: { type: "string", maxLength: 3 }, b: { type: "integer" } }), { storage: true }),
        ],
      },
    });
    expect((await patch({ spec: { b: 2 } })).status).toBe(200);
    const { status, value } = await patch({ spec: { a: "other text" } });
    expect([status, value.details.causes[0].reason]).toEqual([422, "FieldValueTooLong"]);
  });

  test("needs the version that it replaces", async () => {
    const { path, object, create } = await kindWith(withSpec({ a: { type: "string" } }));
    await create({ a: "x" });
    const { value } = await server.send("PUT", `${path}/one`, object({ a: "y" }));
    expect(value.message).toContain("metadata.resourceVersion: Invalid value: 0: must be specified for an update");
  });

  test("by strategic merge is not known for custom kinds", async () => {
    const { path, create } = await kindWith(withSpec({ a: { type: "string" } }));
    await create({ a: "x" });
    const headers = { "content-type": "application/strategic-merge-patch+json" };
    expect((await server.send("PATCH", `${path}/one`, { spec: { a: "y" } }, headers)).status).toBe(415);
  });
});

describe("rules in CEL", () => {
  const rules = (...list: Json[]) => ({ "x-kubernetes-validations": list });
  const numbers = { a: { type: "integer" }, b: { type: "integer" } };

  test.each<[string, Json, Json, string[]]>([
    [
      "a message",
      rules({ rule: "self.a < self.b", message: "a must be less" }),
      { a: 2, b: 1 },
      ['spec: Invalid value: "object": a must be less'],
    ],
    [
      "no message",
      rules({ rule: "self.a < self.b" }),
      { a: 2, b: 1 },
      ['spec: Invalid value: "object": failed rule: self.a < self.b'],
    ],
    [
      "an expression for the message",
      rules({ rule: "self.a < self.b", messageExpression: "'a is ' + (self.a > 1 ? 'big' : 'small')" }),
      { a: 2, b: 1 },
      ['spec: Invalid value: "object": a is big'],
    ],
    [
      "a reason and a field",
      rules({ rule: "self.a < self.b", reason: "FieldValueForbidden", fieldPath: ".a", message: "no" }),
      { a: 2, b: 1 },
      ["spec.a: Forbidden: no"],
    ],
    [
      "a missing field",
      rules({ rule: "self.a < self.b" }),
      { a: 2 },
      ['spec: Invalid value: "object": no such key: b evaluating rule: failed rule: self.a < self.b'],
    ],
    ["that hold", rules({ rule: "self.a < self.b" }), { a: 1, b: 2 }, []],
  ])("%s", async (_name, more, spec, expected) => {
    expect(await faults(numbers, spec, more)).toEqual(expected);
  });

  test("a transition is judged on updates alone, an optional one always", async () => {
    const { create, patch } = await kindWith(
      withSpec(numbers, rules({ rule: "self.a >= oldSelf.a", message: "only up" })),
    );
    expect((await create({ a: 3 })).status).toBe(201);
    expect((await patch({ spec: { a: 2 } })).value.message).toContain("only up");
    expect((await patch({ spec: { a: 4 } })).status).toBe(200);

    const first = await kindWith(
      withSpec(
        numbers,
        rules({ rule: "oldSelf.hasValue() || self.a == 1", optionalOldSelf: true, message: "begin at 1" }),
      ),
    );
    expect((await first.create({ a: 2 })).value.message).toContain("begin at 1");
    expect((await first.create({ a: 1 })).status).toBe(201);
    expect((await first.patch({ spec: { a: 9 } })).status).toBe(200);
  });
});

describe("subresources", () => {
  const schema = {
    type: "object",
    properties: {
      spec: { type: "object", properties: { size: { type: "integer" } } },
      status: { type: "object", properties: { size: { type: "integer" }, selector: { type: "string" } } },
    },
  };
  const subresources = {
    status: {},
    scale: {
      specReplicasPath: ".spec.size",
      statusReplicasPath: ".status.size",
      labelSelectorPath: ".status.selector",
    },
  };

  test("keep spec and status apart; only the spec counts generations", async () => {
    const { path, patch } = await kindWith(schema, { subresources });
    const kind = (await server.send("GET", path)).value.kind.replace("List", "");
    const made = await server.create(path, {
      apiVersion: "example.com/v1",
      kind,
      metadata: { name: "one" },
      spec: { size: 1 },
      status: { size: 9 },
    });
    expect(made.value.status).toBeUndefined();
    expect(made.value.metadata.generation).toBe(1);
    const status = await patch(
      { status: { size: 1 }, spec: { size: 5 }, metadata: { labels: { a: "b" } } },
      "one",
      "/status",
    );
    expect([
      status.value.spec.size,
      status.value.status.size,
      status.value.metadata.generation,
      status.value.metadata.labels,
    ]).toEqual([1, 1, 1, undefined]);
    const spec = await patch({ spec: { size: 2 }, status: { size: 7 } });
    expect([spec.value.status.size, spec.value.metadata.generation]).toEqual([1, 2]);
  });

  test("scale", async () => {
    const { path, create, patch } = await kindWith(schema, { subresources });
    await create({ size: 1 });
    await patch({ status: { size: 1, selector: "app=web" } }, "one", "/status");
    const scale = await server.send("GET", `${path}/one/scale`);
    expect(scale.value).toMatchObject({
      kind: "Scale",
      spec: { replicas: 1 },
      status: { replicas: 1, selector: "app=web" },
    });
    const changed = await patch({ spec: { replicas: 4 } }, "one", "/scale");
    expect(changed.value.spec.replicas).toBe(4);
    expect((await patch({ spec: { size: -1 } })).value.message).toContain(
      ".spec.size: Invalid value: -1: should be a non-negative integer",
    );
  });
});

test("selectable fields select, others are refused", async () => {
  const { path, create } = await kindWith(withSpec({ color: { type: "string" } }), {
    selectableFields: [{ jsonPath: ".spec.color" }],
  });
  await create({ color: "blue" }, "b");
  await create({ color: "red" }, "r");
  const { value } = await server.send("GET", `${path}?fieldSelector=spec.color%3Dred`);
  expect(value.items.map((one: { metadata: { name: string } }) => one.metadata.name)).toEqual(["r"]);
  expect((await server.send("GET", `${path}?fieldSelector=spec.size%3D1`)).value.message).toContain(
    "field label not supported: spec.size",
  );
});

test("a table has the definition's columns", async () => {
  const { path, create } = await kindWith(withSpec({ when: { type: "string" }, n: { type: "integer" } }), {
    additionalPrinterColumns: [
      { name: "N", type: "integer", jsonPath: ".spec.n", priority: 1 },
      { name: "When", type: "date", jsonPath: ".spec.when" },
      { name: "Wrong", type: "integer", jsonPath: ".spec.when" },
      { name: "Missing", type: "string", jsonPath: ".spec.x[?(@.a=='b')].c" },
    ],
  });
  await create({ n: 5, when: "no date" });
  const { value } = await server.send("GET", path, undefined, {
    accept: "application/json;as=Table;v=v1;g=meta.k8s.io",
  });
  expect(value.columnDefinitions.map((one: { name: string }) => one.name)).toEqual([
    "Name",
    "N",
    "When",
    "Wrong",
    "Missing",
  ]);
  expect(value.rows[0].cells).toEqual(["one", 5, "<invalid>", null, null]);
});

describe("a definition", () => {
  test("takes its instances with it, and none come while it goes", async () => {
    const { kind, path, create, object } = await kindWith(withSpec({ a: { type: "string" } }));
    const held = object({ a: "x" }, "held") as { metadata: Json };
    held.metadata["finalizers"] = ["example.com"]; // of built-in kinds a finalizer has a domain and a name
    await server.create(path, held);
    await create({ a: "y" });
    const name = `${kind.toLowerCase()}s.example.com`;
    const deleted = await server.send("DELETE", `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${name}`);
    expect(deleted.value.metadata.finalizers).toEqual(["customresourcecleanup.apiextensions.k8s.io"]);
    await server.pipeline.clock.sleep(60);
    const refused = await create({ a: "z" }, "late");
    expect([refused.status, refused.value.message]).toEqual([
      405,
      "create not allowed while custom resource definition is terminating",
    ]);
    expect((await server.send("GET", `${path}/one`)).status).toBe(404);
    const { value: discovered } = await server.send("GET", "/apis/example.com/v1");
    const shown = discovered.resources.find((one: { kind: string }) => one.kind === kind);
    expect(shown.verbs).toEqual(["delete", "deletecollection", "get", "list", "watch"]);
    const headers = { "content-type": "application/merge-patch+json" };
    const freed = await server.send("PATCH", `${path}/held`, { metadata: { finalizers: null } }, headers);
    expect([freed.status, freed.value.message]).toEqual([200, undefined]);
    await server.undefine(name);
    expect((await server.send("GET", path)).status).toBe(404);
  });

  test("comes again as another kind: in another scope, and with no past that a watch could resume", async () => {
    await server.define({ kind: "Twice" });
    const path = "/apis/example.com/v1/namespaces/default/twices";
    const made = await server.create(path, { apiVersion: "example.com/v1", kind: "Twice", metadata: { name: "x" } });
    await server.undefine("twices.example.com");
    await server.define({ kind: "Twice", scope: "Cluster" });
    const all = "/apis/example.com/v1/twices";
    const again = await server.create(all, { apiVersion: "example.com/v1", kind: "Twice", metadata: { name: "x" } });
    expect([again.status, again.value.metadata.namespace]).toEqual([201, undefined]);
    expect((await server.send("GET", `${all}/x`)).value.metadata.uid).toBe(again.value.metadata.uid);
    const { body } = await server.send(
      "GET",
      `${all}?watch=true&resourceVersion=${made.value.metadata.resourceVersion}`,
    );
    if (body.kind !== "watch") throw new Error("no watch");
    for await (const [first] of body.batches) {
      expect(first?.event()).toMatchObject({ type: "ERROR", object: { code: 410, reason: "Expired" } });
      break;
    }
    await server.undefine("twices.example.com");
  });

  test("does not get names that another has", async () => {
    await server.define({
      group: "names.example.com",
      kind: "Box",
      spec: { names: { plural: "boxs", kind: "Box", shortNames: ["bx"] } },
    });
    const names = { plural: "crates", kind: "Crate", shortNames: ["bx"] };
    await server.send("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", {
      apiVersion: "apiextensions.k8s.io/v1",
      kind: "CustomResourceDefinition",
      metadata: { name: "crates.names.example.com" },
      spec: {
        group: "names.example.com",
        scope: "Cluster",
        names,
        versions: [versionOf("v1", { type: "object" }, { storage: true })],
      },
    });
    await server.pipeline.clock.sleep(60);
    const path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/crates.names.example.com";
    const { value } = await server.send("GET", path);
    expect(value.status.conditions).toMatchObject([
      { type: "NamesAccepted", status: "False", reason: "ShortNamesConflict", message: '"bx" is already in use' },
      { type: "Established", status: "False", reason: "NotAccepted" },
    ]);
    await server.undefine("boxs.names.example.com");
    await server.pipeline.clock.sleep(60);
    expect((await server.send("GET", path)).value.status.conditions).toMatchObject([
      { type: "NamesAccepted", status: "True" },
      { type: "Established", status: "True" },
    ]);
  });
});
