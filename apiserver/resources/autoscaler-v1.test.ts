/** autoscaling/v1: the older form of an autoscaler, over the real pipeline. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";

let pipeline: Pipeline;
beforeAll(async () => {
  pipeline = await startPipeline();
});
afterAll(() => pipeline.close());

const at = (version: string, name = "") =>
  `/apis/autoscaling/${version}/namespaces/default/horizontalpodautoscalers${name && `/${name}`}`;
const send = async (method: string, path: string, body?: unknown) => {
  const { value, status } = await pipeline.send({ method, path, ...(body === undefined ? {} : { body }) });
  expect(value.message).toBeUndefined();
  expect(status).toBeLessThan(300);
  return value;
};
const target = { apiVersion: "apps/v1", kind: "Deployment", name: "web" };

test("what is made in the older form is read in the newer one", async () => {
  const spec = { scaleTargetRef: target, maxReplicas: 5, targetCPUUtilizationPercentage: 50 };
  const made = await send("POST", at("v1"), { metadata: { name: "older" }, spec });
  expect(made).toMatchObject({ apiVersion: "autoscaling/v1", spec: { ...spec, minReplicas: 1 } });
  const newer = await send("GET", at("v2", "older"));
  expect(newer.spec.metrics).toEqual([
    { type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 50 } } },
  ]);
});

test("without a target it is 80 percent of the cpu", async () => {
  const made = await send("POST", at("v1"), {
    metadata: { name: "plain" },
    spec: { scaleTargetRef: target, maxReplicas: 2 },
  });
  expect(made.spec.targetCPUUtilizationPercentage).toBe(80);
});

test("an update by a client of the older form keeps what it does not know", async () => {
  const memory = {
    type: "Resource",
    resource: { name: "memory", target: { type: "AverageValue", averageValue: "1Gi" } },
  };
  const behavior = {
    scaleDown: { stabilizationWindowSeconds: 60, policies: [{ type: "Pods", value: 1, periodSeconds: 5 }] },
  };
  await send("POST", at("v2"), {
    metadata: { name: "rich", annotations: { mine: "kept" } },
    spec: { scaleTargetRef: target, maxReplicas: 9, metrics: [memory], behavior },
  });
  const before = await send("GET", at("v2", "rich"));
  const older = await send("GET", at("v1", "rich"));
  expect(older.metadata.annotations).toMatchObject({
    mine: "kept",
    "autoscaling.alpha.kubernetes.io/metrics": expect.any(String),
  });
  await send("PUT", at("v1", "rich"), { ...older, spec: { ...older.spec, maxReplicas: 10 } });
  const after = await send("GET", at("v2", "rich"));
  expect(after.spec).toEqual({ ...before.spec, maxReplicas: 10 });
  expect(after.metadata.annotations).toEqual({ mine: "kept" });
});

test("is checked by the same rules", async () => {
  const { status, value } = await pipeline.send({
    method: "POST",
    path: at("v1"),
    body: { metadata: { name: "bad" }, spec: { scaleTargetRef: target, maxReplicas: 0 } },
  });
  expect(status).toBe(422);
  expect(value.details.causes).toMatchObject([{ field: "spec.maxReplicas" }, { field: "spec.maxReplicas" }]);
});

const MEMORY = {
  type: "Resource",
  resource: { name: "memory", target: { type: "AverageValue", averageValue: "1Gi" } },
};
const describedObject = { kind: "Ingress", name: "main", apiVersion: "networking.k8s.io/v1" };
const selector = { matchLabels: { verb: "GET" } };
const metrics = [
  MEMORY,
  {
    type: "Pods",
    pods: { metric: { name: "packets", selector }, target: { type: "AverageValue", averageValue: "1k" } },
  },
  { type: "Object", object: { describedObject, metric: { name: "hits" }, target: { type: "Value", value: "10k" } } },
  {
    type: "Object",
    object: { describedObject, metric: { name: "hits" }, target: { type: "AverageValue", averageValue: "5" } },
  },
  {
    type: "External",
    external: { metric: { name: "queue", selector }, target: { type: "AverageValue", averageValue: "30" } },
  },
  {
    type: "ContainerResource",
    containerResource: { name: "cpu", container: "app", target: { type: "Utilization", averageUtilization: 60 } },
  },
];
const [object, external] = [{ kind: "Ingress", name: "main", apiVersion: "networking.k8s.io/v1" }, "queue"];
const inOlderForm = [
  { type: "Resource", resource: { name: "memory", targetAverageValue: "1Gi" } },
  { type: "Pods", pods: { metricName: "packets", selector, targetAverageValue: "1k" } },
  { type: "Object", object: { target: object, metricName: "hits", targetValue: "10k" } },
  { type: "Object", object: { target: object, metricName: "hits", targetValue: "0", averageValue: "5" } },
  { type: "External", external: { metricName: external, metricSelector: selector, targetAverageValue: "30" } },
  { type: "ContainerResource", containerResource: { name: "cpu", targetAverageUtilization: 60, container: "app" } },
];

test("metrics of every type travel in the older version's own form, and come back", async () => {
  const made = await send("POST", at("v2"), {
    metadata: { name: "many" },
    spec: { scaleTargetRef: target, maxReplicas: 9, metrics },
  });
  const older = await send("GET", at("v1", "many"));
  expect(JSON.parse(older.metadata.annotations["autoscaling.alpha.kubernetes.io/metrics"])).toEqual(inOlderForm);
  await send("PUT", at("v1", "many"), older);
  expect((await send("GET", at("v2", "many"))).spec).toEqual(made.spec);
});

test("behavior is written as Go writes its own struct", async () => {
  const policies = [{ type: "Percent", value: 100, periodSeconds: 15 }];
  const behavior = { scaleDown: { stabilizationWindowSeconds: 60, selectPolicy: "Max", policies } };
  const spec = { scaleTargetRef: target, maxReplicas: 9, metrics: [MEMORY], behavior };
  await send("POST", at("v2"), { metadata: { name: "slow" }, spec });
  const stored = (await send("GET", at("v2", "slow"))).spec.behavior;
  const older = await send("GET", at("v1", "slow"));
  const written = JSON.parse(older.metadata.annotations["autoscaling.alpha.kubernetes.io/behavior"]);
  expect(Object.keys(written)).toEqual(["ScaleUp", "ScaleDown"]);
  expect(written.ScaleDown).toEqual({
    StabilizationWindowSeconds: 60,
    SelectPolicy: "Max",
    Policies: [{ Type: "Percent", Value: 100, PeriodSeconds: 15 }],
    Tolerance: null,
  });
  await send("PUT", at("v1", "slow"), older);
  expect((await send("GET", at("v2", "slow"))).spec.behavior).toEqual(stored);
});

test("what was measured is kept whole, with conditions", async () => {
  await send("POST", at("v2"), { metadata: { name: "seen" }, spec: { scaleTargetRef: target, maxReplicas: 9 } });
  const currentMetrics = [
    { type: "Resource", resource: { name: "cpu", current: { averageUtilization: 33, averageValue: "330m" } } },
  ];
  const conditions = [
    { type: "AbleToScale", status: "True", lastTransitionTime: "2026-01-01T00:00:00Z", reason: "R", message: "m" },
  ];
  const status = { currentReplicas: 1, desiredReplicas: 2, currentMetrics, conditions };
  const newer = await send("GET", at("v2", "seen"));
  await send("PUT", `${at("v2", "seen")}/status`, { ...newer, status });
  const older = await send("GET", at("v1", "seen"));
  expect(older.status).toEqual({ currentReplicas: 1, desiredReplicas: 2, currentCPUUtilizationPercentage: 33 });
  const { annotations } = older.metadata;
  expect(JSON.parse(annotations["autoscaling.alpha.kubernetes.io/current-metrics"])).toEqual([
    { type: "Resource", resource: { name: "cpu", currentAverageUtilization: 33, currentAverageValue: "330m" } },
  ]);
  expect(JSON.parse(annotations["autoscaling.alpha.kubernetes.io/conditions"])).toEqual(conditions);
  await send("PUT", `${at("v1", "seen")}/status`, older);
  expect((await send("GET", at("v2", "seen"))).status).toEqual(status);
});

test.each(["no json", "[1]", "{}", "null"])("an annotation that holds %s is dropped", async (text) => {
  const annotations = Object.fromEntries(
    ["metrics", "behavior", "current-metrics", "conditions"].map((name) => [
      `autoscaling.alpha.kubernetes.io/${name}`,
      text,
    ]),
  );
  const name = `odd-${Buffer.from(text).toString("hex")}`;
  await send("POST", at("v1"), {
    metadata: { name, annotations: { ...annotations, mine: "1" } },
    spec: { scaleTargetRef: target, maxReplicas: 2 },
  });
  expect((await send("GET", at("v2", name))).metadata.annotations).toEqual({ mine: "1" });
});
