/** Content: the same objects as JSON, YAML and protobuf, for programs and for people, read and written. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bytesOf, type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";
import { loadSchema } from "../schema/load.ts";
import { createProtobuf, type Protobuf } from "../schema/protobuf.ts";

const PROTOBUF = "application/vnd.kubernetes.protobuf";
const MAPS = "/api/v1/namespaces/default/configmaps";

let pipeline: Pipeline;
let protobuf: Protobuf;
beforeAll(async () => {
  pipeline = await startPipeline();
  protobuf = createProtobuf(await loadSchema());
  for (const name of ["one", "two"])
    await pipeline.client().create("configmaps", { metadata: { name, namespace: "default" }, data: { key: "välue" } });
});
afterAll(() => pipeline.close());

const get = (path: string, accept: string, agent = "") =>
  pipeline.send({ path, headers: { accept, ...(agent && { "user-agent": agent }) } });
const read = async (path: string, accept = PROTOBUF): Promise<Record<string, unknown>> =>
  protobuf.read((await get(path, accept)).value);

describe("protobuf", () => {
  test.each([
    `${MAPS}/one`,
    MAPS,
    "/api/v1/namespaces",
    "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "/api/v1",
    "/apis",
    "/apis/apps/v1",
  ])("of %s says what JSON says", async (path) => {
    const { value, headers } = await get(path, PROTOBUF);
    expect(headers["content-type"]).toBe(PROTOBUF);
    const json = (await get(path, "application/json")).value;
    // what JSON shows empty has no form of its own
    expect(withoutEmpty(protobuf.read(value))).toEqual(withoutEmpty(withoutTypes(json)));
  });

  test("of a list in another version, and of one that is asked for twice, is whole", async () => {
    const scalers = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers";
    const scaleTargetRef = { apiVersion: "apps/v1", kind: "Deployment", name: "web" };
    const body = { metadata: { name: "web" }, spec: { scaleTargetRef, maxReplicas: 3 } };
    expect((await pipeline.send({ method: "POST", path: scalers, body })).status).toBe(201);
    for (const path of [scalers.replace("v2", "v1"), scalers, MAPS, MAPS]) {
      const { items } = (await read(path)) as { items: unknown[] };
      expect(items).toHaveLength((await get(path, "application/json")).value.items.length);
    }
  });

  test("of an error is a Status", async () => {
    expect(await read(`${MAPS}/none`)).toMatchObject({ kind: "Status", reason: "NotFound", code: 404 });
  });

  test("of metadata alone", async () => {
    const one = await read(`${MAPS}/one`, `${PROTOBUF};as=PartialObjectMetadata;g=meta.k8s.io;v=v1`);
    expect(one).toMatchObject({ kind: "PartialObjectMetadata", metadata: { name: "one" } });
    const all = await read(MAPS, `${PROTOBUF};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1`);
    expect(all["items"]).toHaveLength(2);
  });

  test.each([
    ["POST", MAPS, { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "sent" }, data: { a: "1" } }, 201],
    ["PUT", `${MAPS}/sent`, { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "sent" } }, 200],
    ["DELETE", `${MAPS}/sent`, { apiVersion: "v1", kind: "DeleteOptions", gracePeriodSeconds: 0 }, 200],
  ])("%s %s takes and gives it", async (method, path, object, status) => {
    const response = await sendBytes(method, path, protobuf.write(object));
    expect(response.status).toBe(status);
    const answer = protobuf.read(bytesOf(response.body) as Buffer);
    expect(answer["kind"]).toBe(method === "DELETE" ? "Status" : "ConfigMap");
  });

  test("of a watch is frames about objects in envelopes, the same bytes for all watchers", async () => {
    const abort = new AbortController();
    const watch = async () => {
      const response = await pipeline.send({
        path: `${MAPS}?watch=true&fieldSelector=metadata.name=one`,
        headers: { accept: PROTOBUF },
        signal: abort.signal,
      });
      expect(response.headers["content-type"]).toBe(`${PROTOBUF};stream=watch`);
      if (response.body.kind !== "watch") throw new Error(response.body.kind);
      for await (const [item] of response.body.batches) if (item) return Buffer.from(item.encoded());
      throw new Error("the watch ended");
    };
    const [frame, other] = await Promise.all([watch(), watch()]);
    abort.abort();
    expect(frame!.readUInt32BE(0)).toBe(frame!.length - 4);
    expect(frame!.equals(other!)).toBe(true);
    const at = frame!.indexOf("k8s\0");
    expect(protobuf.read(frame!.subarray(at))).toMatchObject({ kind: "ConfigMap", metadata: { name: "one" } });
  });
});

describe("what is chosen", () => {
  const TABLE = "as=Table;g=meta.k8s.io;v=v1";
  test.each([
    ["", "application/json"],
    ["*/*", "application/json"],
    ["application/*", "application/json"],
    [`${PROTOBUF},application/json`, PROTOBUF],
    [`${PROTOBUF};q=0.5,application/json`, "application/json"],
    [`*/*,${PROTOBUF}`, PROTOBUF],
    ["application/cbor,application/json;q=0.9", "application/json"],
    ["application/yaml;q=0.9, application/cbor", "application/yaml"],
    [`${PROTOBUF};${TABLE},application/json;${TABLE},application/json`, "application/json"],
    ["application/json;as=Nothing;g=meta.k8s.io;v=v1,application/yaml", "application/yaml"],
    ["application/json;stream=watch", "application/json"],
    ["application/json;stream=other,application/yaml", "application/yaml"],
    ["application/json;charset=utf-8", "application/json"],
  ])("%s gives %s", async (accept, type) => {
    expect((await get(MAPS, accept)).headers["content-type"]).toBe(type);
  });

  test.each([
    [`${MAPS}/one`, "application/cbor", "application/json, application/yaml, application/vnd.kubernetes.protobuf"],
    [`${MAPS}/one`, `${PROTOBUF};${TABLE}`, "application/json, application/yaml, application/vnd.kubernetes.protobuf"],
    [
      `${MAPS}?watch=1`,
      "application/yaml",
      "application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch",
    ],
  ])("%s has no %s", async (path, accept, types) => {
    const { status, value } = await get(path, accept);
    expect(status).toBe(406);
    const message = typeof value === "string" ? value.replaceAll(/\s+/g, " ") : value.message;
    expect(message).toContain(`only the following media types are accepted: ${types}`);
  });
});

describe("for people", () => {
  const PRETTY = '{\n  "kind": "ConfigMap",\n  "apiVersion": "v1",\n';
  test.each([
    ["?pretty=true", "", true],
    ["?pretty=1", "", true],
    ["?pretty=false", "curl/8.0", false],
    ["", "curl/8.0", true],
    ["", "Mozilla/5.0 (X11)", true],
    ["", "kubectl/v1.33", false],
  ])("JSON at %s for %s is in lines: %s", async (query, agent, lines) => {
    const { body } = await get(`${MAPS}/one${query}`, "application/json", agent);
    expect(bytesOf(body)!.toString().startsWith(PRETTY)).toBe(lines);
  });

  test("a list in lines is as JSON.stringify writes it", async () => {
    const { body, value } = await get(MAPS, "application/json;pretty=1");
    expect(bytesOf(body)!.toString()).toBe(`${JSON.stringify(value, undefined, 2)}\n`);
  });

  test("a list as YAML is one document", async () => {
    const { value } = await get(MAPS, "application/yaml");
    expect(value).toMatch(/^apiVersion: v1\nkind: ConfigMapList\n/);
    expect(value.match(/^- apiVersion: v1$/gm)).toHaveLength(2);
  });
});

test("discovery tells who has it already so", async () => {
  const accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
  const { headers } = await get("/apis", accept);
  expect(headers["content-type"]).toBe(accept);
  const again = await pipeline.send({ path: "/apis", headers: { accept, "if-none-match": String(headers["etag"]) } });
  expect(again.status).toBe(304);
});

function sendBytes(method: string, path: string, bytes: Uint8Array) {
  return pipeline.handler({
    method,
    path,
    query: new URLSearchParams(),
    headers: { "content-type": PROTOBUF, accept: PROTOBUF },
    body: { kind: "bytes", bytes },
    peer: { kind: "certificate", user: "admin", groups: ["system:masters"] },
    upgrade: false,
    signal: new AbortController().signal,
  });
}

/** Items of lists and groups name their type in JSON alone. */
function withoutTypes(value: Record<string, unknown>): unknown {
  const { items, groups, ...rest } = value as { items?: Record<string, unknown>[]; groups?: Record<string, unknown>[] };
  const bare = (list: Record<string, unknown>[]) => list.map(({ kind: _kind, apiVersion: _version, ...one }) => one);
  return { apiVersion: "v1", ...rest, ...(items && { items: bare(items) }), ...(groups && { groups: bare(groups) }) };
}

function withoutEmpty(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutEmpty);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).map(([key, one]) => [key, withoutEmpty(one)] as const);
  return Object.fromEntries(entries.filter(([, one]) => !isEmpty(one)));
}

const isEmpty = (value: unknown): boolean =>
  value === undefined || (typeof value === "object" && value !== null && Object.keys(value).length === 0);
