/** Autoscalers against the real pipeline; what the Pods use is said by a stand-in for the APIs of metrics. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Controlled, startControlled } from "../e2e/harness/controlled.ts";
import type { ClientRequest, Transport } from "../machinery/client/transport/contract.ts";
import type { HorizontalPodAutoscaler, Pod } from "../machinery/objects/kinds.ts";
import { ApiError } from "../machinery/objects/status.ts";
import { wireTime } from "../machinery/process/clock.ts";
import { type FakeClock, fakeClock } from "../machinery/process/fake-clock.ts";

type Spec = NonNullable<HorizontalPodAutoscaler["spec"]>;

let clock: FakeClock;
/** By how much the clock on the wall is wrong. */
let wrongMs: number;
let cluster: Controlled;
/** Millicores and mebibytes of each container of a Pod; undefined for a Pod without figures. */
let uses: (pod: Pod) => { readonly cpu: number; readonly memory?: number } | undefined;
/** By path: what other people's APIs of metrics answer. */
let others: Record<string, unknown>;
let writes: ClientRequest[];
/** What else happens to the controllers' writes. */
let before: (request: ClientRequest) => Promise<void>;
let after: (request: ClientRequest) => Promise<void>;

beforeEach(async () => {
  const right = fakeClock();
  wrongMs = 0;
  clock = { ...right, now: () => right.now() + wrongMs };
  uses = () => ({ cpu: 100 });
  others = {};
  writes = [];
  before = async () => {};
  after = async () => {};
  cluster = await startControlled({ clock, between: metered, nodeMonitorGraceMs: 3_600_000 });
});
afterEach(() => cluster.close());

function metered(transport: Transport): Transport {
  return {
    shared: transport.shared,
    watch: (request) => transport.watch(request),
    stream: (request) => transport.stream(request),
    close: () => transport.close(),
    async request(request) {
      const { path, method } = request;
      if (method !== "GET") {
        writes.push(request);
        await before(request);
        const answer = await transport.request(request);
        await after(request);
        return answer;
      }
      if (path.startsWith("/apis/metrics.k8s.io/")) return podMetrics(request);
      if (!/^\/apis\/(custom|external)\.metrics\.k8s\.io/.test(path)) return transport.request(request);
      const query = new URLSearchParams(request.query).toString();
      const answer = others[query ? `${path}?${query}` : path];
      if (answer === undefined) throw new ApiError("NotFound", "the server could not find the requested resource");
      return answer;
    },
  };
}

async function podMetrics({ path, query }: ClientRequest) {
  const namespace = path.split("/")[5];
  const { items } = await cluster.client.list("pods", { namespace, labelSelector: query?.["labelSelector"] ?? "" });
  return {
    items: items.flatMap((pod) => {
      const used = pod.status?.phase === "Running" ? uses(pod) : undefined;
      if (!used) return [];
      const usage = { cpu: `${used.cpu}m`, memory: `${used.memory ?? 10}Mi` };
      const containers = (pod.spec?.containers ?? []).map(({ name }) => ({ name, usage }));
      const { name } = pod.metadata;
      return [{ metadata: { name }, timestamp: wireTime(clock.now()), window: "15s", containers }];
    }),
  };
}

async function workload(replicas: number, name = "web"): Promise<void> {
  const resources = { requests: { cpu: "100m", memory: "20Mi" } };
  await cluster.create("deployments", {
    metadata: { name, namespace: "default" },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: { containers: [{ name: "main", image: "web:1", resources }] },
      },
    },
  });
  await cluster.settled();
  // Until then CPU figures may be of the start.
  await pass(30);
}

async function autoscaler(spec: Partial<Spec> = {}, name = "web"): Promise<void> {
  await create(spec, name);
  await cluster.settled();
}

async function create(spec: Partial<Spec>, name = "web"): Promise<void> {
  await cluster.create("horizontalpodautoscalers", {
    metadata: { name, namespace: "default" },
    spec: { scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name }, maxReplicas: 10, ...spec },
  });
}

async function pass(seconds: number): Promise<void> {
  for (let passed = 0; passed < seconds; passed += 15) {
    await clock.advance(15_000);
    await cluster.settled();
  }
}

const read = (name = "web") => cluster.client.get("horizontalpodautoscalers", { namespace: "default", name });
const size = async (name = "web") =>
  (await cluster.client.get("deployments", { namespace: "default", name })).spec?.replicas;
async function condition(type: string, name = "web") {
  const { status } = await read(name);
  const found = status?.conditions?.find((one) => one.type === type);
  return found && `${found.status} ${found.reason} ${found.message}`;
}
const cpu = (percent: number): NonNullable<Spec["metrics"]> => [
  { type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization: percent } } },
];

describe("by CPU", () => {
  it("grows to what the use asks for, and tells so", async () => {
    await workload(2);
    uses = () => ({ cpu: 120 });
    await autoscaler({ metrics: cpu(50) });
    expect(await size()).toBe(4);
    expect((await read()).status).toMatchObject({ currentReplicas: 2, desiredReplicas: 4 });
    expect(await cluster.events("web")).toContain(
      "Normal SuccessfulRescale New size: 4; reason: cpu resource utilization (percentage of request) above target",
    );
    expect(await condition("AbleToScale")).toBe(
      "True SucceededRescale the HPA controller was able to update the target scale to 4",
    );
    expect(await condition("ScalingLimited")).toBe(
      "True ScaleUpLimit the desired replica count is increasing faster than the maximum scale rate",
    );
    expect(await condition("ScalingActive")).toBe(
      "True ValidMetricFound the HPA was able to successfully calculate a replica count from cpu resource utilization (percentage of request)",
    );
    const { currentMetrics, lastScaleTime } = (await read()).status ?? {};
    expect(currentMetrics).toEqual([
      { type: "Resource", resource: { name: "cpu", current: { averageUtilization: 120, averageValue: "120m" } } },
    ]);
    expect(lastScaleTime).toBe(wireTime(clock.now() - (clock.now() % 1000)));
  });

  it("stays where the use is near what is wanted, and writes nothing then", async () => {
    await workload(2);
    uses = () => ({ cpu: 54 });
    await autoscaler({ metrics: cpu(50) });
    await pass(30);
    writes = [];
    await pass(60);
    expect(writes).toEqual([]);
    expect(await size()).toBe(2);
    expect(await condition("AbleToScale")).toBe("True ReadyForNewScale recommended size matches current size");
    expect(await condition("ScalingLimited")).toBe(
      "False DesiredWithinRange the desired count is within the acceptable range",
    );
  });

  it("shrinks only after five minutes without a higher recommendation", async () => {
    await workload(4);
    await autoscaler({ metrics: cpu(100), minReplicas: 2 });
    uses = () => ({ cpu: 10 });
    await pass(285);
    expect(await size()).toBe(4);
    expect(await condition("AbleToScale")).toBe(
      "True ScaleDownStabilized recent recommendations were higher than current one, applying the highest recent recommendation",
    );
    await pass(45);
    expect(await size()).toBe(2);
    expect(await condition("ScalingLimited")).toBe(
      "True TooFewReplicas the desired replica count is less than the minimum replica count",
    );
    expect(await cluster.events("web")).toContain(
      "Normal SuccessfulRescale New size: 2; reason: All metrics below target",
    );
  });

  it("goes on after a restart without shrinking at once", async () => {
    await workload(4);
    await autoscaler({ metrics: cpu(100) });
    await pass(15);
    uses = () => ({ cpu: 10 });
    await cluster.stop();
    await cluster.restart();
    await pass(240);
    expect(await size()).toBe(4);
    await pass(120);
    expect(await size()).toBe(1);
  });

  it("follows a change of its own spec at once", async () => {
    await workload(2);
    await autoscaler({ metrics: cpu(100) });
    const ref = { namespace: "default", name: "web" };
    await cluster.client.patch("horizontalpodautoscalers", ref, { spec: { minReplicas: 3 } }, { type: "merge" });
    await cluster.settled();
    expect(await size()).toBe(3);
    expect(await cluster.events("web")).toContain(
      "Normal SuccessfulRescale New size: 3; reason: Current number of replicas below Spec.MinReplicas",
    );
  });

  it("leaves alone what was scaled to nothing", async () => {
    await workload(0);
    await autoscaler();
    expect(await size()).toBe(0);
    expect(await condition("ScalingActive")).toBe(
      "False ScalingDisabled scaling is disabled since the replica count of the target is zero",
    );
  });
});

describe("policies", () => {
  const behavior = (up: number, down: number): NonNullable<Spec["behavior"]> => ({
    scaleUp: { policies: [{ type: "Pods", value: up, periodSeconds: 60 }], stabilizationWindowSeconds: 0 },
    scaleDown: { policies: [{ type: "Pods", value: down, periodSeconds: 60 }], stabilizationWindowSeconds: 0 },
  });

  it("bound what is added in a period", async () => {
    await workload(1);
    uses = () => ({ cpu: 400 });
    await autoscaler({ metrics: cpu(50), behavior: behavior(2, 1) });
    expect(await size()).toBe(3);
    await pass(45);
    expect(await size()).toBe(3);
    expect(await condition("ScalingLimited")).toMatch(/^True ScaleUpLimit /);
    await pass(30);
    expect(await size()).toBe(5);
  });

  it("bound what is taken away in a period, or forbid it", async () => {
    await workload(4);
    uses = () => ({ cpu: 5 });
    await autoscaler({ metrics: cpu(50), behavior: behavior(2, 1) });
    expect(await size()).toBe(3);
    await pass(30);
    expect(await size()).toBe(3);
    expect(await condition("ScalingLimited")).toMatch(/^True ScaleDownLimit /);
    await pass(30);
    expect(await size()).toBe(2);
    const ref = { namespace: "default", name: "web" };
    const disabled = { spec: { behavior: { scaleDown: { selectPolicy: "Disabled" } } } };
    await cluster.client.patch("horizontalpodautoscalers", ref, disabled, { type: "merge" });
    await pass(300);
    expect(await size()).toBe(2);
  });

  it("hold a rise back until it has lasted", async () => {
    await workload(2);
    await autoscaler({
      metrics: cpu(100),
      behavior: { scaleUp: { stabilizationWindowSeconds: 60 } },
    });
    uses = () => ({ cpu: 200 });
    await pass(45);
    expect(await size()).toBe(2);
    expect(await condition("AbleToScale")).toBe(
      "True ScaleUpStabilized recent recommendations were lower than current one, applying the lowest recent recommendation",
    );
    await pass(45);
    expect(await size()).toBe(4);
  });

  it("have a tolerance of their own", async () => {
    await workload(2);
    uses = () => ({ cpu: 130 });
    await autoscaler({ metrics: cpu(100), behavior: { scaleUp: { tolerance: "500m" } } });
    await pass(30);
    expect(await size()).toBe(2);
  });
});

describe("metrics that say nothing", () => {
  it("stop everything while no Pod has figures", async () => {
    await workload(2);
    uses = () => undefined;
    await autoscaler();
    expect(await condition("ScalingActive")).toBe(
      "False FailedGetResourceMetric the HPA was unable to compute the replica count: failed to get cpu utilization: unable to get metrics for resource cpu: no metrics returned from resource metrics API",
    );
    expect(await cluster.events("web")).toEqual(
      expect.arrayContaining([
        "Warning FailedGetResourceMetric failed to get cpu utilization: unable to get metrics for resource cpu: no metrics returned from resource metrics API",
        "Warning FailedComputeMetricsReplicas invalid metrics (1 invalid out of 1), first error is: failed to get cpu resource metric value: failed to get cpu utilization: unable to get metrics for resource cpu: no metrics returned from resource metrics API",
      ]),
    );
    expect((await read()).status?.currentMetrics).toEqual([{ type: "" }]);
  });

  it("say that nobody serves them", async () => {
    await workload(2);
    const metric = { name: "requests" };
    const value = { type: "Value", value: "10" };
    await autoscaler({
      metrics: [
        { type: "External", external: { metric, target: value } },
        { type: "Pods", pods: { metric, target: { type: "AverageValue", averageValue: "10" } } },
        {
          type: "Object",
          object: {
            describedObject: { apiVersion: "networking.k8s.io/v1", kind: "Ingress", name: "main" },
            metric,
            target: value,
          },
        },
      ],
    });
    expect(await condition("ScalingActive")).toBe(
      "False FailedGetExternalMetric the HPA was unable to compute the replica count: failed to get external metric requests: unable to get external metric default/requests/nil: unable to fetch metrics from external metrics API: the server could not find the requested resource (get requests.external.metrics.k8s.io)",
    );
    expect(await cluster.events("web")).toEqual(
      expect.arrayContaining([
        "Warning FailedGetPodsMetric unable to get metric requests: unable to fetch metrics from custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered",
        "Warning FailedGetObjectMetric unable to get metric requests: Ingress on default main/unable to fetch metrics from custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered",
      ]),
    );
  });

  it("do not hinder growing by another one, but shrinking", async () => {
    await workload(2);
    const broken = { type: "External", external: { metric: { name: "x" }, target: { type: "Value", value: "1" } } };
    uses = () => ({ cpu: 10 });
    await autoscaler({
      metrics: [broken, ...cpu(50)],
      behavior: { scaleDown: { stabilizationWindowSeconds: 0 } },
    });
    expect(await condition("ScalingActive")).toMatch(/^False FailedGetExternalMetric /);
    expect(await size()).toBe(2);
    uses = () => ({ cpu: 100 });
    await pass(15);
    expect(await size()).toBe(4);
  });

  it("are those of containers without requests", async () => {
    await workload(2);
    await autoscaler({
      metrics: [
        {
          type: "ContainerResource",
          containerResource: {
            name: "cpu",
            container: "side",
            target: { type: "Utilization", averageUtilization: 50 },
          },
        },
      ],
    });
    expect(await condition("ScalingActive")).toMatch(
      /^False FailedGetContainerResourceMetric .*: did not receive metrics for targeted pods \(pods might be unready\)$/,
    );
  });
});

describe("other metrics", () => {
  it("are averages of memory", async () => {
    await workload(2);
    uses = () => ({ cpu: 1, memory: 30 });
    await autoscaler({
      metrics: [
        { type: "Resource", resource: { name: "memory", target: { type: "AverageValue", averageValue: "20Mi" } } },
      ],
    });
    expect(await size()).toBe(3);
    expect((await read()).status?.currentMetrics).toEqual([
      { type: "Resource", resource: { name: "memory", current: { averageValue: "30Mi" } } },
    ]);
  });

  it("are of one container", async () => {
    await workload(2);
    uses = () => ({ cpu: 75 });
    const target = { type: "Utilization", averageUtilization: 50 };
    await autoscaler({
      metrics: [{ type: "ContainerResource", containerResource: { name: "cpu", container: "main", target } }],
    });
    expect(await size()).toBe(3);
    expect(await cluster.events("web")).toContain(
      "Normal SuccessfulRescale New size: 3; reason: cpu container resource utilization (percentage of request) above target",
    );
  });

  it("are each Pod's own, or an object's, or of something outside", async () => {
    await workload(2);
    const pods = await cluster.list("pods", "default");
    const timestamp = wireTime(clock.now());
    others["/apis/custom.metrics.k8s.io"] = { preferredVersion: { groupVersion: "custom.metrics.k8s.io/v1beta2" } };
    const custom = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/default";
    others[`${custom}/pods/*/requests?labelSelector=app%3Dweb`] = {
      items: pods.map(({ metadata: { name } }) => ({ describedObject: { name }, timestamp, value: "15" })),
    };
    others[`${custom}/ingresses.networking.k8s.io/main/hits?metricLabelSelector=verb%3DGET`] = {
      items: [{ timestamp, value: "2k" }],
    };
    others["/apis/external.metrics.k8s.io/v1beta1/namespaces/default/queue"] = {
      items: [
        { timestamp, value: "20" },
        { timestamp, value: "30" },
      ],
    };
    const metrics: NonNullable<Spec["metrics"]> = [
      { type: "Pods", pods: { metric: { name: "requests" }, target: { type: "AverageValue", averageValue: "10" } } },
      {
        type: "Object",
        object: {
          describedObject: { apiVersion: "networking.k8s.io/v1", kind: "Ingress", name: "main" },
          metric: { name: "hits", selector: { matchLabels: { verb: "GET" } } },
          target: { type: "Value", value: "1k" },
        },
      },
      {
        type: "External",
        external: { metric: { name: "queue" }, target: { type: "AverageValue", averageValue: "10" } },
      },
    ];
    await autoscaler({ metrics, maxReplicas: 20 });
    expect((await read()).status?.currentMetrics).toMatchObject([
      { type: "Pods", pods: { metric: { name: "requests" }, current: { averageValue: "15" } } },
      { type: "Object", object: { metric: { name: "hits" }, current: { value: "2k" } } },
      { type: "External", external: { metric: { name: "queue" }, current: { averageValue: "25" } } },
    ]);
    expect(await cluster.events("web")).toContain(
      "Normal SuccessfulRescale New size: 4; reason: external metric queue(nil) above target",
    );
    await pass(15);
    expect(await size()).toBe(8);
  });
});

describe("in spite of", () => {
  it("a clock that is set ahead and back, it shrinks when its time has come", async () => {
    await workload(4);
    await autoscaler({ metrics: cpu(100) });
    wrongMs = 3_600_000;
    await pass(30);
    wrongMs = 0;
    uses = () => ({ cpu: 10 });
    await pass(360);
    expect(await size()).toBe(1);
  });

  const isScale = ({ method, path }: ClientRequest) => method === "PUT" && path.endsWith("/scale");
  const isStatus = ({ method, path }: ClientRequest) => method === "PATCH" && path.endsWith("/web/status");

  it("a lost answer to the new size, it is set once", async () => {
    await workload(2);
    uses = () => ({ cpu: 150 });
    let lost = 0;
    after = async (request) => {
      if (!isScale(request) || lost++ > 0) return;
      throw new ApiError("ServiceUnavailable", "connection lost");
    };
    await autoscaler({ metrics: cpu(100) });
    expect(await size()).toBe(3);
    expect(await condition("AbleToScale")).toBe(
      "False FailedUpdateScale the HPA controller was unable to update the target scale: connection lost",
    );
    expect(await cluster.events("web")).toContain(
      "Warning FailedRescale New size: 3; reason: cpu resource utilization (percentage of request) above target; error: connection lost",
    );
    uses = () => ({ cpu: 100 });
    await pass(60);
    expect(await size()).toBe(3);
    expect(writes.filter(isScale)).toHaveLength(1);
    expect(await condition("AbleToScale")).toMatch(/^True ReadyForNewScale /);
  });

  it("somebody else who scales at the same moment, it takes the newer version", async () => {
    await workload(2);
    uses = () => ({ cpu: 150 });
    let meddled = 0;
    before = async (request) => {
      if (!isScale(request) || meddled++ > 0) return;
      await cluster.client.patch("deployments", { namespace: "default", name: "web" }, { spec: { paused: true } });
    };
    await autoscaler({ metrics: cpu(100) });
    expect(await size()).toBe(3);
    expect(writes.filter(isScale)).toHaveLength(2);
    expect(await condition("AbleToScale")).toMatch(/^True SucceededRescale /);
  });

  it("being killed between the new size and its status, it goes on from the size", async () => {
    await workload(2);
    uses = () => ({ cpu: 150 });
    before = async (request) => {
      if (isStatus(request)) throw new ApiError("ServiceUnavailable", "connection lost");
    };
    await create({ metrics: cpu(100) });
    for (let turn = 0; turn < 100 && (await size()) !== 3; turn++) await clock.advance(10);
    expect(await size()).toBe(3);
    expect((await read()).status?.desiredReplicas).toBe(0);
    await cluster.stop();
    before = async () => {};
    uses = () => ({ cpu: 100 });
    await cluster.restart();
    await pass(30);
    expect(await size()).toBe(3);
    expect((await read()).status).toMatchObject({ currentReplicas: 3, desiredReplicas: 3 });
  });

  it("an autoscaler of the same name that was made anew, the old one's status is not written to it", async () => {
    await workload(2);
    let replaced = 0;
    before = async (request) => {
      if (!isStatus(request) || replaced++ > 0) return;
      await cluster.client.delete("horizontalpodautoscalers", { namespace: "default", name: "web" });
      await cluster.create("horizontalpodautoscalers", {
        metadata: { name: "web", namespace: "default" },
        spec: { scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "web" }, maxReplicas: 3 },
      });
    };
    await autoscaler({ metrics: cpu(100) });
    await pass(15);
    const { spec, status } = await read();
    expect(spec?.maxReplicas).toBe(3);
    expect(status?.currentMetrics).toMatchObject([{ resource: { current: { averageUtilization: 100 } } }]);
  });
});

describe("the target", () => {
  it("is of any kind with a scale, or there is none", async () => {
    await autoscaler({ scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "none" } }, "a");
    expect(await condition("AbleToScale", "a")).toBe(
      'False FailedGetScale the HPA controller was unable to get the target\'s current scale: deployments.apps "none" not found',
    );
    await autoscaler({ scaleTargetRef: { apiVersion: "example.com/v1", kind: "Thing", name: "x" } }, "b");
    expect(await cluster.events("b")).toContain(
      'Warning FailedGetScale no matches for kind "Thing" in group "example.com"',
    );
    await autoscaler({ scaleTargetRef: { apiVersion: "a/b/c", kind: "Thing", name: "x" } }, "c");
    expect(await cluster.events("c")).toContain("Warning FailedGetScale unexpected GroupVersion string: a/b/c");
  });

  it("may be of a custom kind", async () => {
    const raw = (method: "POST" | "PATCH", path: string, body: unknown) =>
      cluster.client.raw({
        method,
        path,
        body,
        headers: { "content-type": method === "POST" ? "application/json" : "application/merge-patch+json" },
      });
    const replicas = { type: "object", properties: { replicas: { type: "integer" }, selector: { type: "string" } } };
    await raw("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", {
      apiVersion: "apiextensions.k8s.io/v1",
      kind: "CustomResourceDefinition",
      metadata: { name: "things.example.com" },
      spec: {
        group: "example.com",
        scope: "Namespaced",
        names: { kind: "Thing", plural: "things", singular: "thing", listKind: "ThingList" },
        versions: [
          {
            name: "v1",
            served: true,
            storage: true,
            schema: { openAPIV3Schema: { type: "object", properties: { spec: replicas, status: replicas } } },
            subresources: {
              status: {},
              scale: {
                specReplicasPath: ".spec.replicas",
                statusReplicasPath: ".status.replicas",
                labelSelectorPath: ".status.selector",
              },
            },
          },
        ],
      },
    });
    await pass(15);
    const things = "/apis/example.com/v1/namespaces/default/things";
    const thing = { apiVersion: "example.com/v1", kind: "Thing", metadata: { name: "web" }, spec: { replicas: 2 } };
    await raw("POST", things, thing);
    await raw("PATCH", `${things}/web/status`, { status: { replicas: 2, selector: "app=web" } });
    await workload(2);
    uses = () => ({ cpu: 200 });
    await autoscaler({
      metrics: cpu(100),
      scaleTargetRef: { apiVersion: "example.com/v1", kind: "Thing", name: "web" },
    });
    expect(await cluster.client.raw({ method: "GET", path: `${things}/web` })).toMatchObject({ spec: { replicas: 4 } });
  });

  it("is not scaled while two want to", async () => {
    await workload(2);
    uses = () => ({ cpu: 200 });
    const scaleTargetRef = { apiVersion: "apps/v1", kind: "Deployment", name: "web" };
    await autoscaler({ metrics: cpu(200), scaleTargetRef }, "one");
    await autoscaler({ metrics: cpu(50), scaleTargetRef }, "two");
    expect(await condition("ScalingActive", "two")).toBe(
      "False AmbiguousSelector pods by selector app=web are controlled by multiple HPAs: [default/one default/two]",
    );
    expect(await size()).toBe(2);
    await cluster.client.delete("horizontalpodautoscalers", { namespace: "default", name: "one" });
    await pass(15);
    expect(await size()).toBe(4);
  });
});
