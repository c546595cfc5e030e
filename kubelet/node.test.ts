/** The node's object, status and lease, against the real API server pipeline. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Pipeline, startPipeline } from "../e2e/harness/pipeline.ts";
import type { Client } from "../machinery/client/client.ts";
import { createClient } from "../machinery/client/create-client.ts";
import { createEvents } from "../machinery/loop/events-recorder.ts";
import { ApiError } from "../machinery/objects/status.ts";
import { type FakeClock, fakeClock } from "../machinery/process/fake-clock.ts";
import { silent } from "../machinery/process/logging.ts";
import { createNodeKeeper, type NodeKeeper } from "./node.ts";
import { machineFacts } from "./node-facts.ts";
import { type Health, NOT_READY_TAINT, nodeConditions } from "./node-object.ts";

const easy: Health = {
  pressure: new Set(),
  notReady: [],
  networkReady: true,
};

describe("node conditions", () => {
  const of = (health: Partial<Health>) =>
    Object.fromEntries(
      nodeConditions({ ...easy, ...health }, [], 0).map(({ type, status, reason }) => [type, `${status} ${reason}`]),
    );
  it("of a healthy node", () => {
    expect(of({})).toEqual({
      NetworkUnavailable: "False PodNetworkReady",
      MemoryPressure: "False KubeletHasSufficientMemory",
      DiskPressure: "False KubeletHasNoDiskPressure",
      PIDPressure: "False KubeletHasSufficientPID",
      Ready: "True KubeletReady",
    });
  });
  it("of a full and broken one", () => {
    const pressure = new Set(["MemoryPressure", "DiskPressure", "PIDPressure"] as const);
    expect(of({ pressure, networkReady: false, notReady: ["a", "b"] })).toEqual({
      NetworkUnavailable: "True PodNetworkNotReady",
      MemoryPressure: "True KubeletHasInsufficientMemory",
      DiskPressure: "True KubeletHasDiskPressure",
      PIDPressure: "True KubeletHasInsufficientPID",
      Ready: "False KubeletNotReady",
    });
    expect(nodeConditions({ ...easy, notReady: ["a", "b"] }, [], 0).at(-1)?.message).toBe("[a, b]");
    expect(nodeConditions({ ...easy, notReady: ["a"] }, [], 0).at(-1)?.message).toBe("a");
  });
});

describe("a node that is kept", () => {
  let clock: FakeClock;
  let pipeline: Pipeline;
  let admin: Client;
  let keeper: NodeKeeper;
  let health: Health;
  const stop = () => stopping.abort();
  let down: boolean;
  let stopping: AbortController;
  let running: Promise<void>;

  beforeEach(async () => {
    clock = fakeClock();
    pipeline = await startPipeline({ clock, advertiseAddress: "192.0.2.1" });
    admin = pipeline.client();
    health = easy;
    stopping = new AbortController();
    const { signal } = stopping;
    const inner = pipeline.transport("system:node:node-1", ["system:nodes", "system:authenticated"]);
    down = false;
    const client = createClient({
      ...inner,
      request: async (request) => {
        if (down) throw new ApiError("ServiceUnavailable", "down");
        return inner.request(request);
      },
    });
    await admin.create("namespaces", { metadata: { name: "kube-node-lease" } }).catch(() => undefined);
    const events = createEvents({ client, clock, log: silent, signal }).recorder("kubelet");
    const settings = {
      name: "node-1",
      hostname: "node-1",
      addresses: ["192.0.2.10"],
      maxPods: 110,
      labels: { disk: "ssd" },
      taints: [],
      facts: await machineFacts("/"),
      runtimeVersion: "containerd://1.6.20",
      volumes: "/home/volumes",
      reserved: { milliCpu: 0, memoryBytes: 0, diskBytes: 0 },
    };
    keeper = createNodeKeeper({ client, clock, log: silent, signal, events, settings, health: async () => health });
    await keeper.register();
    running = keeper.run();
    await clock.advance(100);
  });
  afterEach(async () => {
    stop();
    await running;
    await pipeline.close();
  });

  const node = () => admin.get("nodes", { name: "node-1" });
  const condition = async (type: string) => (await node()).status?.conditions?.find((one) => one.type === type);

  it("registers with its labels, its taint and what it has", async () => {
    const { metadata, spec, status } = await node();
    expect(metadata.labels).toMatchObject({
      "kubernetes.io/hostname": "node-1",
      "kubernetes.io/os": "linux",
      disk: "ssd",
    });
    expect(spec?.taints).toEqual([expect.objectContaining({ key: NOT_READY_TAINT, effect: "NoSchedule" })]);
    expect(status?.addresses).toEqual([
      { type: "InternalIP", address: "192.0.2.10" },
      { type: "Hostname", address: "node-1" },
    ]);
    expect(status?.capacity?.["pods"]).toBe("110");
    expect(status?.nodeInfo).toMatchObject({
      kubeletVersion: "v1.36.0",
      containerRuntimeVersion: "containerd://1.6.20",
    });
    expect((await condition("Ready"))?.status).toBe("True");
  });

  it("keeps what others set", async () => {
    await admin.patch(
      "nodes",
      { name: "node-1" },
      { metadata: { labels: { theirs: "1" } }, spec: { unschedulable: true } },
    );
    health = { ...easy, notReady: ["broken"] };
    await clock.advance(10_400);
    const { metadata, spec } = await node();
    expect(metadata.labels?.["theirs"]).toBe("1");
    expect(spec?.unschedulable).toBe(true);
    expect(await condition("Ready")).toMatchObject({ status: "False", reason: "KubeletNotReady", message: "broken" });
  });

  it("writes soon what it could not write while the server was away", async () => {
    down = true;
    health = { ...easy, notReady: ["broken"] };
    await keeper.update().catch(() => undefined);
    await clock.advance(1_000);
    down = false;
    await clock.advance(2_000);
    expect(await condition("Ready")).toMatchObject({ status: "False" });
  });

  it("writes its status when it changed, and every five minutes", async () => {
    const before = (await node()).metadata.resourceVersion;
    await clock.advance(120_000);
    expect((await node()).metadata.resourceVersion).toBe(before);
    await clock.advance(200_000);
    expect((await node()).metadata.resourceVersion).not.toBe(before);
    expect((await condition("Ready"))?.lastTransitionTime).toBe("2026-01-01T00:00:00Z");
  });

  it("renews its lease every ten seconds", async () => {
    const ref = { namespace: "kube-node-lease", name: "node-1" };
    const first = await admin.get("leases", ref);
    expect(first.spec).toMatchObject({ holderIdentity: "node-1", leaseDurationSeconds: 40 });
    expect(first.metadata.ownerReferences?.[0]).toMatchObject({ kind: "Node", name: "node-1" });
    await clock.advance(10_500);
    const second = await admin.get("leases", ref);
    const between = Date.parse(second.spec?.renewTime ?? "") - Date.parse(first.spec?.renewTime ?? "");
    expect(between).toBeGreaterThanOrEqual(10_000);
    expect(between).toBeLessThanOrEqual(10_400); // not all nodes in the same step
  });

  it("makes its lease anew at the next renewal when somebody deleted it", async () => {
    const ref = { namespace: "kube-node-lease", name: "node-1" };
    const first = await admin.get("leases", ref);
    await admin.delete("leases", ref);
    await clock.advance(10_400);
    const { metadata } = await admin.get("leases", ref);
    expect(metadata.uid).not.toBe(first.metadata.uid);
    expect(metadata.ownerReferences?.[0]).toMatchObject({ kind: "Node", name: "node-1" });
  });

  it("says at once that it is there when it was thought lost", async () => {
    const found = await node();
    const conditions = found.status?.conditions?.map((one) =>
      one.type === "Ready" ? { ...one, status: "Unknown", reason: "NodeStatusUnknown" } : one,
    );
    const lost = await admin.patch("nodes", { name: "node-1" }, { status: { conditions } }, { subresource: "status" });
    expect((await condition("Ready"))?.status).toBe("Unknown");
    keeper.seen(lost);
    await clock.advance(1_000);
    expect(await condition("Ready")).toMatchObject({ status: "True", reason: "KubeletReady" });
  });

  it("registers again when it was deleted", async () => {
    await admin.delete("nodes", { name: "node-1" });
    health = { ...easy, notReady: ["x"] };
    await clock.advance(90_000);
    expect((await node()).metadata.labels?.["disk"]).toBe("ssd");
  });
});
