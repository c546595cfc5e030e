/** Subresources and questions: scale, binding, tokens, reviews, through the whole pipeline. Budgets: eviction.test.ts. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Pipeline, type RawResponse, startPipeline } from "../../e2e/harness/pipeline.ts";

let pipeline: Pipeline;
beforeAll(async () => {
  pipeline = await startPipeline();
});
afterAll(() => pipeline.close());

const PODS = "/api/v1/namespaces/default/pods";
const DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments";
const send = (method: string, path: string, body?: unknown, headers?: Record<string, string>) =>
  pipeline.send({ method, path, ...(body === undefined ? {} : { body }), ...(headers ? { headers } : {}) });
const pod = (name: string, more: object = {}, spec: object = {}) =>
  send("POST", PODS, { metadata: { name, ...more }, spec: { containers: [{ name: "c", image: "i:1" }], ...spec } });
const failed = ({ value }: RawResponse) => `${value.code} ${value.reason}: ${value.message}`;

describe("scale", () => {
  beforeAll(async () => {
    const template = { metadata: { labels: { a: "b" } }, spec: { containers: [{ name: "c", image: "i:1" }] } };
    const spec = { replicas: 2, selector: { matchLabels: { a: "b" } }, template };
    await send("POST", DEPLOYMENTS, { metadata: { name: "web" }, spec });
  });

  test("shows size and selector", async () => {
    const { value } = await send("GET", `${DEPLOYMENTS}/web/scale`);
    expect(value).toMatchObject({
      kind: "Scale",
      apiVersion: "autoscaling/v1",
      metadata: { name: "web", namespace: "default" },
      spec: { replicas: 2 },
      status: { replicas: 0, selector: "a=b" },
    });
  });

  test("changes the object's size and generation, by PUT and PATCH", async () => {
    const { value: scale } = await send("GET", `${DEPLOYMENTS}/web/scale`);
    const put = await send("PUT", `${DEPLOYMENTS}/web/scale`, { ...scale, spec: { replicas: 5 } });
    expect(put.value.spec.replicas).toBe(5);
    const type = { "content-type": "application/merge-patch+json" };
    const patched = await send("PATCH", `${DEPLOYMENTS}/web/scale`, { spec: { replicas: 7 } }, type);
    expect(patched.value.spec.replicas).toBe(7);
    const { value } = await send("GET", `${DEPLOYMENTS}/web`);
    expect(value.spec.replicas).toBe(7);
    expect(value.metadata.generation).toBe(3);
    expect((await send("PUT", `${DEPLOYMENTS}/web/scale`, { ...scale, spec: { replicas: 9 } })).status).toBe(409);
  });

  test("is never negative", async () => {
    const response = await send("PUT", `${DEPLOYMENTS}/web/scale`, {
      metadata: { name: "web" },
      spec: { replicas: -1 },
    });
    expect(failed(response)).toContain("spec.replicas: Invalid value: -1: must be greater than or equal to 0");
  });

  test("is not there for what has no size", async () => {
    expect((await send("GET", `${PODS}/x/scale`)).status).toBe(404);
  });
});

describe("binding", () => {
  const bind = (name: string, node: string) =>
    send("POST", `${PODS}/${name}/binding`, { metadata: { name }, target: { kind: "Node", name: node } });

  test("gives a Pod its node and says that it is scheduled", async () => {
    await pod("bound");
    const { status, value } = await bind("bound", "n1");
    expect([status, value.status]).toEqual([201, "Success"]);
    const { value: now } = await send("GET", `${PODS}/bound`);
    expect(now.spec.nodeName).toBe("n1");
    expect(now.status.conditions).toContainEqual(expect.objectContaining({ type: "PodScheduled", status: "True" }));
  });

  test("happens once", async () => {
    await pod("once");
    await bind("once", "n1");
    expect(failed(await bind("once", "n2"))).toBe(
      '409 Conflict: Operation cannot be fulfilled on pods/binding "once": pod once is already assigned to node "n1"',
    );
  });

  test("of a Pod that is being deleted is refused", async () => {
    await pod("leaving", { finalizers: ["example.com/a"] });
    await send("DELETE", `${PODS}/leaving`);
    expect(failed(await bind("leaving", "n1"))).toContain("is being deleted, cannot be assigned to a host");
  });

  test("needs a target", async () => {
    await pod("aimless");
    const response = await send("POST", `${PODS}/aimless/binding`, { metadata: { name: "aimless" }, target: {} });
    expect(failed(response)).toContain("target.name: Required value");
  });

  test("also goes by the bindings of a namespace", async () => {
    await pod("other-way");
    const body = { metadata: { name: "other-way" }, target: { kind: "Node", name: "n1" } };
    expect((await send("POST", "/api/v1/namespaces/default/bindings", body)).status).toBe(201);
    expect((await send("GET", `${PODS}/other-way`)).value.spec.nodeName).toBe("n1");
  });
});

describe("eviction", () => {
  const evict = (name: string) => send("POST", `${PODS}/${name}/eviction`, { metadata: { name } });

  test("deletes gracefully", async () => {
    await pod("evicted", {}, { nodeName: "n1" });
    expect((await evict("evicted")).status).toBe(201);
    expect((await send("GET", `${PODS}/evicted`)).value.metadata.deletionTimestamp).toBeDefined();
  });
});

describe("tokens", () => {
  const request = (account: string, spec: object = {}) =>
    send("POST", `/api/v1/namespaces/default/serviceaccounts/${account}/token`, { spec });
  const asToken = (token: string, path: string) =>
    pipeline.send({ path, headers: { authorization: `Bearer ${token}` }, peer: { kind: "anonymous" } });

  test("are their account", async () => {
    const { status, value } = await request("default");
    expect(status).toBe(201);
    const { token, expirationTimestamp } = value.status;
    expect(Date.parse(expirationTimestamp)).toBeGreaterThan(Date.now() + 3_500_000);
    const claims = JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString());
    expect(claims).toMatchObject({
      sub: "system:serviceaccount:default:default",
      "kubernetes.io": { namespace: "default", serviceaccount: { name: "default" } },
    });
    const answer = await asToken(token, PODS);
    expect(failed(answer)).toBe(
      '403 Forbidden: pods is forbidden: User "system:serviceaccount:default:default" cannot list resource "pods" in API group "" in the namespace "default"',
    );
  });

  test("end with the Pod that they are bound to", async () => {
    const { value: made } = await pod("holder");
    const boundObjectRef = { kind: "Pod", apiVersion: "v1", name: "holder", uid: made.metadata.uid };
    const { value } = await request("default", { boundObjectRef });
    expect((await asToken(value.status.token, "/api")).status).toBe(200);
    await send("DELETE", `${PODS}/holder`);
    expect((await asToken(value.status.token, "/api")).status).toBe(401);
  });

  test.each([
    ["an account that is not there", "nobody", {}, 404],
    ["ten minutes at least", "default", { expirationSeconds: 60 }, 422],
    ["a Pod that is not there", "default", { boundObjectRef: { kind: "Pod", name: "nothing" } }, 404],
    ["a Node", "default", { boundObjectRef: { kind: "Node", name: "n1" } }, 400],
  ])("need %s, or are refused", async (_what, account, spec, expected) => {
    expect((await request(account, spec)).status).toBe(expected);
  });

  test.each(["nonsense", "a.b.c", ""])("that are no tokens (%j) are 401, never anonymous", async (token) => {
    expect((await asToken(token, "/version")).status).toBe(token === "" ? 200 : 401);
  });

  test("can be reviewed", async () => {
    const { value } = await request("default", { audiences: ["vault"] });
    const review = (spec: object) => send("POST", "/apis/authentication.k8s.io/v1/tokenreviews", { spec });
    const good = await review({ token: value.status.token, audiences: ["vault"] });
    expect(good.value.status).toMatchObject({
      authenticated: true,
      audiences: ["vault"],
      user: { username: "system:serviceaccount:default:default" },
    });
    expect((await review({ token: value.status.token })).value.status.authenticated).toBe(false);
    expect((await review({ token: "x" })).value.status.authenticated).toBe(false);
  });
});

describe("access reviews", () => {
  const AUTHORIZATION = "/apis/authorization.k8s.io/v1";
  const resourceAttributes = { verb: "list", resource: "pods", namespace: "default" };
  const as = (user: string, path: string, body: unknown) =>
    pipeline.send({ method: "POST", path, body, user, groups: [] });

  test("of oneself", async () => {
    const spec = { resourceAttributes };
    const mine = await as("bob", `${AUTHORIZATION}/selfsubjectaccessreviews`, { spec });
    expect(mine.value.status).toMatchObject({ allowed: false });
    const admin = await send("POST", `${AUTHORIZATION}/selfsubjectaccessreviews`, { spec });
    expect(admin.value.status.allowed).toBe(true);
  });

  test("of others", async () => {
    const spec = { resourceAttributes, user: "system:kube-scheduler" };
    expect((await send("POST", `${AUTHORIZATION}/subjectaccessreviews`, { spec })).value.status.allowed).toBe(true);
    const secrets = { ...spec, resourceAttributes: { ...resourceAttributes, resource: "secrets" } };
    const { value } = await send("POST", `${AUTHORIZATION}/subjectaccessreviews`, { spec: secrets });
    expect(value.status.allowed).toBe(false);
    expect((await as("bob", `${AUTHORIZATION}/subjectaccessreviews`, { spec })).status).toBe(403);
  });

  test("in a namespace must name it", async () => {
    const path = `${AUTHORIZATION}/namespaces/kube-system/localsubjectaccessreviews`;
    expect((await send("POST", path, { spec: { resourceAttributes, user: "x" } })).status).toBe(400);
  });

  test("list rules", async () => {
    const { value } = await as("bob", `${AUTHORIZATION}/selfsubjectrulesreviews`, { spec: { namespace: "default" } });
    expect(value.status.incomplete).toBe(false);
    expect(value.status.nonResourceRules).toContainEqual({ verbs: ["get"], nonResourceURLs: expect.any(Array) });
  });

  test("say who one is", async () => {
    const { value } = await as("bob", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {});
    expect(value.status.userInfo).toEqual({ username: "bob", groups: ["system:authenticated"] });
  });
});

describe("what goes to a node", () => {
  test.each([
    ["GET", "absent/log", 404, 'pods "absent" not found'],
    ["GET", "target/log?container=x", 400, "container x is not valid for pod target"],
    ["GET", "two/log", 400, "a container name must be specified for pod two, choose one of: [a b]"],
    ["GET", "target/log?tailLines=-1", 422, "must be greater than or equal to 0"],
    ["GET", "target/log", 503, "no tunnel to node"],
    ["POST", "target/exec?command=ls", 400, "Upgrade request required"],
  ])("%s %s is answered %i", async (method, path, status, message) => {
    if (path.startsWith("absent")) {
      await pod("target", {}, { nodeName: "n9" });
      await pod("two", {}, { containers: ["a", "b"].map((name) => ({ name, image: "i:1" })) });
    }
    const { value } = await send(method, `${PODS}/${path}`);
    expect(value.code).toBe(status);
    expect(value.message).toContain(message);
  });

  test("the log of a Pod that runs nowhere is empty", async () => {
    await pod("unscheduled");
    expect(await send("GET", `${PODS}/unscheduled/log`)).toMatchObject({ status: 200, value: "" });
  });
});

test("history tells every version with its cause", async () => {
  const path = "/api/v1/namespaces/default/configmaps";
  await send("POST", path, { metadata: { name: "told" } });
  const headers = { "k8ts-cause-revision": "7", "k8ts-cause-controller": "some-controller" };
  await send(
    "PUT",
    `${path}/told`,
    { metadata: { name: "told" }, data: { a: "1" } },
    { "content-type": "application/json", ...headers },
  );
  await send("DELETE", `${path}/told`);
  const { value } = await send("GET", `/k8ts/v1/history${path}/told`);
  expect(
    value.versions.map((one: { type: string; cause: { verb: string } }) => `${one.type} ${one.cause.verb}`),
  ).toEqual(["put create", "put update", "delete delete"]);
  expect(value.versions[1].cause).toMatchObject({ user: "admin", causeRevision: "7", controller: "some-controller" });
  expect((await pipeline.send({ path: `/k8ts/v1/history${path}/told`, user: "bob", groups: [] })).status).toBe(403);
});
