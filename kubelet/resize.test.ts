/** What a node refuses, and how it resizes what it runs: a kubelet over the simulated runtime, against the real pipeline. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { podUntil, startNode, type TestNode } from "../e2e/harness/node.ts";
import { type Pipeline, startPipeline } from "../e2e/harness/pipeline.ts";
import type { Client } from "../machinery/client/client.ts";
import type { Pod } from "../machinery/objects/kinds.ts";

let pipeline: Pipeline;
let node: TestNode;
let client: Client;

beforeAll(async () => {
  pipeline = await startPipeline({ advertiseAddress: "192.0.2.1" });
  client = pipeline.client();
  node = await startNode(pipeline);
  await client.patch("nodes", { name: "node-1" }, { metadata: { labels: { size: "small" } } });
});
afterEach(async () => {
  const { items } = await client.list("pods", { namespace: "default" });
  for (const { metadata } of items) await client.delete("pods", metadata, { gracePeriodSeconds: 1 });
  for (const { metadata } of items) await podUntil(client, ref(metadata.name), (pod) => !pod, 20_000);
});
afterAll(async () => {
  await node?.close();
  await pipeline?.close();
});

const ref = (name: string) => ({ namespace: "default", name });
const size = (memory: string, limit = memory) => ({ requests: { memory }, limits: { memory: limit } });
const create = (name: string, resources: object, extra: object = {}, spec: object = {}) =>
  client.create("pods", {
    metadata: { name, namespace: "default" },
    spec: {
      nodeName: "node-1",
      containers: [{ name: "main", image: "busybox:1.36", resources, ...extra }],
      ...spec,
    },
  } as never);
const resize = (name: string, resources: object, container = "main") =>
  client.patch(
    "pods",
    ref(name),
    { spec: { containers: [{ name: container, resources }] } },
    { type: "strategic", subresource: "resize" },
  );
const main = (pod: Pod | undefined) => pod?.status?.containerStatuses?.[0];
const ready = (pod: Pod | undefined) => main(pod)?.ready === true;
const condition = (pod: Pod | undefined, type: string) => pod?.status?.conditions?.find((one) => one.type === type);
const has = (memory: string) => (pod: Pod | undefined) =>
  ready(pod) && main(pod)?.resources?.limits?.["memory"] === memory && !condition(pod, "PodResizeInProgress");
const eventsOf = async (name: string) => {
  const { items } = await client.list("events", { namespace: "default" });
  return items.filter(({ involvedObject }) => involvedObject.name === name).map(({ reason }) => reason);
};
const limitInRuntime = async (pod: Pod | undefined) => {
  const containerId = main(pod)?.containerID?.slice("containerd://".length) ?? "";
  return (await node.runtime.containerStatus({ containerId })).status.resources?.linux?.memoryLimitInBytes;
};

describe("a Pod that is bound without the scheduler", () => {
  it("and does not fit fails, and says why", async () => {
    await create("greedy", { requests: { cpu: "5000" } });
    const pod = await podUntil(client, ref("greedy"), (one) => one?.status?.phase === "Failed");
    expect(pod?.status).toMatchObject({
      reason: "OutOfcpu",
      message: expect.stringMatching(
        /^Pod was rejected: Node didn't have enough resource: cpu, requested: 5000000, used: 0, capacity: \d+$/,
      ),
    });
    await expect.poll(() => eventsOf("greedy"), { timeout: 10_000 }).toContain("OutOfcpu");
    expect((await node.runtime.listPodSandbox({})).items).toEqual([]);
  });
  it("is judged by the node's labels as they are now", async () => {
    await client.patch("nodes", { name: "node-1" }, { metadata: { labels: { size: "large" } } });
    await create("choosy", {}, {}, { nodeSelector: { size: "large" } });
    await podUntil(client, ref("choosy"), ready);
    await create("elsewhere", {}, {}, { nodeSelector: { size: "small" } });
    const pod = await podUntil(client, ref("elsewhere"), (one) => one?.status?.phase === "Failed");
    expect(pod?.status?.reason).toBe("NodeAffinity");
  });
});

describe("a critical Pod without room", () => {
  it("makes another one go", async () => {
    const { status } = await client.get("nodes", { name: "node-1" });
    const most = `${Math.floor(Number(status?.allocatable?.["memory"]?.replace("Ki", "")) * 0.7)}Ki`;
    await create("usual", { requests: { memory: most } });
    await podUntil(client, ref("usual"), ready);
    await create("critical", { requests: { memory: most } }, {}, { priorityClassName: "system-node-critical" });
    const gone = await podUntil(client, ref("usual"), (pod) => pod?.status?.phase === "Failed");
    expect(gone?.status).toMatchObject({
      reason: "Preempting",
      message: "Preempted in order to admit critical pod",
    });
    expect(condition(gone, "DisruptionTarget")).toMatchObject({ status: "True", reason: "TerminationByKubelet" });
    await podUntil(client, ref("critical"), ready);
  });
});

describe("a resize", () => {
  it("changes what runs, without a restart", async () => {
    await create("web", size("64Mi", "128Mi"));
    const before = await podUntil(client, ref("web"), ready);
    expect(main(before)).toMatchObject({ resources: size("64Mi", "128Mi"), allocatedResources: { memory: "64Mi" } });
    await resize("web", size("96Mi", "256Mi"));
    const after = await podUntil(client, ref("web"), has("256Mi"));
    expect(main(after)).toMatchObject({
      containerID: main(before)?.containerID,
      restartCount: 0,
      resources: size("96Mi", "256Mi"),
      allocatedResources: { memory: "96Mi" },
    });
    expect(await limitInRuntime(after)).toBe(256 * 1024 * 1024);
    expect(after?.status?.conditions?.map(({ type }) => type).sort()).toEqual(
      before?.status?.conditions?.map(({ type }) => type).sort(),
    );
    await expect
      .poll(() => eventsOf("web"), { timeout: 10_000 })
      .toEqual(expect.arrayContaining(["ResizeStarted", "ResizeCompleted"]));
  });

  it("restarts the container where its policy says so", async () => {
    const resizePolicy = [{ resourceName: "memory", restartPolicy: "RestartContainer" }];
    await create("web", size("64Mi", "128Mi"), { resizePolicy }, { restartPolicy: "OnFailure" });
    const before = await podUntil(client, ref("web"), ready);
    await resize("web", size("64Mi", "256Mi"));
    const after = await podUntil(client, ref("web"), has("256Mi"));
    expect(main(after)?.containerID).not.toBe(main(before)?.containerID);
    expect(main(after)?.restartCount).toBe(1);
    expect(await limitInRuntime(after)).toBe(256 * 1024 * 1024);
  });

  it("waits for room, and is carried out when another Pod leaves", async () => {
    const { status } = await client.get("nodes", { name: "node-1" });
    const kib = Number(status?.allocatable?.["memory"]?.replace("Ki", ""));
    const most = `${Math.floor(kib * 0.7)}Ki`;
    await create("other", size(`${Math.floor(kib * 0.5)}Ki`));
    await create("web", { requests: { memory: "64Mi" } });
    await podUntil(client, ref("other"), ready);
    await podUntil(client, ref("web"), ready);
    await resize("web", { requests: { memory: most } });
    const waiting = await podUntil(client, ref("web"), (pod) => condition(pod, "PodResizePending") !== undefined);
    expect(condition(waiting, "PodResizePending")).toMatchObject({ status: "True", reason: "Deferred" });
    expect(main(waiting)).toMatchObject({ allocatedResources: { memory: "64Mi" } });
    await client.delete("pods", ref("other"), { gracePeriodSeconds: 1 });
    const after = await podUntil(
      client,
      ref("web"),
      (pod) => main(pod)?.allocatedResources?.["memory"] === most && !condition(pod, "PodResizePending"),
    );
    expect(main(after)?.restartCount).toBe(0);
    await resize("web", { requests: { memory: `${kib * 2}Ki` } });
    const never = await podUntil(client, ref("web"), (pod) => condition(pod, "PodResizePending") !== undefined);
    expect(condition(never, "PodResizePending")).toMatchObject({ reason: "Infeasible" });
  });

  it("that takes away memory in use says so, and is tried again", async () => {
    await client.create("pods", {
      metadata: { name: "full", namespace: "default", annotations: { "simulated.k8ts.dev/memory-mebibytes": "100" } },
      spec: {
        nodeName: "node-1",
        containers: [{ name: "main", image: "busybox:1.36", resources: size("64Mi", "256Mi") }],
      },
    } as never);
    await podUntil(client, ref("full"), ready);
    await resize("full", size("64Mi", "80Mi"));
    const stuck = await podUntil(
      client,
      ref("full"),
      (pod) => condition(pod, "PodResizeInProgress")?.reason === "Error",
    );
    expect(condition(stuck, "PodResizeInProgress")?.message).toBe(
      'attempting to set container "main" memory limit (83886080) below current usage (104857600)',
    );
    expect(main(stuck)?.resources).toEqual(size("64Mi", "256Mi"));
    await resize("full", size("64Mi", "200Mi"));
    await podUntil(client, ref("full"), has("200Mi"), 20_000);
  });

  it("that came while no kubelet ran is carried out by the next one", async () => {
    await create("web", size("64Mi", "128Mi"));
    const before = await podUntil(client, ref("web"), ready);
    await node.stop();
    await resize("web", size("64Mi", "192Mi"));
    await node.start();
    const after = await podUntil(client, ref("web"), has("192Mi"));
    expect(main(after)?.containerID).toBe(main(before)?.containerID);
    expect(await limitInRuntime(after)).toBe(192 * 1024 * 1024);
  });

  it("ends as it was asked for last, however often the kubelet is killed in between", async () => {
    await create("web", size("64Mi", "128Mi"));
    const before = await podUntil(client, ref("web"), ready);
    for (const [round, limit] of ["160Mi", "96Mi", "192Mi", "112Mi", "224Mi"].entries()) {
      await resize("web", size("64Mi", limit));
      await new Promise((resolve) => setTimeout(resolve, round * 7));
      await node.stop();
      await node.start();
    }
    const after = await podUntil(client, ref("web"), has("224Mi"), 20_000);
    expect(main(after)).toMatchObject({ containerID: main(before)?.containerID, restartCount: 0 });
    expect(await limitInRuntime(after)).toBe(224 * 1024 * 1024);
  });
});
