/** Mutating admission policies: what they make of objects, through the whole pipeline. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type CustomServer, kindOf, startCustomServer } from "../../e2e/harness/custom-server.ts";
import { withSpec } from "../custom/fixture.ts";

const GROUP = "/apis/admissionregistration.k8s.io/v1";
const MAPS = "/api/v1/namespaces/default/configmaps";
const PODS = "/api/v1/namespaces/default/pods";

let server: CustomServer;
beforeAll(async () => {
  server = await startCustomServer();
});
afterAll(() => server.pipeline.close());

const made: string[] = [];
beforeEach(async () => {
  for (const path of made.splice(0)) await server.send("DELETE", path);
});

const on = (...resources: string[]) => ({
  resourceRules: [{ apiGroups: ["*"], apiVersions: ["*"], operations: ["CREATE", "UPDATE"], resources }],
});
const apply = (expression: string) => ({ patchType: "ApplyConfiguration", applyConfiguration: { expression } });
const patch = (expression: string) => ({ patchType: "JSONPatch", jsonPatch: { expression } });

async function policy(name: string, spec: object, binding: object = {}): Promise<void> {
  const whole = { matchConstraints: on("configmaps"), reinvocationPolicy: "Never", ...spec };
  const one = await server.send("POST", `${GROUP}/mutatingadmissionpolicies`, { metadata: { name }, spec: whole });
  expect(one.status, one.value.message).toBe(201);
  const two = await server.send("POST", `${GROUP}/mutatingadmissionpolicybindings`, {
    metadata: { name },
    spec: { policyName: name, ...binding },
  });
  expect(two.status, two.value.message).toBe(201);
  made.push(`${GROUP}/mutatingadmissionpolicies/${name}`, `${GROUP}/mutatingadmissionpolicybindings/${name}`);
}

let next = 0;
const create = (metadata: object = {}, data: object = { a: "1" }) =>
  server.send("POST", MAPS, { metadata: { name: `p${next++}`, ...metadata }, data });
const pod = (name: string, spec: object = {}) =>
  server.send("POST", PODS, { metadata: { name }, spec: { containers: [{ name: "c", image: "i" }], ...spec } });

describe("a mutation", () => {
  test.each<[string, object, object]>([
    [
      "lays a configuration over the object",
      apply("Object{metadata: Object.metadata{labels: {'by': request.userInfo.username}}, data: {'b': '2'}}"),
      { metadata: { labels: { kept: "yes", by: "admin" } }, data: { a: "1", b: "2" } },
    ],
    [
      "adds, replaces and removes by a JSON patch",
      patch(
        "[JSONPatch{op: 'add', path: '/data/b', value: '2'}, JSONPatch{op: 'replace', path: '/data/a', value: object.data.a + '!'}," +
          " JSONPatch{op: 'remove', path: '/metadata/labels/kept'}]",
      ),
      { metadata: { labels: {} }, data: { a: "1!", b: "2" } },
    ],
    [
      "escapes keys, and takes maps and objects for values",
      patch(
        "[JSONPatch{op: 'add', path: '/metadata/labels/' + jsonpatch.escapeKey('example.com/x'), value: 'y'}," +
          " JSONPatch{op: 'add', path: '/metadata/annotations', value: Object.metadata.annotations{k: 'v'}}]",
      ),
      { metadata: { labels: { kept: "yes", "example.com/x": "y" }, annotations: { k: "v" } } },
    ],
    [
      "does nothing where a test of its patch fails",
      patch("[JSONPatch{op: 'test', path: '/data/a', value: '2'}, JSONPatch{op: 'remove', path: '/data/a'}]"),
      { data: { a: "1" } },
    ],
    [
      "may do nothing",
      patch("object.data.a == '2' ? [JSONPatch{op: 'remove', path: '/data'}] : []"),
      { data: { a: "1" } },
    ],
  ])("%s", async (_name, mutation, expected) => {
    await policy("one", { mutations: [mutation] });
    const { status, value } = await create({ labels: { kept: "yes" } });
    expect(status, value.message).toBe(201);
    expect(value).toMatchObject(expected);
    expect((await server.send("GET", `${MAPS}/${value.metadata.name}`)).value).toEqual(value);
  });

  test("merges lists by their keys, and the plugins complete what came", async () => {
    const container = "Object.spec.initContainers{name: 'mesh', image: 'mesh:1', restartPolicy: 'Always'}";
    const existing = "Object.spec.containers{name: 'c', imagePullPolicy: 'Never'}";
    const expression = `Object{spec: Object.spec{initContainers: [${container}], containers: [${existing}]}}`;
    await policy("mesh", { matchConstraints: on("pods"), mutations: [apply(expression)] });
    const { status, value } = await pod("meshed");
    expect(status, value.message).toBe(201);
    expect(value.spec.containers).toMatchObject([{ name: "c", image: "i", imagePullPolicy: "Never" }]);
    expect(value.spec.initContainers).toMatchObject([
      {
        name: "mesh",
        restartPolicy: "Always",
        terminationMessagePath: "/dev/termination-log",
        volumeMounts: [{ mountPath: "/var/run/secrets/kubernetes.io/serviceaccount" }],
      },
    ]);
    expect(JSON.stringify(value.metadata.managedFields)).not.toContain("mesh");
  });

  test("sees variables, params and what mutations before it made", async () => {
    const { status } = await server.send("POST", MAPS, { metadata: { name: "settings" }, data: { suffix: "-x" } });
    expect(status).toBe(201);
    await policy(
      "many",
      {
        paramKind: { apiVersion: "v1", kind: "ConfigMap" },
        variables: [
          { name: "base", expression: "object.data.a" },
          { name: "long", expression: "variables.base + params.data.suffix" },
        ],
        mutations: [apply("Object{data: {'a': variables.long}}"), apply("Object{data: {'b': variables.long}}")],
      },
      { paramRef: { name: "settings", namespace: "default", parameterNotFoundAction: "Deny" } },
    );
    expect((await create()).value.data).toEqual({ a: "1-x", b: "1-x-x" });
  });

  test("is of policies in the order of their names, of updates too, where conditions hold", async () => {
    const append = (text: string) => ({
      mutations: [patch(`[JSONPatch{op: 'replace', path: '/data/a', value: object.data.a + '${text}'}]`)],
    });
    await policy("b", append("b"));
    await policy("a", append("a"));
    const matchConditions = [{ name: "updates", expression: "request.operation == 'UPDATE'" }];
    await policy("c", { ...append("c"), matchConditions });
    const { value } = await create();
    expect(value.data.a).toBe("1ab");
    const headers = { "content-type": "application/merge-patch+json" };
    const changed = await server.send("PATCH", `${MAPS}/${value.metadata.name}`, { data: { z: "" } }, headers);
    expect(changed.value.data.a).toBe("1ababc");
  });

  test("runs once more where it asks for that and the object changed after it", async () => {
    const count = "string(int(object.data.?n.orValue('0')) + 1)";
    const mutations = [patch(`[JSONPatch{op: 'add', path: '/data/n', value: ${count}}]`)];
    await policy("a", { reinvocationPolicy: "IfNeeded", mutations });
    expect((await create()).value.data.n).toBe("1");
    await policy("b", { mutations: [apply("Object{data: {'b': 'x'}}")] });
    expect((await create()).value.data.n).toBe("2");
  });

  test("is of custom kinds too", async () => {
    const schema = withSpec({
      items: {
        type: "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
        items: {
          type: "object",
          required: ["name"],
          properties: { name: { type: "string" }, size: { type: "integer", default: 5 } },
        },
      },
    });
    const { kind, create: createCustom } = await kindOf(server, schema);
    await policy("custom", {
      matchConstraints: on(`${kind.toLowerCase()}s`),
      mutations: [
        apply(
          "Object{spec: Object.spec{items: [Object.spec.items{name: 'b'}, Object.spec.items{name: 'a', size: 2}]}}",
        ),
      ],
    });
    const { status, value } = await createCustom({ items: [{ name: "a", size: 1 }] });
    expect(status, value.message).toBe(201);
    expect(value.spec.items).toEqual([
      { name: "b", size: 5 },
      { name: "a", size: 2 },
    ]);
  });
});

describe("a mutation that fails", () => {
  const by = "policy 'bad' with binding 'bad' denied request: ";
  test.each<[string, object, string]>([
    [
      "cannot be evaluated",
      apply("Object{data: {'b': object.data.nothing}}"),
      "expression 'Object{data: {'b': object.data.nothing}}' resulted in error: no such key: nothing",
    ],
    [
      "names a field that is not there",
      apply("Object{datum: {'b': 'x'}}"),
      "error applying patch: failed to convert patch object to typed object: .datum: field not declared in schema",
    ],
    [
      "names a part that stands elsewhere",
      apply("Object{metadata: Object.spec{labels: {'a': 'b'}}}"),
      'type mismatch: unexpected type name "Object.spec", expected "Object.metadata", which matches field name path from root Object type',
    ],
    [
      "patches what is not there",
      patch("[JSONPatch{op: 'replace', path: '/data/b', value: 'x'}]"),
      "JSONPath: replace operation does not apply: doc is missing key: /data/b: missing value",
    ],
  ])("%s", async (_name, mutation, message) => {
    await policy("bad", { mutations: [mutation] });
    const { status, value } = await create();
    expect([status, value.reason, value.message]).toEqual([403, "Invalid", by + message]);
    expect(value.details.causes).toEqual([{ message: by + message }]);
  });

  test("would replace an atomic list", async () => {
    const mutations = [
      apply("Object{spec: Object.spec{containers: [Object.spec.containers{name: 'c', args: ['x']}]}}"),
    ];
    await policy("bad", { matchConstraints: on("pods"), mutations });
    const why = "invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: .spec.containers[0].args";
    expect((await pod("atomic")).value.message).toBe(`${by}error applying patch: ${why}`);
  });

  test("does not matter to a policy that ignores failures; others run", async () => {
    await policy("bad", { failurePolicy: "Ignore", mutations: [apply("Object{data: {'b': object.data.nothing}}")] });
    await policy("good", { mutations: [apply("Object{data: {'g': 'x'}}")] });
    expect((await create()).value.data).toEqual({ a: "1", g: "x" });
  });

  test("has no params to go by", async () => {
    const paramKind = { apiVersion: "v1", kind: "ConfigMap" };
    const paramRef = { name: "none", namespace: "default", parameterNotFoundAction: "Deny" };
    await policy("bad", { paramKind, mutations: [apply("Object{data: params.data}")] }, { paramRef });
    const why = "failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction";
    expect((await create()).value.message).toBe(by + why);
  });
});

describe("a policy that is refused", () => {
  const good = { matchConstraints: on("configmaps"), reinvocationPolicy: "Never", mutations: [apply("Object{}")] };
  test.each<[string, object, readonly string[]]>([
    ["nothing", { mutations: [] }, ["spec.mutations: Required value: mutations must contain at least one item"]],
    [
      "deletes",
      { matchConstraints: { resourceRules: [{ ...on("pods").resourceRules[0], operations: ["DELETE"] }] } },
      [
        'spec.matchConstraints.resourceRules.operations: Unsupported value: "DELETE": supported values: "*", "CONNECT", "CREATE", "UPDATE"',
      ],
    ],
    ["no reinvocationPolicy", { reinvocationPolicy: undefined }, ["spec.reinvocationPolicy: Required value"]],
    [
      "another type of patch",
      { mutations: [{ patchType: "Merge" }] },
      ['spec.mutations[0].patchType: Unsupported value: "Merge": supported values: "ApplyConfiguration", "JSONPatch"'],
    ],
    [
      "the other one's expression",
      { mutations: [{ patchType: "JSONPatch", applyConfiguration: { expression: "Object{}" } }] },
      [
        "spec.mutations[0].jsonPatch: Required value: must be specified when patchType is JSONPatch",
        'spec.mutations[0].applyConfiguration: Invalid value: "{applyConfiguration}": must not be specified when patchType is JSONPatch',
      ],
    ],
    [
      "another type of value",
      { mutations: [apply("'x'")] },
      ["spec.mutations[0].applyConfiguration.expression: Invalid value: \"'x'\": must evaluate to Object"],
    ],
    [
      "another type of list",
      { mutations: [patch("['x']")] },
      ["spec.mutations[0].jsonPatch.expression: Invalid value: \"['x']\": must evaluate to list(JSONPatch)"],
    ],
  ])("%s", async (_name, spec, messages) => {
    const body = { metadata: { name: "refused" }, spec: { ...good, ...spec } };
    const { status, value } = await server.send("POST", `${GROUP}/mutatingadmissionpolicies`, body);
    const causes = (value.details?.causes ?? []) as { field: string; message: string }[];
    expect([status, causes.map(({ field, message }) => `${field}: ${message}`)]).toEqual([422, messages]);
  });
});
