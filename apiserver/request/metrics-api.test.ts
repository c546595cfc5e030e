/** metrics.k8s.io over nodes whose figures the test says. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";
import { type FakeClock, fakeClock } from "../../machinery/process/fake-clock.ts";

const TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io";

const START = Date.UTC(2026, 0, 1);

let clock: FakeClock;
let pipeline: Pipeline;
let asked: string[];
/** Cores that each node's only Pod uses. */
let cores: Record<string, number>;
let silentNodes: Set<string>;

function textOf(node: string): string {
  const at = clock.now();
  const ran = (at - START) / 1000;
  const seconds = (cores[node] ?? 0) * ran;
  return `node_cpu_usage_seconds_total ${seconds + ran / 10} ${at}
node_memory_working_set_bytes 536870912 ${at}
container_cpu_usage_seconds_total{container="main",namespace="default",pod="on-${node}"} ${seconds} ${at}
container_memory_working_set_bytes{container="main",namespace="default",pod="on-${node}"} 1048577 ${at}
container_cpu_usage_seconds_total{container="main",namespace="default",pod="gone"} ${seconds} ${at}
container_memory_working_set_bytes{container="main",namespace="default",pod="gone"} 1 ${at}
`;
}

beforeEach(async () => {
  clock = fakeClock(START);
  asked = [];
  cores = { a: 0.25, b: 0.5 };
  silentNodes = new Set();
  pipeline = await startPipeline({
    clock,
    async readNode(node) {
      asked.push(node);
      if (silentNodes.has(node)) throw new Error("no tunnel");
      return textOf(node);
    },
  });
  for (const name of ["a", "b"]) {
    const client = pipeline.client();
    await client.create("nodes", { metadata: { name, labels: { zone: name } } });
    const status = { conditions: [{ type: "Ready", status: "True" }] };
    await client.patch("nodes", { name }, { status }, { type: "merge", subresource: "status" });
    await client.create("pods", {
      metadata: { name: `on-${name}`, namespace: "default", labels: { app: name } },
      spec: { nodeName: name, containers: [{ name: "main", image: "web:1" }] },
    });
    const running = { status: { phase: "Running" } };
    const ref = { namespace: "default", name: `on-${name}` };
    await client.patch("pods", ref, running, { type: "merge", subresource: "status" });
  }
});

afterEach(() => pipeline.close());

async function get(path: string, options: { accept?: string; user?: string; groups?: string[] } = {}) {
  const { accept, ...rest } = options;
  const answer = pipeline.send({ path, ...(accept ? { headers: { accept } } : {}), ...rest });
  let over = false;
  void answer.finally(() => {
    over = true;
  });
  for (let turn = 0; turn < 100 && !over; turn++) await clock.advance(100);
  return answer;
}

const NODES = "/apis/metrics.k8s.io/v1beta1/nodes";
const PODS = "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods";

describe("what is used", () => {
  it("is told of nodes at the first question", async () => {
    const { status, value } = await get(NODES);
    expect(status).toBe(200);
    expect(value).toMatchObject({ kind: "NodeMetricsList", apiVersion: "metrics.k8s.io/v1beta1", metadata: {} });
    expect(value.items[0]).toMatchObject({
      metadata: { name: "a", labels: { zone: "a" }, creationTimestamp: expect.any(String) },
      usage: { cpu: "350m", memory: "512Mi" },
      window: "1s",
      timestamp: expect.stringMatching(/^2026-01-01T00:00:/),
    });
    expect(value.items).toHaveLength(2);
  });

  it("is told of Pods that there are, by container", async () => {
    const { value } = await get(PODS);
    expect(value).toMatchObject({ kind: "PodMetricsList" });
    expect(value.items).toMatchObject([
      { metadata: { name: "on-a", namespace: "default", labels: { app: "a" } } },
      { containers: [{ name: "main", usage: { cpu: "500m", memory: "1048577" } }] },
    ]);
    expect((await get("/apis/metrics.k8s.io/v1beta1/pods")).value.items).toHaveLength(2);
  });

  it("is selected by labels and names", async () => {
    expect((await get(`${PODS}?labelSelector=app%3Db`)).value.items).toMatchObject([{ metadata: { name: "on-b" } }]);
    expect((await get(`${NODES}?labelSelector=zone%3Da`)).value.items).toHaveLength(1);
    expect((await get(`${PODS}?fieldSelector=metadata.name%3Don-a`)).value.items).toHaveLength(1);
    expect((await get(`${PODS}?labelSelector=%2F`)).status).toBe(400);
  });

  it("is told of one, or that there are no metrics", async () => {
    expect((await get(`${PODS}/on-a`)).value).toMatchObject({ kind: "PodMetrics", metadata: { name: "on-a" } });
    expect((await get(`${NODES}/b`)).value).toMatchObject({ kind: "NodeMetrics", usage: { memory: "512Mi" } });
    const { status, value } = await get(`${PODS}/gone`);
    expect(status).toBe(404);
    expect(value.message).toBe('podmetrics.metrics.k8s.io "default/gone" not found');
    expect((await get(`${NODES}/c`)).value.message).toBe('nodemetrics.metrics.k8s.io "c" not found');
  });

  it("is shown as a table", async () => {
    const { value } = await get(PODS, { accept: TABLE });
    expect(value.columnDefinitions.map(({ name }: { name: string }) => name)).toEqual([
      "Name",
      "cpu",
      "memory",
      "Window",
    ]);
    expect(value.rows[0].cells).toEqual(["on-a", "250m", "1048577", "1s"]);
    expect((await get(`${NODES}/a`, { accept: TABLE })).value.rows).toHaveLength(1);
  });
});

describe("the nodes", () => {
  it("are asked by nobody before somebody wants to know, every 15 s then, and no more after two minutes", async () => {
    await clock.advance(60_000);
    expect(asked).toEqual([]);
    await get(NODES);
    expect(asked).toHaveLength(4);
    await clock.advance(30_000);
    expect(asked).toHaveLength(8);
    cores["a"] = 1;
    expect((await get(NODES)).value.items[0].window).toBe("15s");
    await clock.advance(300_000);
    const before = asked.length;
    await clock.advance(300_000);
    expect(asked).toHaveLength(before);
    expect((await get(NODES)).value.items[0]).toMatchObject({ window: "1s", usage: { cpu: "1100m" } });
  });

  it("have no metrics while they do not answer, nor have their Pods", async () => {
    silentNodes.add("a");
    expect((await get(NODES)).value.items).toMatchObject([{ metadata: { name: "b" } }]);
    expect((await get(PODS)).value.items).toMatchObject([{ metadata: { name: "on-b" } }]);
    silentNodes.clear();
    await clock.advance(31_000);
    expect((await get(NODES)).value.items).toHaveLength(2);
  });
});

describe("the group", () => {
  it("is discovered, without verbs that change anything", async () => {
    const { value } = await get("/apis/metrics.k8s.io/v1beta1");
    expect(value.resources).toEqual([
      { name: "nodes", singularName: "", namespaced: false, kind: "NodeMetrics", verbs: ["get", "list"] },
      { name: "pods", singularName: "", namespaced: true, kind: "PodMetrics", verbs: ["get", "list"] },
    ]);
    const { status } = await pipeline.send({ method: "DELETE", path: `${PODS}/on-a` });
    expect(status).toBe(405);
    expect((await pipeline.send({ path: `${PODS}?watch=true` })).status).toBe(405);
    expect((await pipeline.send({ method: "POST", path: PODS, body: {} })).status).toBe(405);
  });

  it("is described", async () => {
    const { value } = await get("/openapi/v3/apis/metrics.k8s.io/v1beta1");
    const schemas = value.components.schemas;
    const name = "io.k8s.metrics.pkg.apis.metrics.v1beta1.PodMetrics";
    expect(schemas[name]).toMatchObject({
      required: ["containers", "timestamp", "window"],
      "x-kubernetes-group-version-kind": [{ group: "metrics.k8s.io", kind: "PodMetrics", version: "v1beta1" }],
    });
    expect(Object.keys(value.paths)).toEqual([
      "/apis/metrics.k8s.io/v1beta1/nodes",
      "/apis/metrics.k8s.io/v1beta1/nodes/{name}",
      "/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods",
      "/apis/metrics.k8s.io/v1beta1/pods",
      "/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods/{name}",
    ]);
  });

  it("is read by those who may", async () => {
    const { status, value } = await get(NODES, { user: "jane", groups: ["system:authenticated"] });
    expect(status).toBe(403);
    expect(value.message).toContain('cannot list resource "nodes" in API group "metrics.k8s.io" at the cluster scope');
  });
});
