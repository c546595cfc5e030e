/** Server-side apply through the whole pipeline: who owns what, what conflicts, what goes, and how it is refused. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Pipeline, type RawResponse, startPipeline } from "../../e2e/harness/pipeline.ts";
import { fakeClock } from "../../machinery/process/fake-clock.ts";

const clock = fakeClock();
const DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments";
const CONFIGMAPS = "/api/v1/namespaces/default/configmaps";

let pipeline: Pipeline;
let names = 0;
let name = "";

beforeAll(async () => {
  pipeline = await startPipeline({ clock });
});
afterAll(() => pipeline.close());
beforeEach(() => {
  name = `web-${++names}`;
});

type Json = Record<string, unknown>;

const container = (more: Json = {}): Json => ({ name: "web", image: "nginx:1", ...more });
const deployment = (spec: Json = {}, metadata: Json = {}, containers: Json[] = [container()]): Json => ({
  apiVersion: "apps/v1",
  kind: "Deployment",
  metadata: { name, ...metadata },
  spec: {
    selector: { matchLabels: { app: "web" } },
    template: { metadata: { labels: { app: "web" } }, spec: { containers } },
    ...spec,
  },
});
const configMap = (data: Json, metadata: Json = {}): Json => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, ...metadata },
  data,
});

interface Options {
  readonly manager?: string;
  readonly force?: boolean;
  readonly query?: string;
  readonly path?: string;
  readonly user?: string;
}

function apply(body: unknown, { manager = "me", force = false, query = "", path, user }: Options = {}) {
  const kind = (body as Json)["kind"];
  const collection = kind === "ConfigMap" ? CONFIGMAPS : DEPLOYMENTS;
  return pipeline.send({
    method: "PATCH",
    path: `${path ?? `${collection}/${name}`}?fieldManager=${encodeURIComponent(manager)}${force ? "&force=true" : ""}${query}`,
    headers: { "content-type": "application/apply-patch+yaml" },
    body,
    ...(user ? { user, groups: [] } : {}),
  });
}

function patch(path: string, type: string, body: unknown, manager = "patcher") {
  const headers = { "content-type": `application/${type}-patch+json` };
  return pipeline.send({ method: "PATCH", path: `${path}?fieldManager=${manager}`, headers, body });
}

interface Entry {
  manager: string;
  operation: string;
  subresource?: string;
  time: string;
  fieldsV1: Json;
}

const entries = ({ value }: RawResponse): Entry[] => value.metadata.managedFields ?? [];
const owners = (response: RawResponse) =>
  entries(response).map(({ manager, operation, subresource }) =>
    [manager, operation, subresource].filter(Boolean).join("/"),
  );
const fieldsOf = (response: RawResponse, manager: string, operation = "Apply") =>
  entries(response).find((one) => one.manager === manager && one.operation === operation)?.fieldsV1;

describe("apply", () => {
  test("creates what is not there, by YAML too", async () => {
    const made = await apply(`apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\ndata: {a: "1"}\n`, {
      path: `${CONFIGMAPS}/${name}`,
    });
    expect(made.status).toBe(201);
    expect(made.value.data).toEqual({ a: "1" });
    expect(entries(made)).toEqual([
      {
        manager: "me",
        operation: "Apply",
        apiVersion: "v1",
        time: "2026-01-01T00:00:00Z",
        fieldsType: "FieldsV1",
        fieldsV1: { "f:data": { "f:a": {} } },
      },
    ]);
  });

  test("owns what it says, and no defaults", async () => {
    const made = await apply(deployment({ replicas: 2 }, {}, [container({ ports: [{ containerPort: 80 }] })]));
    expect(fieldsOf(made, "me")).toEqual({
      "f:spec": {
        "f:replicas": {},
        "f:selector": {},
        "f:template": {
          "f:metadata": { "f:labels": { "f:app": {} } },
          "f:spec": {
            "f:containers": {
              'k:{"name":"web"}': {
                ".": {},
                "f:image": {},
                "f:name": {},
                "f:ports": { 'k:{"containerPort":80,"protocol":"TCP"}': { ".": {}, "f:containerPort": {} } },
              },
            },
          },
        },
      },
    });
  });

  test("the same again writes nothing, later too", async () => {
    const first = await apply(deployment());
    await clock.advance(5_000);
    const second = await apply(deployment());
    expect(second.status).toBe(200);
    expect(second.value.metadata.resourceVersion).toBe(first.value.metadata.resourceVersion);
  });

  test("by a dry run writes nothing", async () => {
    expect((await apply(configMap({ a: "1" }), { query: "&dryRun=All" })).status).toBe(201);
    expect((await pipeline.send({ path: `${CONFIGMAPS}/${name}` })).status).toBe(404);
  });

  test("takes out what is no longer applied", async () => {
    await apply(configMap({ a: "1", b: "2" }, { labels: { x: "y" } }));
    const after = await apply(configMap({ a: "1" }));
    expect(after.value.data).toEqual({ a: "1" });
    expect(after.value.metadata.labels).toBeUndefined();
    expect(after.value.metadata.name).toBe(name);
  });

  test("takes out items of lists by their keys", async () => {
    const two = [
      container({
        env: [
          { name: "A", value: "1" },
          { name: "B", value: "2" },
        ],
      }),
      { name: "side", image: "i" },
    ];
    await apply(deployment({}, {}, two));
    const after = await apply(deployment({}, {}, [container({ env: [{ name: "B", value: "2" }] })]));
    expect(after.value.spec.template.spec.containers).toMatchObject([
      { name: "web", env: [{ name: "B", value: "2" }] },
    ]);
    expect(after.value.spec.template.spec.containers).toHaveLength(1);
  });

  test("leaves what others own, and what nobody does", async () => {
    await apply(configMap({ a: "1", both: "x" }));
    await apply(configMap({ both: "x", b: "2" }), { manager: "other" });
    const after = await apply(configMap({ a: "1" }));
    expect(after.value.data).toEqual({ a: "1", b: "2", both: "x" });
    expect(fieldsOf(after, "other")).toEqual({ "f:data": { "f:b": {}, "f:both": {} } });
  });

  test("an atomic list is replaced as a whole", async () => {
    await apply(deployment({}, {}, [container({ args: ["a", "b"] })]));
    const after = await apply(deployment({}, {}, [container({ args: ["c"] })]));
    expect(after.value.spec.template.spec.containers[0].args).toEqual(["c"]);
  });

  test("a set is joined, and each of its values owned", async () => {
    await apply(configMap({}, { finalizers: ["a.example/x", "a.example/y"] }));
    const both = await apply(configMap({}, { finalizers: ["a.example/z"] }), { manager: "other" });
    expect(both.value.metadata.finalizers.toSorted()).toEqual(["a.example/x", "a.example/y", "a.example/z"]);
    expect(fieldsOf(both, "other")).toEqual({
      "f:data": {},
      "f:metadata": { "f:finalizers": { 'v:"a.example/z"': {} } },
    });
    const less = await apply(configMap({}, { finalizers: ["a.example/y"] }));
    expect(less.value.metadata.finalizers.toSorted()).toEqual(["a.example/y", "a.example/z"]);
  });

  test("finds an item by the default of a key", async () => {
    await apply(deployment({}, {}, [container({ ports: [{ containerPort: 80, protocol: "TCP", name: "http" }] })]));
    const ports = [{ containerPort: 80, hostPort: 8080 }];
    const after = await apply(deployment({}, {}, [container({ ports })]), { manager: "other" });
    expect(after.value.spec.template.spec.containers[0].ports).toEqual([
      { containerPort: 80, hostPort: 8080, name: "http", protocol: "TCP" },
    ]);
  });
});

describe("a conflict", () => {
  test("is told with who and where, and with causes", async () => {
    const body = deployment({ replicas: 1 });
    await pipeline.send({ method: "POST", path: `${DEPLOYMENTS}?fieldManager=kubectl-client-side-apply`, body });
    const refused = await apply(deployment({ replicas: 2 }));
    expect(refused.value).toEqual({
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message: 'Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using apps/v1: .spec.replicas',
      reason: "Conflict",
      details: {
        causes: [
          {
            reason: "FieldManagerConflict",
            message: 'conflict with "kubectl-client-side-apply" using apps/v1',
            field: ".spec.replicas",
          },
        ],
      },
      code: 409,
    });
  });

  test("several are listed by owner", async () => {
    await apply(deployment({ replicas: 1, paused: true }), { manager: "a" });
    await apply(deployment({ minReadySeconds: 1 }), { manager: "b" });
    const { value } = await apply(
      deployment({ replicas: 2, paused: false, minReadySeconds: 2 }, {}, [container({ image: "i" })]),
    );
    expect(value.message).toBe(
      [
        'Apply failed with 5 conflicts: conflicts with "a":',
        "- .spec.paused",
        "- .spec.replicas",
        '- .spec.template.spec.containers[name="web"].image',
        'conflicts with "b":',
        "- .spec.minReadySeconds",
        '- .spec.template.spec.containers[name="web"].image',
      ].join("\n"),
    );
  });

  test("is none where both say the same: both own it", async () => {
    await apply(configMap({ a: "1" }), { manager: "other" });
    const shared = await apply(configMap({ a: "1" }));
    expect(owners(shared)).toEqual(["me/Apply", "other/Apply"]);
  });

  test("is overcome by force, and the other gives up what it is about", async () => {
    await apply(configMap({ a: "1", b: "1" }), { manager: "other" });
    const forced = await apply(configMap({ a: "2" }), { force: true });
    expect(forced.value.data).toEqual({ a: "2", b: "1" });
    expect(fieldsOf(forced, "other")).toEqual({ "f:data": { "f:b": {} } });
  });

  test("of versions is told like any other", async () => {
    const made = await apply(configMap({ a: "1" }));
    const { resourceVersion } = made.value.metadata;
    await apply(configMap({ a: "2" }));
    const late = await apply(configMap({ a: "3" }, { resourceVersion }));
    expect(late.status).toBe(409);
    expect(late.value.message).toContain("the object has been modified");
  });
});

describe("an apply is refused", () => {
  test.each<[string, () => unknown, Options, number, string]>([
    [
      "without a manager",
      () => configMap({}),
      { manager: "" },
      422,
      "fieldManager: Required value: is required for apply patch",
    ],
    [
      "by too long a name",
      () => configMap({}),
      { manager: "m".repeat(129) },
      422,
      "fieldManager: Too long: may not be more than 128 bytes",
    ],
    [
      "by an unprintable name",
      () => configMap({}),
      { manager: "a\u0007" },
      422,
      "invalid character U+0007 (at position 1)",
    ],
    ["with managedFields", () => configMap({}, { managedFields: [] }), {}, 400, "metadata.managedFields must be nil"],
    [
      "of another version",
      () => ({ ...configMap({}), apiVersion: "v2" }),
      {},
      400,
      "Incorrect version specified in apply patch. Specified patch version: v2, expected: v1",
    ],
    ["of a version that is none", () => ({ ...configMap({}), apiVersion: {} }), {}, 400, "apiVersion must be a string"],
    ["of a kind that is none", () => ({ ...configMap({}), kind: [1] }), {}, 400, "kind must be a string"],
    ["of no object", () => "[]", { path: `${CONFIGMAPS}/x` }, 400, "error decoding YAML"],
    ["of no YAML", () => "a: [", { path: `${CONFIGMAPS}/x` }, 400, "error converting YAML to JSON"],
    ["of another name", () => configMap({}, { name: "other" }), {}, 400, "does not match the name on the URL"],
    [
      "of a uid that is not there",
      () => configMap({}, { uid: "u" }),
      {},
      409,
      "Precondition failed: UID in precondition: u, UID in object meta: ",
    ],
    ["with an unknown field", () => deployment({ foo: 1 }), {}, 400, ".spec.foo: field not declared in schema"],
    [
      "with a string for a number",
      () => deployment({ replicas: "1" }),
      {},
      400,
      ".spec.replicas: expected numeric (int or float), got &value.valueUnstructured{Value:1}",
    ],
    ["with a list for a map", () => configMap([] as never), {}, 400, ".data: expected map, got &{[]}"],
    [
      "with a map for a list",
      () => deployment({}, { finalizers: {} }),
      {},
      400,
      ".metadata.finalizers: expected list, got &{map[]}",
    ],
    [
      "with an item twice",
      () => deployment({}, {}, [container({ env: [{ name: "A" }, { name: "A" }] })]),
      {},
      400,
      '.spec.template.spec.containers[name="web"].env: duplicate entries for key [name="A"]',
    ],
    [
      "with an item without its key",
      () => deployment({}, {}, [container({ ports: [{ hostPort: 1 }] })]),
      {},
      400,
      `element 0: associative list with keys has an element that omits key field "containerPort" (and doesn't have default value)`,
    ],
    [
      "with several mistakes",
      () => deployment({ foo: 1, bar: 2 }),
      {},
      400,
      "errors:\n  .spec.foo: field not declared in schema\n  .spec.bar: ",
    ],
    [
      "to the status of nothing",
      () => deployment(),
      { path: `${DEPLOYMENTS}/nothing/status` },
      404,
      'deployments.apps "nothing" not found',
    ],
    ["that creates, without permission to", () => configMap({}), { user: "nobody" }, 403, "cannot"],
  ])("%s", async (_what, body, options, status, message) => {
    const refused = await apply(body(), options);
    expect(refused.value.message).toContain(message);
    expect(refused.status).toBe(status);
  });

  test("force belongs to apply alone", async () => {
    await apply(configMap({}));
    const headers = { "content-type": "application/merge-patch+json" };
    const path = `${CONFIGMAPS}/${name}?force=true`;
    const refused = await pipeline.send({ method: "PATCH", path, headers, body: {} });
    expect(refused.status).toBe(422);
    expect(refused.value.message).toBe(
      'PatchOptions.meta.k8s.io "" is invalid: force: Forbidden: may not be specified for non-apply patch',
    );
  });

  test("keys that are given twice warn, or refuse when strict", async () => {
    const body = `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\ndata: {a: "1"}\ndata: {a: "2"}\n`;
    const path = `${CONFIGMAPS}/${name}`;
    const strict = await apply(body, { path, query: "&fieldValidation=Strict" });
    expect([strict.status, strict.value.message]).toEqual([
      400,
      'error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:\n  line 5: key "data" already set in map',
    ]);
    expect(String((await apply(body, { path })).headers["warning"])).toContain("already set in map");
  });
});

describe("subresources", () => {
  test("a status is applied under its own entry, and nothing else with it", async () => {
    await apply(deployment({ replicas: 1 }));
    const body = { ...deployment({ replicas: 9 }), status: { observedGeneration: 1 } };
    const after = await apply(body, { manager: "controller", path: `${DEPLOYMENTS}/${name}/status` });
    expect(after.value.spec.replicas).toBe(1);
    expect(after.value.status).toEqual({ observedGeneration: 1 });
    expect(owners(after)).toEqual(["controller/Apply/status", "me/Apply"]);
    expect(fieldsOf(after, "controller")).toEqual({ "f:status": { "f:observedGeneration": {} } });
  });

  test("nobody owns a status by an apply of the object", async () => {
    const made = await apply({ ...deployment(), status: { observedGeneration: 1 } });
    expect(fieldsOf(made, "me")).not.toHaveProperty("f:status");
  });

  test("who scales owns the replicas", async () => {
    await apply(deployment({ replicas: 1 }));
    const scale = `${DEPLOYMENTS}/${name}/scale`;
    const body = { apiVersion: "autoscaling/v1", kind: "Scale", metadata: { name }, spec: { replicas: 3 } };
    await pipeline.send({ method: "PUT", path: `${scale}?fieldManager=scaler`, body });
    const scaled = await pipeline.send({ path: `${DEPLOYMENTS}/${name}` });
    expect(owners(scaled)).toEqual(["me/Apply", "scaler/Update/scale"]);
    expect(fieldsOf(scaled, "scaler", "Update")).toEqual({ "f:spec": { "f:replicas": {} } });
    expect((await apply(deployment({ replicas: 1 }))).value.message).toBe(
      'Apply failed with 1 conflict: conflict with "scaler" with subresource "scale" using apps/v1: .spec.replicas',
    );
    // Who leaves the replicas to the scaler does not set them back.
    expect((await apply(deployment())).value.spec.replicas).toBe(3);
  });

  test("a Scale without replicas changes nothing", async () => {
    await apply(deployment({ replicas: 2 }));
    const scaled = await pipeline.send({
      method: "PATCH",
      path: `${DEPLOYMENTS}/${name}/scale?fieldManager=m`,
      body: { apiVersion: "autoscaling/v1", kind: "Scale", metadata: {}, spec: {} },
      headers: { "content-type": "application/apply-patch+yaml" },
    });
    expect([scaled.status, scaled.value.spec]).toEqual([200, { replicas: 2 }]);
  });

  test("a Scale is applied as the replicas of the object", async () => {
    await apply(deployment({ replicas: 1 }));
    const path = `${DEPLOYMENTS}/${name}/scale`;
    const body = { apiVersion: "autoscaling/v1", kind: "Scale", metadata: { name }, spec: { replicas: 5 } };
    const refused = await apply(body, { manager: "scaler", path });
    expect(refused.value.message).toBe('Apply failed with 1 conflict: conflict with "me": .spec.replicas');
    const forced = await apply(body, { manager: "scaler", path, force: true });
    expect(forced.value).toMatchObject({ kind: "Scale", spec: { replicas: 5 } });
    expect(owners(await pipeline.send({ path: `${DEPLOYMENTS}/${name}` }))).toEqual(["me/Apply", "scaler/Apply/scale"]);
  });
});

describe("coming from elsewhere", () => {
  const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";

  test("kubectl takes over what its client-side apply set, and the annotation follows", async () => {
    const old = deployment({ replicas: 1 });
    const annotated = deployment({ replicas: 1 }, { annotations: { [LAST_APPLIED]: JSON.stringify(old) } });
    await pipeline.send({
      method: "POST",
      path: `${DEPLOYMENTS}?fieldManager=kubectl-client-side-apply`,
      body: annotated,
    });
    const other = await apply(deployment({ replicas: 2 }), { manager: "other" });
    expect(other.status).toBe(409);
    const taken = await apply(deployment({ replicas: 2 }), { manager: "kubectl" });
    expect(taken.value.spec.replicas).toBe(2);
    expect(JSON.parse(taken.value.metadata.annotations[LAST_APPLIED]).spec.replicas).toBe(2);
  });

  test("but not what others changed since", async () => {
    const old = deployment({ replicas: 1 });
    const annotated = deployment({ replicas: 1 }, { annotations: { [LAST_APPLIED]: JSON.stringify(old) } });
    await pipeline.send({
      method: "POST",
      path: `${DEPLOYMENTS}?fieldManager=kubectl-client-side-apply`,
      body: annotated,
    });
    await patch(`${DEPLOYMENTS}/${name}`, "merge", { spec: { replicas: 7 } });
    const refused = await apply(deployment({ replicas: 2 }), { manager: "kubectl" });
    expect(refused.value.message).toBe(
      'Apply failed with 1 conflict: conflict with "patcher" using apps/v1: .spec.replicas',
    );
  });

  test("what an object had before its first apply has an owner of its own", async () => {
    await pipeline.send({ method: "POST", path: CONFIGMAPS, body: configMap({ a: "1" }) });
    await patch(`${CONFIGMAPS}/${name}`, "merge", { metadata: { managedFields: [{}] } });
    const after = await apply(configMap({ b: "2" }));
    expect(owners(after)).toEqual(["me/Apply", "before-first-apply/Update"]);
    expect(fieldsOf(after, "before-first-apply", "Update")).toEqual({ "f:data": { ".": {}, "f:a": {} } });
  });
});
