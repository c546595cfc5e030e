/** Nodes that are switched off, over the simulated runtime, against the real API server pipeline. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { podUntil, startNode, type TestNode } from "../../e2e/harness/node.ts";
import { type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";
import type { Client } from "../../machinery/client/client.ts";
import type { Pod } from "../../machinery/objects/kinds.ts";
import { standardSettings } from "../configuration.ts";
import { aPod } from "../pods/pod.fixture.ts";
import { leaveFirst } from "./machine.ts";
import { graceIn, phaseOf, phasesOf, shutdownSeconds } from "./phases.ts";

describe("phases", () => {
  const settings = { ...standardSettings, shutdownGracePeriod: 30_000, shutdownGracePeriodCriticalPods: 10_000 };
  const given = [
    { priority: 1000, shutdownGracePeriodSeconds: 5 },
    { priority: 0, shutdownGracePeriodSeconds: 60 },
  ];
  const at = (priority: number) => phaseOf(aPod({ priority }), phasesOf(settings))?.priority;

  it("are two by default: everybody, then the critical", () => {
    expect(phasesOf(settings).map(({ shutdownGracePeriodSeconds }) => shutdownGracePeriodSeconds)).toEqual([20, 10]);
    expect([at(-5), at(0), at(1_999_999_999), at(2_000_000_000), at(2_000_001_000)]).toEqual([0, 0, 0, 2e9, 2e9]);
    expect(phasesOf(standardSettings)).toEqual([]);
  });

  it("are those that are given, lowest first, and bound a Pod's own time", () => {
    const phases = phasesOf({ ...standardSettings, shutdownGracePeriodByPodPriority: given });
    expect(phases.map(({ priority }) => priority)).toEqual([0, 1000]);
    expect(graceIn(aPod(), phases[0]!)).toBe(30);
    expect(graceIn(aPod(), phases[1]!)).toBe(5);
    expect(shutdownSeconds({ ...standardSettings, shutdownGracePeriodByPodPriority: given })).toBe(65);
  });
});

it("a process that must stop leaves first", async () => {
  const outer = new AbortController();
  const left = Promise.withResolvers<void>();
  const inner = leaveFirst(outer.signal, () => left.promise);
  outer.abort(new Error("SIGTERM"));
  await Promise.resolve();
  expect(inner.aborted).toBe(false);
  left.resolve();
  await expect.poll(() => inner.aborted).toBe(true);
  expect(inner.reason).toBe(outer.signal.reason);
});

describe("a node that is switched off", () => {
  let pipeline: Pipeline;
  let node: TestNode;
  let client: Client;
  beforeEach(async () => {
    pipeline = await startPipeline({ advertiseAddress: "192.0.2.1" });
    client = pipeline.client();
    const phases = [
      { priority: 0, shutdownGracePeriodSeconds: 10 },
      { priority: 1000, shutdownGracePeriodSeconds: 10 },
    ];
    node = await startNode(pipeline, { settings: { ...standardSettings, shutdownGracePeriodByPodPriority: phases } });
    await client.create("priorityclasses", { metadata: { name: "high" }, value: 5000 });
  });
  afterEach(async () => {
    await node.close();
    await pipeline.close();
  });

  const ref = (name: string) => ({ namespace: "default", name });
  const create = (name: string, more: Partial<NonNullable<Pod["spec"]>> = {}) =>
    client.create("pods", {
      metadata: { ...ref(name), annotations: { "simulated.k8ts.dev/stop-seconds": "1" } },
      spec: { nodeName: "node-1", containers: [{ name: "main", image: "a:1" }], ...more },
    });

  it("ends its Pods in order, says so, and takes no more", async () => {
    await create("low");
    await create("high", { priorityClassName: "high" });
    for (const name of ["low", "high"]) await podUntil(client, ref(name), (pod) => pod?.status?.phase === "Running");
    const began = pipeline.clock.now();
    const done = node.shutDown();
    await create("late");
    await done;
    expect(pipeline.clock.now() - began).toBeLessThan(10_000);
    const [low, high, late] = await Promise.all(["low", "high", "late"].map((name) => client.get("pods", ref(name))));
    for (const pod of [low, high]) {
      expect(pod?.status).toMatchObject({
        phase: "Failed",
        reason: "Terminated",
        message: "Pod was terminated in response to imminent node shutdown.",
      });
      expect(pod?.status?.conditions).toContainEqual(
        expect.objectContaining({ type: "DisruptionTarget", status: "True", reason: "TerminationByKubelet" }),
      );
    }
    const ended = (pod: Pod | undefined) => pod?.status?.containerStatuses?.[0]?.state?.terminated?.finishedAt ?? "";
    expect(Date.parse(ended(high))).toBeGreaterThanOrEqual(Date.parse(ended(low)));
    await podUntil(client, ref("late"), (pod) => pod?.status?.reason === "NodeShutdown");
    expect(late?.metadata.name).toBe("late");
    const ready = (await client.get("nodes", { name: "node-1" })).status?.conditions?.find(
      ({ type }) => type === "Ready",
    );
    expect(ready).toMatchObject({ status: "False", reason: "KubeletNotReady", message: "node is shutting down" });
  }, 60_000);
});
