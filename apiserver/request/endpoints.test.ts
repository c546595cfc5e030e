/** Endpoints besides resources, and requests that lead nowhere. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";

let pipeline: Pipeline;
beforeAll(async () => {
  pipeline = await startPipeline();
});
afterAll(() => pipeline.close());

const get = (path: string, headers: Record<string, string> = {}) => pipeline.send({ path, headers });

test.each(["/healthz", "/livez", "/readyz", "/readyz/etcd", "/livez/ping"])("%s is well", async (path) => {
  expect(await get(path)).toMatchObject({ status: 200, value: "ok" });
});

test("readyz lists its checks when asked", async () => {
  const { value } = await get("/readyz?verbose");
  expect(value).toContain("[+]ping ok\n");
  expect(value).toContain("[+]etcd ok\n");
  expect(value).toMatch(/readyz check passed\n$/);
});

test("version is one that clients understand", async () => {
  expect((await get("/version")).value).toMatchObject({ major: "1", minor: "36", gitVersion: "v1.36.0+k8ts" });
});

test("metrics count requests", async () => {
  await get("/api/v1/namespaces");
  const { value, headers } = await get("/metrics");
  expect(headers["content-type"]).toContain("text/plain");
  expect(value).toMatch(/apiserver_request_total\{verb="LIST",.*resource="namespaces",.*code="200"\} \d+/);
});

describe("discovery", () => {
  test("tells groups and resources in the old form", async () => {
    expect((await get("/api")).value).toMatchObject({ kind: "APIVersions", versions: ["v1"] });
    expect((await get("/apis")).value.groups.map((one: { name: string }) => one.name)).toContain("apps");
    expect((await get("/apis/apps")).value).toMatchObject({ kind: "APIGroup", name: "apps" });
    expect((await get("/api/v1")).value.resources.map((one: { name: string }) => one.name)).toContain("pods/log");
    expect((await get("/apis/apps/v1/")).value.groupVersion).toBe("apps/v1");
  });

  test("tells all at once when asked", async () => {
    const accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
    const { value, headers } = await get("/apis", { accept });
    expect(value.kind).toBe("APIGroupDiscoveryList");
    expect(headers["content-type"]).toBe("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
  });
});

describe("requests that lead nowhere", () => {
  test.each([
    ["GET", "/nothing", 404],
    ["GET", "/apis/nothing.example.com/v1", 404],
    ["GET", "/apis/apps/v9/deployments", 404],
    ["GET", "/api/v1/namespaces/default/nothings", 404],
    ["GET", "/api/v1/namespaces/default/nodes", 404],
    ["GET", "/api/v1/namespaces/default/pods/x/nothing", 404],
    ["POST", "/version", 405],
    ["PUT", "/api/v1/namespaces/default/pods", 405],
    ["DELETE", "/api/v1/pods", 405],
    ["TRACE", "/api/v1/pods", 405],
    ["GET", "/apis/authentication.k8s.io/v1/tokenreviews", 405],
    ["DELETE", "/api/v1/namespaces", 405],
    ["GET", "/api/v1/namespaces/%E0%A4%A/pods", 400],
  ])("%s %s is answered %i with a Status", async (method, path, expected) => {
    const { status, value } = await pipeline.send({ method, path });
    expect(status).toBe(expected);
    expect(value).toMatchObject({ kind: "Status", status: "Failure", code: expected });
  });
});

describe("bodies that are none", () => {
  const post = (body: string, headers: Record<string, string> = {}) =>
    pipeline.send({ method: "POST", path: "/api/v1/namespaces/default/configmaps", body, headers });
  const deep = `${'{"a":'.repeat(5000)}1${"}".repeat(5000)}`;

  test.each([
    ["nothing", ""],
    ["half a JSON", '{"metadata":'],
    ["a number", "7"],
    ["a list", "[]"],
    ["a wrong type", '{"metadata":{"name":5}}'],
    ["a wrong type deep down", '{"metadata":{"name":"x","labels":{"a":["b"]}}}'],
    ["nested too deep", deep],
    ["__proto__ as its name", '{"__proto__":{"a":1},"metadata":{"name":["x"]}}'],
    ["binary", "\u0000\u0001\u0002"],
  ])("%s is 400", async (_what, body) => {
    const { status, value } = await post(body);
    expect(status).toBe(400);
    expect(value.reason).toBe("BadRequest");
  });

  test.each([
    ["half a YAML", "a: [b"],
    ["two documents", "metadata: {name: a}\n---\nmetadata: {name: b}\n"],
    ["a bomb", "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nmetadata: [*c]\n"],
    ["nested too deep", `${"[".repeat(3000)}${"]".repeat(3000)}`],
  ])("YAML that is %s is 400", async (_what, body) => {
    expect((await post(body, { "content-type": "application/yaml" })).status).toBe(400);
  });

  test("YAML is read as kubectl reads it", async () => {
    const body = "metadata: {name: from-yaml}\ndata:\n  a: 'yes'\n";
    const { status, value } = await post(body, { "content-type": "application/yaml" });
    expect([status, value.data]).toEqual([201, { a: "yes" }]);
  });

  test.each(["application/cbor", "text/html", "application/vnd.kubernetes.protobuf"])("%s", async (type) => {
    const { status } = await post("x", { "content-type": type });
    expect(status).toBe(type.includes("protobuf") ? 400 : 415);
  });

  test("integers beyond 2^53 survive where nobody calculates with them, and are refused elsewhere", async () => {
    const path = "/apis/apps/v1/namespaces/default/controllerrevisions";
    const body = '{"metadata":{"name":"big"},"revision":9007199254740993,"data":{"a":9007199254740993}}';
    const { status } = await pipeline.send({ method: "POST", path, body });
    expect(status).toBe(201);
    const { body: answer } = await get(`${path}/big`);
    if (answer.kind !== "object") throw new Error(answer.kind);
    const text = Buffer.concat([...(answer.encoded?.() ?? [])]).toString();
    expect(text).toContain('"a":9007199254740993');
    const pod =
      '{"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"i:1"}],"activeDeadlineSeconds":9007199254740993}}';
    const refused = await pipeline.send({ method: "POST", path: "/api/v1/namespaces/default/pods", body: pod });
    expect(refused.status).toBe(422);
  });
});
