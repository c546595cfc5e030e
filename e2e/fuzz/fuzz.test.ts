/** Whatever is sent to the API server: the short form, under a seed that stays and one that is new each time. */
import { expect, test } from "vitest";
import { loadSchema } from "../../apiserver/schema/load.ts";
import { systemClock as clock } from "../../machinery/process/clock.ts";
import { startPipeline } from "../harness/pipeline.ts";
import { serve } from "../harness/served.ts";
import { sendOverHttps } from "./answers.ts";
import { emptyTally, runBatch } from "./campaign.ts";

const fresh = Math.floor(clock.random() * 1_000_000_000);

test.each([
  [7, 1_500, false],
  [fresh, 1_500, false],
  [fresh + 1, 300, true],
])(
  "seed %i: %i hostile requests are answered well (over https: %s)",
  { timeout: 120_000 },
  async (seed, requests, overHttps) => {
    const tally = emptyTally();
    await runBatch({ schema: await loadSchema(), seed, requests, overHttps }, tally);
    expect(tally.failures, `seed ${seed}`).toEqual([]);
    expect(tally.requests).toBe(requests);
    expect(tally.kept).toBeGreaterThan(requests / 20);
  },
);

const PARTS = "/apis/storage.k8s.io/v1/csidrivers";
const SLICES = "/apis/resource.k8s.io/v1/resourceslices";
const slice = (resourceSliceCount: number) => ({
  metadata: { name: "s" },
  spec: { driver: "d.example", nodeName: "n", pool: { name: "p", generation: 1, resourceSliceCount }, devices: [] },
});

test.each<[string, string, string, unknown, number, string?, string?]>([
  ["a driver without a name", "POST", PARTS, {}, 422, "metadata.name: Required value"],
  [
    "tokens for nobody in particular",
    "POST",
    PARTS,
    { metadata: { name: "d.io" }, spec: { tokenRequests: [{}] } },
    201,
  ],
  ["2^53, which a number still holds", "POST", SLICES, slice(2 ** 53), 201],
  [
    "a resource with the name of what every object has",
    "POST",
    "/api/v1/namespaces/default/limitranges",
    {
      metadata: { name: "l" },
      spec: { limits: [{ type: "a.b/c", default: { cpu: "1" }, min: { constructor: "1" } }] },
    },
    422,
    "must be a standard resource type or fully qualified",
  ],
  [
    "a class with the name of what every object has",
    "POST",
    "/apis/scheduling.k8s.io/v1/priorityclasses",
    { metadata: { name: "system-constructor" }, value: 1 },
    422,
    "is not a known system priority class",
  ],
  [
    "a quota's scope with the name of what every object has",
    "POST",
    "/api/v1/namespaces/default/resourcequotas",
    { metadata: { name: "q" }, spec: { hard: { pods: "1" }, scopes: ["__proto__"] } },
    422,
    "unsupported scope",
  ],
  [
    "a number that is too large for any",
    "POST",
    "/apis/apps/v1/namespaces/default/controllerrevisions",
    '{"metadata":{"name":"r"},"revision":1,"data":{"a":-1e400}}',
    400,
    "json: cannot unmarshal number -1e400 into Go value of type float64",
  ],
  [
    "the same in YAML",
    "POST",
    "/apis/apps/v1/namespaces/default/controllerrevisions",
    "metadata: {name: r}\nrevision: 1\ndata: {a: -1e400}\n",
    400,
    "",
  ],
  [
    "the same in JSON that is called YAML",
    "POST",
    "/apis/apps/v1/namespaces/default/controllerrevisions",
    '{"metadata":{"name":"r"},"revision":1,"data":{"a":1e400}}',
    400,
    "",
    "application/yaml",
  ],
  [
    "a node whose name is none",
    "POST",
    "/api/v1/namespaces/default/pods/nobody/binding",
    { metadata: { name: "nobody" }, target: { kind: "Node", name: "status.podIP" } },
    422,
    "target.name: Invalid value",
  ],
  [
    "labels that are none, by way of the status",
    "PUT",
    "/api/v1/namespaces/default/status",
    { metadata: { name: "default", labels: { "": "x" } } },
    422,
    "metadata.labels: Invalid value",
  ],
])(
  "what was answered wrongly before: %s",
  async (_name, method, path, body, status, message = "", type = "application/json") => {
    const pipeline = await startPipeline();
    const answer = await pipeline.send({ method, path, body, headers: { "content-type": type } });
    expect([answer.status, String(answer.value.message)]).toEqual([status, expect.stringContaining(message)]);
    await pipeline.close();
  },
);

test.each([
  ["application/merge-patch+json", '{"metadata":{"annotations":{"a":-1e400}}}'],
  ["application/json-patch+json", '[{"op":"add","path":"/metadata/annotations","value":{"a":-1e400}}]'],
  [
    "application/apply-patch+yaml",
    "apiVersion: v1\nkind: Namespace\nmetadata: {name: default, annotations: {a: -1e400}}",
  ],
])("a number that is too large for any, in a patch of type %s", async (type, body) => {
  const pipeline = await startPipeline();
  const path = "/api/v1/namespaces/default?fieldManager=x";
  const answer = await pipeline.send({ method: "PATCH", path, body, headers: { "content-type": type } });
  expect([answer.status, answer.value.message]).toEqual([400, expect.stringMatching(/-1e400|-?Inf/i)]);
  await pipeline.close();
});

test.each([0, 5, 2 ** 60])("a grace period of %d seconds", async (gracePeriodSeconds) => {
  const pipeline = await startPipeline();
  const pods = "/api/v1/namespaces/default/pods";
  const spec = { nodeName: "n", containers: [{ name: "c", image: "i" }] };
  await pipeline.send({ method: "POST", path: pods, body: { metadata: { name: "p" }, spec } });
  const body = `{"gracePeriodSeconds":${BigInt(gracePeriodSeconds)}}`;
  const one = await pipeline.send({ method: "DELETE", path: `${pods}/p`, body });
  expect([one.status, one.value.message]).toEqual([200, undefined]);
  const all = await pipeline.send({ method: "DELETE", path: pods, body });
  expect([all.status, all.value.message]).toEqual([200, undefined]);
  await pipeline.close();
});

test("a warning may have any characters, over https too", async () => {
  const pipeline = await startPipeline();
  const served = await serve(pipeline);
  const https = await sendOverHttps(served.directory);
  const body = Buffer.from('{"metadata":{"name":"a"},"配置\u007f":1}');
  const path = "/api/v1/namespaces/default/configmaps";
  const headers = { "content-type": "application/json" };
  const answer = await https.send({ method: "POST", path, headers, body, target: undefined, streams: false });
  expect(answer.status).toBe(201);
  const created = await served.kubectl(["apply", "-f", "-"], {
    stdin: '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"b"},"配置":1}',
  });
  expect(created.stderr).toContain('"配置"');
  https.close();
  await served.close();
  await pipeline.close();
});

test.each(["-0", "9007199254740992"])("what holds a number %s is taken as it was read", async (number) => {
  const pipeline = await startPipeline();
  const path = "/apis/apps/v1/namespaces/default/controllerrevisions";
  const revision = `{"metadata":{"name":"r"},"revision":1,"data":{"a":${number}}}`;
  expect((await pipeline.send({ method: "POST", path, body: revision })).status).toBe(201);
  const { value } = await pipeline.send({ method: "GET", path: `${path}/r` });
  const body = JSON.stringify(value);
  expect((await pipeline.send({ method: "PUT", path: `${path}/r`, body })).status).toBe(200);
  await pipeline.close();
});
