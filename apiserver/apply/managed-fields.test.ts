/** managedFields through the whole pipeline: what each kind of write leaves, and what a client may do with them. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Pipeline, type RawResponse, startPipeline } from "../../e2e/harness/pipeline.ts";
import { fakeClock } from "../../machinery/process/fake-clock.ts";

const clock = fakeClock();
const PODS = "/api/v1/namespaces/default/pods";
const CONFIGMAPS = "/api/v1/namespaces/default/configmaps";

let pipeline: Pipeline;
let names = 0;
let name = "";

beforeAll(async () => {
  pipeline = await startPipeline({ clock });
});
afterAll(() => pipeline.close());
beforeEach(() => {
  name = `a-${++names}`;
});

type Json = Record<string, unknown>;

const configMap = (data: Json = { a: "1" }, metadata: Json = {}): Json => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name, ...metadata },
  data,
});
const pod = (spec: Json = {}): Json => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name, labels: { run: "nginx" } },
  spec: { containers: [{ name: "nginx", image: "nginx" }], ...spec },
});

const create = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  pipeline.send({ method: "POST", path, body, headers });
const put = (body: Json, manager: string, path = `${CONFIGMAPS}/${name}`) =>
  pipeline.send({ method: "PUT", path: `${path}?fieldManager=${manager}`, body });
const patch = (path: string, body: unknown, manager = "patcher", type = "merge") =>
  pipeline.send({
    method: "PATCH",
    path: `${path}?fieldManager=${manager}`,
    headers: { "content-type": `application/${type}-patch+json` },
    body,
  });
const get = () => pipeline.send({ path: `${CONFIGMAPS}/${name}` });

interface Entry {
  manager: string;
  operation: string;
  apiVersion: string;
  subresource?: string;
  time: string;
  fieldsV1: Json;
}
const entries = ({ value }: RawResponse): Entry[] => value.metadata.managedFields ?? [];
const fieldsOf = (response: RawResponse, manager: string) =>
  entries(response).find((one) => one.manager === manager)?.fieldsV1;

describe("a write", () => {
  test("that creates a Pod owns what it brought and what was defaulted, and nothing of admission's", async () => {
    const made = await create(PODS, pod(), { "user-agent": "kubectl/v1.36.0 (linux/amd64)" });
    expect(made.value.spec.volumes).toHaveLength(1);
    expect(made.value.metadata.managedFields).toEqual([
      {
        manager: "kubectl",
        operation: "Update",
        apiVersion: "v1",
        time: "2026-01-01T00:00:00Z",
        fieldsType: "FieldsV1",
        fieldsV1: {
          "f:metadata": { "f:labels": { ".": {}, "f:run": {} } },
          "f:spec": {
            "f:containers": {
              'k:{"name":"nginx"}': {
                ".": {},
                "f:image": {},
                "f:imagePullPolicy": {},
                "f:name": {},
                "f:resources": {},
                "f:terminationMessagePath": {},
                "f:terminationMessagePolicy": {},
              },
            },
            "f:dnsPolicy": {},
            "f:enableServiceLinks": {},
            "f:restartPolicy": {},
            "f:schedulerName": {},
            "f:securityContext": {},
            "f:terminationGracePeriodSeconds": {},
          },
        },
      },
    ]);
  });

  test.each<[string, Record<string, string>, string, string]>([
    ["what the query says", { "user-agent": "agent/1" }, "?fieldManager=query", "query"],
    ["the user agent up to the slash", { "user-agent": "my agent/1.2 (x)" }, "", "my agent"],
    ["without what cannot be printed", { "user-agent": "a\u0001b/1" }, "", "ab"],
    ["no longer than 128 bytes", { "user-agent": `${"ü".repeat(100)}/1` }, "", "ü".repeat(64)],
    ["the component's name, where there is no agent", {}, "", "admin"],
  ])("goes by the name of %s", async (_what, headers, query, manager) => {
    const made = await create(`${CONFIGMAPS}${query}`, configMap(), headers);
    expect(entries(made).map((one) => one.manager)).toEqual([manager]);
  });

  test("takes from others what it changes, and shares what it does not", async () => {
    await create(`${CONFIGMAPS}?fieldManager=one`, configMap({ a: "1", b: "1" }));
    const after = await put(configMap({ a: "2", b: "1", c: "1" }), "two");
    expect(fieldsOf(after, "one")).toEqual({ "f:data": { ".": {}, "f:b": {} } });
    expect(fieldsOf(after, "two")).toEqual({ "f:data": { "f:a": {}, "f:c": {} } });
  });

  test("takes what is gone from everybody, and owners of nothing with it", async () => {
    await create(`${CONFIGMAPS}?fieldManager=one`, configMap({ a: "1" }));
    await put(configMap({ a: "1", b: "1" }), "two");
    const after = await put(configMap({ a: "1" }), "three");
    expect(entries(after).map((one) => one.manager)).toEqual(["one"]);
  });

  test("that changes nothing leaves version and times", async () => {
    const made = await create(`${CONFIGMAPS}?fieldManager=one`, configMap());
    await clock.advance(5_000);
    const after = await put(configMap(), "two");
    expect(after.value).toEqual(made.value);
  });

  test("by the same manager moves its time only when it changes something", async () => {
    await create(`${CONFIGMAPS}?fieldManager=one`, configMap());
    await clock.advance(60_000);
    const after = await put(configMap({ a: "2" }), "one");
    expect(entries(after)).toHaveLength(1);
    expect(Date.parse(entries(after)[0]!.time)).toBe(Math.floor(clock.now() / 1000) * 1000);
  });

  test("of a status has an entry of its own, and owns nothing but status", async () => {
    await create(`${PODS}?fieldManager=one`, pod());
    const status = { phase: "Running", conditions: [{ type: "Ready", status: "True" }] };
    const after = await patch(
      `${PODS}/${name}/status`,
      { spec: { nodeName: "n" }, status },
      "kubelet",
      "strategic-merge",
    );
    const entry = entries(after).find((one) => one.subresource === "status");
    expect(entry?.manager).toBe("kubelet");
    expect(entry?.fieldsV1).toEqual({
      "f:status": {
        "f:conditions": { ".": {}, 'k:{"type":"Ready"}': { ".": {}, "f:status": {}, "f:type": {} } },
        "f:phase": {},
      },
    });
  });

  test("that marks an object as deleted leaves them", async () => {
    const made = await create(`${CONFIGMAPS}?fieldManager=one`, configMap({}, { finalizers: ["a.example/hold"] }));
    await pipeline.send({ method: "DELETE", path: `${CONFIGMAPS}/${name}` });
    expect(entries(await get())).toEqual(entries(made));
  });

  test("that is the eleventh manager's joins the oldest two", async () => {
    await create(`${CONFIGMAPS}?fieldManager=m0`, configMap({ k0: "x" }));
    const data: Json = { k0: "x" };
    let last: RawResponse | undefined;
    for (let count = 1; count <= 11; count++) {
      await clock.advance(1_000);
      data[`k${count}`] = "x";
      last = await put(configMap(data), `m${count}`);
    }
    const managers = entries(last!).map((one) => one.manager);
    expect(managers).toEqual(["ancient-changes", "m3", "m4", "m5", "m6", "m7", "m8", "m9", "m10", "m11"]);
    expect(fieldsOf(last!, "ancient-changes")).toEqual({
      "f:data": { ".": {}, "f:k0": {}, "f:k1": {}, "f:k2": {} },
    });
  });
});

describe("a client", () => {
  const entry = (more: Json = {}): Json => ({
    manager: "theirs",
    operation: "Update",
    apiVersion: "v1",
    time: "2026-01-01T00:00:00Z",
    fieldsType: "FieldsV1",
    fieldsV1: { "f:data": { "f:a": {} } },
    ...more,
  });

  test("may send managedFields of its own", async () => {
    await create(`${CONFIGMAPS}?fieldManager=one`, configMap());
    const after = await put(configMap({ a: "1" }, { managedFields: [entry()] }), "one");
    expect(entries(after)).toEqual([entry()]);
  });

  test("that leaves them out, or sends what nobody understands, changes nothing", async () => {
    const made = await create(`${CONFIGMAPS}?fieldManager=one`, configMap());
    const nonsense: Json[][] = [
      [entry({ operation: "Merge" })],
      [entry({ apiVersion: "" })],
      [entry({ fieldsType: "FieldsV2" })],
      [entry({ fieldsV1: { nonsense: {} } })],
      [entry(), entry({ manager: "b", fieldsType: "" })],
    ];
    for (const managedFields of nonsense) {
      const after = await put(configMap({ a: "1" }, { managedFields }), "one");
      expect([after.status, entries(after)]).toEqual([200, entries(made)]);
    }
    expect(entries(await put(configMap(), "one"))).toEqual(entries(made));
  });

  test.each([[[]], [[{}]]])("sends %j to have them forgotten", async (managedFields) => {
    await create(`${CONFIGMAPS}?fieldManager=one`, configMap());
    const path = `${CONFIGMAPS}/${name}`;
    const after = await patch(path, { metadata: { managedFields } });
    expect(after.value.metadata.managedFields).toBeUndefined();
    // From then on nobody's writes are tracked, until somebody applies.
    expect((await patch(path, { data: { b: "1" } })).value.metadata.managedFields).toBeUndefined();
  });

  test("cannot set them through a status", async () => {
    const made = await create(`${PODS}?fieldManager=one`, pod());
    const after = await patch(`${PODS}/${name}/status`, { metadata: { managedFields: [{}] } });
    expect(entries(after)).toEqual(entries(made));
  });

  test("joins the same manager given twice, the last one counting", async () => {
    await create(`${CONFIGMAPS}?fieldManager=one`, configMap());
    const twice = [entry({ fieldsV1: { "f:data": { "f:b": {} } } }), entry()];
    expect(entries(await put(configMap({ a: "1" }, { managedFields: twice }), "one"))).toEqual([entry()]);
  });

  test("sees them in metadata alone, too", async () => {
    await create(`${CONFIGMAPS}?fieldManager=one`, configMap());
    const accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
    const { value } = await pipeline.send({ path: `${CONFIGMAPS}/${name}`, headers: { accept } });
    expect(value.metadata.managedFields).toHaveLength(1);
  });

  test("patches them as anything else, with the version it saw", async () => {
    const made = await create(`${CONFIGMAPS}?fieldManager=kubectl-client-side-apply`, configMap());
    const upgraded = [{ ...entries(made)[0], manager: "kubectl", operation: "Apply" }];
    const operations = [
      { op: "replace", path: "/metadata/managedFields", value: upgraded },
      { op: "replace", path: "/metadata/resourceVersion", value: made.value.metadata.resourceVersion },
    ];
    const after = await patch(`${CONFIGMAPS}/${name}`, operations, "kubectl", "json");
    expect(entries(after)).toEqual(upgraded);
    const late = await patch(`${CONFIGMAPS}/${name}`, operations, "kubectl", "json");
    expect(late.status).toBe(409);
  });
});

test("objects of one shape share the sets of their fields", async () => {
  const of = async () => {
    const { body } = await create(`${PODS}?fieldManager=one`, pod());
    return (body as unknown as { value(): { metadata: { managedFields: Entry[] } } }).value().metadata
      .managedFields[0]!;
  };
  const first = await of();
  name = `${name}-too`;
  expect((await of()).fieldsV1).toBe(first.fieldsV1);
});
