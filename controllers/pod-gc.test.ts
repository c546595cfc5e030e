/** Pod GC: what goes, marked as failed before, and in which order. */
import { afterEach, expect, it, test } from "vitest";
import { type Controlled, NODE, startControlled } from "../e2e/harness/controlled.ts";
import type { Pod } from "../machinery/objects/kinds.ts";
import { fakeClock } from "../machinery/process/fake-clock.ts";
import { goingFirst } from "./pod-gc.ts";

let cluster: Controlled;
afterEach(() => cluster?.close());

const pod = (name: string, more: object = {}, spec: object = {}) => ({
  metadata: { namespace: "default", name, ...more },
  spec: { containers: [{ name: "c", image: "a:1" }], ...spec },
});
const names = async () => (await cluster.list("pods")).map(({ metadata }) => metadata.name);
const ref = (name: string) => ({ namespace: "default", name });

it("removes a deleted Pod that never had a node, and tells its finalizers' owner that it failed", async () => {
  const clock = fakeClock();
  cluster = await startControlled({ clock });
  cluster.nodes.reports = () => false;
  await cluster.create("pods", pod("held", { finalizers: ["example.com/count"] }));
  await cluster.create("pods", pod("free"));
  await cluster.client.delete("pods", ref("held"));
  await cluster.client.delete("pods", ref("free"));
  await cluster.settled();
  expect(await names()).toEqual(["held"]);
  expect((await cluster.client.get("pods", ref("held"))).status?.phase).toBe("Failed");
  const before = (await cluster.client.get("pods", ref("held"))).metadata.resourceVersion;
  await clock.advance(120_000);
  await cluster.settled();
  expect((await cluster.client.get("pods", ref("held"))).metadata.resourceVersion).toBe(before);
});

it("removes deleted Pods of a node that is not ready once somebody declares it to be out of service", async () => {
  const clock = fakeClock();
  cluster = await startControlled({ clock, nodeMonitorGraceMs: 10 * 3_600_000 });
  cluster.nodes.terminates = () => false;
  for (const name of ["deleted", "other"]) await cluster.create("pods", pod(name, {}, { nodeName: NODE }));
  await cluster.settled();
  await cluster.client.delete("pods", ref("deleted"));
  await cluster.settled();
  expect((await names()).sort()).toEqual(["deleted", "other"]);

  const taint = { key: "node.kubernetes.io/out-of-service", value: "nodeshutdown", effect: "NoSchedule" };
  await cluster.client.patch("nodes", { name: NODE }, { spec: { taints: [taint] } });
  await cluster.settled();
  expect(await names()).toEqual(["other"]);
});

it("keeps as many ended Pods as it should", async () => {
  cluster = await startControlled({ endedPodThreshold: 2 });
  cluster.nodes.ends = () => "Succeeded";
  for (const name of ["a", "b", "c", "d"]) await cluster.create("pods", pod(name));
  await expect.poll(async () => (await names()).length).toBe(2);
});

test("evicted Pods go before others, then the oldest", () => {
  const ended = (name: string, creationTimestamp: string, reason?: string) =>
    ({ metadata: { name, creationTimestamp }, status: { phase: "Failed", reason } }) as unknown as Pod;
  const pods = [
    ended("new", "2026-01-03T00:00:00Z"),
    ended("same-b", "2026-01-01T00:00:00Z"),
    ended("same-a", "2026-01-01T00:00:00Z"),
    ended("evicted", "2026-01-04T00:00:00Z", "Evicted"),
  ];
  expect(goingFirst(pods).map(({ metadata }) => metadata.name)).toEqual(["evicted", "same-a", "same-b", "new"]);
});
