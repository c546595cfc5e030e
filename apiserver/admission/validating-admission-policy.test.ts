/** Validating admission policies: through the whole pipeline, as a client writes policies and meets them. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";

let pipeline: Pipeline;
beforeAll(async () => {
  pipeline = await startPipeline();
  await send("POST", "/api/v1/namespaces", { metadata: { name: "prod", labels: { env: "prod" } } });
});
afterAll(() => pipeline.close());

const send = (method: string, path: string, body?: unknown, more: object = {}) =>
  pipeline.send({ method, path, ...(body === undefined ? {} : { body }), ...more });
const GROUP = "/apis/admissionregistration.k8s.io/v1";
const POLICIES = `${GROUP}/validatingadmissionpolicies`;
const BINDINGS = `${GROUP}/validatingadmissionpolicybindings`;

const onConfigMaps = {
  resourceRules: [
    { apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE", "UPDATE", "DELETE"], resources: ["configmaps"] },
  ],
};

async function policy(spec: object, binding: object = {}): Promise<void> {
  const made = await send("POST", POLICIES, {
    metadata: { name: "p" },
    spec: { matchConstraints: onConfigMaps, failurePolicy: "Fail", ...spec },
  });
  expect(made.status, JSON.stringify(made.value)).toBe(201);
  const bound = await send("POST", BINDINGS, {
    metadata: { name: "b" },
    spec: { policyName: "p", validationActions: ["Deny"], ...binding },
  });
  expect(bound.status, JSON.stringify(bound.value)).toBe(201);
}

let next = 0;
const create = (data: object, metadata: object = {}, namespace = "default", more: object = {}) =>
  send(
    "POST",
    `/api/v1/namespaces/${namespace}/configmaps`,
    { metadata: { name: `m${next++}`, ...metadata }, data },
    more,
  );

beforeEach(async () => {
  await send("DELETE", `${POLICIES}/p`);
  await send("DELETE", `${BINDINGS}/b`);
});

describe("a policy with a binding", () => {
  test("refuses what its expression says no to, in Kubernetes' words", async () => {
    await policy({ validations: [{ expression: "object.data.size() <= 1", message: "one entry at most" }] });
    expect((await create({ a: "1" })).status).toBe(201);
    const { status, value } = await create({ a: "1", b: "2" }, { name: "two" });
    expect(status).toBe(422);
    const message = "ValidatingAdmissionPolicy 'p' with binding 'b' denied request: one entry at most";
    expect(value).toMatchObject({
      reason: "Invalid",
      message: `configmaps "two" is forbidden: ${message}`,
      details: { name: "two", kind: "configmaps", causes: [{ message }] },
    });
  });

  test("says the expression where there is no message, or what messageExpression gives", async () => {
    await policy({
      validations: [
        { expression: "has(object.data.a)" },
        { expression: "object.data.a == 'x'", messageExpression: "'a is ' + object.data.a", reason: "Forbidden" },
      ],
    });
    expect((await create({ b: "1" })).value.message).toContain("denied request: failed expression: has(object.data.a)");
    const { status, value } = await create({ a: "y" });
    expect(status).toBe(403);
    expect(value).toMatchObject({ reason: "Forbidden" });
    expect(value.message).toContain("denied request: a is y");
  });

  test("compares with the old object and sees deletes", async () => {
    await policy({
      validations: [
        { expression: "request.operation != 'UPDATE' || object.data.a == oldObject.data.a", message: "a is fixed" },
        { expression: "request.operation != 'DELETE' || !has(oldObject.data.keep)", message: "kept" },
      ],
    });
    const { value } = await create({ a: "1", keep: "y" }, { name: "fixed" });
    value.data.a = "2";
    const path = "/api/v1/namespaces/default/configmaps/fixed";
    expect((await send("PUT", path, value)).value.message).toContain("denied request: a is fixed");
    expect((await send("DELETE", path)).value.message).toContain("denied request: kept");
  });

  test("sees connections, and sizes that are asked for", async () => {
    const rule = { apiGroups: ["*"], apiVersions: ["*"], operations: ["*"], resources: ["pods/exec", "*/scale"] };
    await policy({
      matchConstraints: { resourceRules: [rule] },
      validations: [
        { expression: "request.operation != 'CONNECT' || object.command == ['ls']", message: "ls alone" },
        { expression: "request.subResource != 'scale' || object.spec.replicas < 5", message: "too many" },
      ],
    });
    const exec = (query: string) => send("POST", `/api/v1/namespaces/default/pods/none/exec?${query}`);
    const refused = await exec("container=c&command=rm&command=-r");
    expect([refused.status, refused.value.message]).toEqual([422, expect.stringContaining("denied request: ls alone")]);
    expect((await exec("container=c&command=ls")).value.message).toContain("Upgrade request required");
    const selector = { matchLabels: { a: "b" } };
    const template = { metadata: { labels: { a: "b" } }, spec: { containers: [{ name: "c", image: "i" }] } };
    const path = "/apis/apps/v1/namespaces/default/deployments";
    await send("POST", path, { metadata: { name: "sized" }, spec: { selector, template } });
    const scale = (replicas: number) =>
      send("PUT", `${path}/sized/scale`, { metadata: { name: "sized", namespace: "default" }, spec: { replicas } });
    expect((await scale(9)).value.message).toContain("denied request: too many");
    expect((await scale(3)).value.spec.replicas).toBe(3);
  });

  test("works out variables once, one from another", async () => {
    await policy({
      variables: [
        { name: "size", expression: "object.data.size()" },
        { name: "small", expression: "variables.size < 2" },
      ],
      validations: [{ expression: "variables.small", messageExpression: "'size is %d'.format([variables.size])" }],
    });
    expect((await create({ a: "1" })).status).toBe(201);
    expect((await create({ a: "1", b: "2" })).value.message).toContain("denied request: size is 2");
  });

  test("is asked only where its match conditions hold", async () => {
    await policy({
      matchConditions: [{ name: "mine", expression: "request.userInfo.username == 'carol'" }],
      validations: [{ expression: "false", message: "no" }],
    });
    expect((await create({})).status).toBe(201);
    const asCarol = { user: "carol", groups: ["system:masters"] };
    expect((await create({}, {}, "default", asCarol)).value.message).toContain("denied request: no");
  });

  test("warns and audits instead, as the binding asks", async () => {
    await policy({ validations: [{ expression: "false", message: "hm" }] }, { validationActions: ["Warn", "Audit"] });
    const { status, headers } = await create({});
    expect(status).toBe(201);
    expect(JSON.stringify(headers)).toContain(
      "Validation failed for ValidatingAdmissionPolicy 'p' with binding 'b': hm",
    );
  });

  test("refuses or lets pass what fails to evaluate, by failurePolicy", async () => {
    await policy({ validations: [{ expression: "object.data.nothing == 'x'" }] });
    expect((await create({ a: "1" })).value.message).toContain(
      "expression 'object.data.nothing == 'x'' resulted in error: no such key: nothing",
    );
    await send("DELETE", `${POLICIES}/p`);
    await send("DELETE", `${BINDINGS}/b`);
    await policy({ failurePolicy: "Ignore", validations: [{ expression: "object.data.nothing == 'x'" }] });
    expect((await create({ a: "1" })).status).toBe(201);
  });

  test("asks the authorizer about who writes", async () => {
    await policy({
      validations: [
        {
          expression: "authorizer.group('').resource('secrets').namespace(request.namespace).check('delete').allowed()",
          message: "needs to be allowed to delete secrets",
        },
        { expression: "authorizer.requestResource.check('create').allowed()" },
      ],
    });
    expect((await create({})).status).toBe(201);
  });

  test("ends by its budget", async () => {
    await policy({
      validations: [
        { expression: "object.data.all(a, object.data.all(b, object.data.all(c, c != b || b != a || true)))" },
      ],
    });
    const data = Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`k${index}`, "v"]));
    expect((await create(data)).value.message).toContain("actual cost limit exceeded");
  });

  test("of another generation decides by its new expressions", async () => {
    await policy({ validations: [{ expression: "false" }] });
    expect((await create({})).status).toBe(422);
    const { value } = await send("GET", `${POLICIES}/p`);
    value.spec.validations = [{ expression: "true" }];
    expect((await send("PUT", `${POLICIES}/p`, value)).status).toBe(200);
    expect((await create({})).status).toBe(201);
  });
});

describe("what a policy is about", () => {
  const no = { validations: [{ expression: "false", message: "no" }] };
  const cases: readonly (readonly [string, object, object, boolean])[] = [
    ["another resource", { resourceRules: [{ ...onConfigMaps.resourceRules[0], resources: ["secrets"] }] }, {}, false],
    [
      "all resources",
      { resourceRules: [{ ...onConfigMaps.resourceRules[0], apiGroups: ["*"], resources: ["*"] }] },
      {},
      true,
    ],
    ["another operation", { resourceRules: [{ ...onConfigMaps.resourceRules[0], operations: ["DELETE"] }] }, {}, false],
    ["cluster scope only", { resourceRules: [{ ...onConfigMaps.resourceRules[0], scope: "Cluster" }] }, {}, false],
    ["excluded", { ...onConfigMaps, excludeResourceRules: onConfigMaps.resourceRules }, {}, false],
    [
      "an object's label",
      { ...onConfigMaps, objectSelector: { matchLabels: { a: "b" } } },
      { labels: { a: "b" } },
      true,
    ],
    ["a label that it has not", { ...onConfigMaps, objectSelector: { matchLabels: { a: "b" } } }, {}, false],
  ];
  test.each(cases)("%s", async (_what, matchConstraints, metadata, matched) => {
    await policy({ ...no, matchConstraints });
    expect((await create({}, metadata)).status).toBe(matched ? 422 : 201);
  });

  test("namespaces by their labels, in the policy or the binding", async () => {
    await policy(no, { matchResources: { namespaceSelector: { matchLabels: { env: "prod" } } } });
    expect((await create({})).status).toBe(201);
    expect((await create({}, {}, "prod")).status).toBe(422);
  });

  test("never policies themselves", async () => {
    const everything = { apiGroups: ["*"], apiVersions: ["*"], operations: ["*"], resources: ["*"] };
    await policy({ ...no, matchConstraints: { resourceRules: [everything] } });
    expect((await create({})).status).toBe(422);
    expect((await send("DELETE", `${BINDINGS}/b`)).status).toBe(200);
  });
});

describe("params", () => {
  const wanted = {
    paramKind: { apiVersion: "v1", kind: "ConfigMap" },
    matchConstraints: { resourceRules: [{ ...onConfigMaps.resourceRules[0], resources: ["secrets"] }] },
    validations: [{ expression: "params == null || object.metadata.name == params.data.name", message: "wrong name" }],
  };
  const secret = (name: string, namespace = "default") =>
    send("POST", `/api/v1/namespaces/${namespace}/secrets`, { metadata: { name } });

  test("by name, from the request's namespace", async () => {
    await send("POST", "/api/v1/namespaces/default/configmaps", {
      metadata: { name: "params" },
      data: { name: "right" },
    });
    await policy(wanted, { paramRef: { name: "params", parameterNotFoundAction: "Deny" } });
    expect((await secret("wrong")).value.message).toContain("denied request: wrong name");
    expect((await secret("right")).status).toBe(201);
    expect((await secret("right", "prod")).value.message).toContain(
      "denied request: failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction",
    );
  });

  test("that are not there let pass where the binding allows it", async () => {
    await policy(wanted, { paramRef: { name: "gone", parameterNotFoundAction: "Allow" } });
    expect((await secret("free")).status).toBe(201);
  });

  test("by selector: every one of them has to agree", async () => {
    for (const name of ["x", "y"]) {
      await send("POST", "/api/v1/namespaces/default/configmaps", {
        metadata: { name: `by-${name}`, labels: { by: "selector" } },
        data: { name },
      });
    }
    await policy(wanted, {
      paramRef: {
        selector: { matchLabels: { by: "selector" } },
        namespace: "default",
        parameterNotFoundAction: "Deny",
      },
    });
    expect((await secret("x")).status).toBe(422);
  });

  test("of a kind that is not known refuse by failurePolicy", async () => {
    await policy(
      { ...wanted, paramKind: { apiVersion: "rules.example.com/v1", kind: "Rule" } },
      { paramRef: { name: "r", parameterNotFoundAction: "Deny" } },
    );
    expect((await secret("z")).value.message).toContain(
      "ValidatingAdmissionPolicy 'p' denied request: failed to configure policy: failed to find resource referenced by paramKind: 'rules.example.com/v1, Kind=Rule'",
    );
  });
});

describe("a policy's status", () => {
  const status = async () => {
    for (let attempt = 0; attempt < 100; attempt++) {
      const { value } = await send("GET", `${POLICIES}/p`);
      if (value.status?.observedGeneration === value.metadata.generation) return value.status;
      await pipeline.clock.sleep(10);
    }
    throw new Error("no status was written");
  };

  test("tells what the types of its kinds say against it, and refuses nothing for it", async () => {
    await policy({
      matchConstraints: {
        resourceRules: [{ apiGroups: ["apps"], apiVersions: ["v1"], operations: ["*"], resources: ["deployments"] }],
      },
      variables: [{ name: "wanted", expression: "object.spec.replicas" }],
      validations: [
        { expression: "variables.wanted > 1 && object.replicas > 1" },
        { expression: "object.spec.replicas <= 5", messageExpression: "string(object.spec.nothing)" },
      ],
    });
    const { typeChecking } = await status();
    expect(typeChecking.expressionWarnings).toEqual([
      {
        fieldRef: "spec.validations[0].expression",
        warning: expect.stringMatching(
          /^apps\/v1, Kind=Deployment: ERROR: <input>:1:\d+: undefined field 'replicas'\n \| /,
        ),
      },
      {
        fieldRef: "spec.validations[1].messageExpression",
        warning: expect.stringContaining("undefined field 'nothing'"),
      },
    ]);
  });

  test("has no warnings where there is nothing to say", async () => {
    await policy({ validations: [{ expression: "object.data.size() < 2" }] });
    expect(await status()).toMatchObject({ observedGeneration: 1, typeChecking: {} });
  });
});
