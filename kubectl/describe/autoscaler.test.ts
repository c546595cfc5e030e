/** How an autoscaler is described, beside the real kubectl. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { realKubectls } from "../../e2e/harness/kubectls.ts";
import { type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";
import { type Served, serve } from "../../e2e/harness/served.ts";
import type { HorizontalPodAutoscaler } from "../../machinery/objects/kinds.ts";

type Spec = NonNullable<HorizontalPodAutoscaler["spec"]>;
const real = realKubectls().at(-1);

let pipeline: Pipeline;
let served: Served;

const value = (type: string, amount: string) =>
  type === "Value" ? { type, value: amount } : { type, averageValue: amount };
const described = { apiVersion: "v1", kind: "Service", name: "front" };

const METRICS: NonNullable<Spec["metrics"]> = [
  { type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 50 } } },
  { type: "Resource", resource: { name: "memory", target: value("AverageValue", "64Mi") } },
  {
    type: "ContainerResource",
    containerResource: { name: "cpu", container: "main", target: { type: "Utilization", averageUtilization: 70 } },
  },
  { type: "Pods", pods: { metric: { name: "hits" }, target: value("AverageValue", "10") } },
  { type: "Object", object: { describedObject: described, metric: { name: "rate" }, target: value("Value", "5") } },
  {
    type: "Object",
    object: { describedObject: described, metric: { name: "rate" }, target: value("AverageValue", "2") },
  },
  { type: "External", external: { metric: { name: "queue" }, target: value("Value", "7") } },
  { type: "External", external: { metric: { name: "queue" }, target: value("AverageValue", "3") } },
];

const CURRENT = [
  { type: "Resource", resource: { name: "cpu", current: { averageUtilization: 80, averageValue: "160m" } } },
  { type: "Resource", resource: { name: "memory", current: { averageValue: "33Mi" } } },
  {
    type: "ContainerResource",
    containerResource: { name: "cpu", container: "main", current: { averageUtilization: 9, averageValue: "1m" } },
  },
  { type: "Pods", pods: { metric: { name: "hits" }, current: { averageValue: "12" } } },
  { type: "Object", object: { describedObject: described, metric: { name: "rate" }, current: { value: "4" } } },
  { type: "Object", object: { describedObject: described, metric: { name: "rate" }, current: { averageValue: "1" } } },
  { type: "External", external: { metric: { name: "queue" }, current: { value: "70" } } },
  { type: "External", external: { metric: { name: "queue" }, current: { averageValue: "30" } } },
];

beforeAll(async () => {
  pipeline = await startPipeline();
  const client = pipeline.client();
  const create = (name: string, spec: Partial<Spec>) =>
    client.create("horizontalpodautoscalers", {
      metadata: { name, namespace: "default", labels: { app: name } },
      spec: { scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name }, maxReplicas: 9, ...spec },
    });
  await create("new", {});
  await create("unknown", { metrics: METRICS });
  await create("known", {
    metrics: METRICS,
    behavior: {
      scaleUp: { selectPolicy: "Min", policies: [{ type: "Pods", value: 4, periodSeconds: 15 }] },
      scaleDown: { stabilizationWindowSeconds: 60 },
    },
  });
  const time = "2026-01-01T00:00:00Z";
  const conditions = [
    { type: "AbleToScale", status: "True", reason: "ReadyForNewScale", message: "fine", lastTransitionTime: time },
    { type: "ScalingLimited", status: "False", reason: "DesiredWithinRange", message: "ok", lastTransitionTime: time },
  ];
  const status = { currentReplicas: 2, desiredReplicas: 3, currentMetrics: CURRENT, conditions };
  const ref = { namespace: "default", name: "known" };
  await client.patch("horizontalpodautoscalers", ref, { status }, { type: "merge", subresource: "status" });
  served = await serve(pipeline);
}, 60_000);
afterAll(async () => {
  await served.close();
  await pipeline.close();
});

test("shows metrics beside their targets, and policies", async () => {
  const { stdout } = await served.kubectl(["describe", "hpa", "known"]);
  expect(stdout).toMatch(/^ {2}resource cpu on pods {2}\(as a percentage of request\): +80% \(160m\) \/ 50%$/m);
  expect(stdout).toMatch(/^ {2}"queue" \(target average value\): +30 \/ 3$/m);
  expect(stdout).toMatch(/^ {6}- Type: Pods +Value: 4 +Period: 15 seconds$/m);
  expect(stdout).toMatch(/^Deployment pods: +2 current \/ 3 desired$/m);
});

describe.skipIf(!real)(`beside kubectl ${real?.version}`, () => {
  test.each(["new", "unknown", "known"])("%s is described the same", async (name) => {
    const line = ["describe", "hpa", name];
    expect(await served.kubectl(line)).toEqual(await served.real(real!, line));
  });
});
