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
