/** Metrics of other servers: an adapter behind the API server, asked with the rights that controllers have. */
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  type AggregatedServer,
  type Asked,
  availableUntil,
  localService,
  register,
  startAggregatedServer,
  testFrontProxy,
} from "../e2e/harness/aggregated-server.ts";
import { type Pipeline, startPipeline } from "../e2e/harness/pipeline.ts";
import { parseLabelSelector } from "../machinery/objects/selectors.ts";
import { systemClock } from "../machinery/process/clock.ts";
import { externalMetric, objectMetric, podsMetric } from "./autoscaler-metrics.ts";
import { discover } from "./discovery.ts";

let pipeline: Pipeline;
let adapter: AggregatedServer;
beforeEach(async () => {
  const frontProxy = await testFrontProxy();
  pipeline = await startPipeline({ frontProxy });
  adapter = await startAggregatedServer(frontProxy);
  await pipeline.client().create("services", localService as never);
});
afterEach(async () => {
  await pipeline.close();
  adapter.close();
});

const CUSTOM = { group: "custom.metrics.k8s.io", version: "v1beta2" };
const EXTERNAL = { group: "external.metrics.k8s.io", version: "v1beta1" };
const controllers = () => pipeline.client("system:kube-controller-manager", []);
const timestamp = "2026-01-01T00:00:00Z";
const selector = parseLabelSelector("verb=GET");

async function serve({ group, version }: typeof CUSTOM, path: string, items: readonly object[]): Promise<void> {
  const hits = { name: "pods/hits", singularName: "", namespaced: true, kind: "MetricValueList", verbs: ["get"] };
  adapter.answers[`/apis/${group}/${version}`] = { kind: "APIResourceList", resources: [hits] };
  adapter.answers[`/apis/${group}/${version}/namespaces/default/${path}`] = { kind: "MetricValueList", items };
  await register(pipeline, { group, version, server: adapter });
  await availableUntil(pipeline, `${version}.${group}`, /^True/);
}

const queryOf = ({ url }: Asked) => decodeURIComponent(url.split("?")[1] ?? "");

test("a metric of Pods is each one's", async () => {
  await serve(CUSTOM, "pods/*/hits", [{ describedObject: { name: "web-1" }, timestamp, value: "1500m" }]);
  const found = await podsMetric(
    controllers(),
    { namespace: "default", selector: "app=web" },
    { name: "hits", selector },
  );
  expect(found.get("web-1")).toMatchObject({ at: Date.parse(timestamp), value: 1500 });
  expect(queryOf(adapter.asked.at(-1)!)).toBe("labelSelector=app=web&metricLabelSelector=verb=GET");
  expect(adapter.asked.at(-1)!.headers["x-remote-user"]).toBe("system:kube-controller-manager");
});

test("a metric of an object is its own", async () => {
  await serve(CUSTOM, "ingresses.networking.k8s.io/main/hits", [{ timestamp, value: "2k" }]);
  const object = { kind: "Ingress", name: "main", resource: "ingresses.networking.k8s.io" };
  expect(await objectMetric(controllers(), "default", object, { name: "hits", selector })).toBe(2_000_000);
});

test("a metric of something outside is the sum of its values", async () => {
  await serve(EXTERNAL, "queue", [
    { timestamp, value: "20" },
    { timestamp, value: "30" },
  ]);
  expect(await externalMetric(controllers(), "default", { name: "queue", selector })).toBe(50_000);
});

test("metrics are no resources that could be collected", async () => {
  await serve(CUSTOM, "queue", []);
  const { resources, failures } = await discover(controllers(), systemClock);
  expect(failures).toEqual([]);
  expect(resources.filter(({ group }) => group === CUSTOM.group)).toEqual([]);
  expect(resources.some(({ plural }) => plural === "deployments")).toBe(true);
});

test("an adapter that has gone is said to be unable", async () => {
  await serve(EXTERNAL, "queue", []);
  await pipeline.client().delete("services", { namespace: "default", name: "adapter" });
  await availableUntil(pipeline, "v1beta1.external.metrics.k8s.io", /^False ServiceNotFound/);
  await expect(externalMetric(controllers(), "default", { name: "queue", selector })).rejects.toThrow(
    "unable to fetch metrics from external metrics API: the server is currently unable to handle the request (get queue.external.metrics.k8s.io)",
  );
});
