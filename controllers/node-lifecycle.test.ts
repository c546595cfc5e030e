/** Nodes that fall silent, under virtual time: report, taints, eviction, and when not to. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Controlled, startControlled } from "../e2e/harness/controlled.ts";
import type { Node } from "../machinery/objects/kinds.ts";
import { wireMicroTime, wireTime } from "../machinery/process/clock.ts";
import { type FakeClock, fakeClock } from "../machinery/process/fake-clock.ts";
import { labelsOf, lostConditions } from "./node-lifecycle.ts";
import { taintsOf } from "./node-taints.ts";
import { createNodeZones, type Disruption, disruptionOf, evictionRates, taintEvery } from "./node-zones.ts";

describe("nodes", () => {
  let cluster: Controlled;
  let clock: FakeClock;
  /** Nodes whose kubelet is alive. */
  let alive: Set<string>;

  beforeEach(async () => {
    clock = fakeClock();
    cluster = await startControlled({ clock, nodeMonitorGraceMs: 40_000 });
    await cluster.client.delete("nodes", { name: "n1" });
    await clock.advance(1_000);
    alive = new Set();
    cluster.nodes.reports = ({ spec }) => alive.has(spec?.nodeName ?? "");
    for (const name of ["a", "b", "c", "d"]) {
      alive.add(name);
      await cluster.create("nodes", { metadata: { name } });
      await report(name);
    }
    await live(1_000);
  });
  afterEach(() => cluster.close());

  /** Lets time pass, with a lease renewal each 10 s of the kubelets that are alive. */
  async function live(ms: number) {
    for (let left = ms; left > 0; left -= 5_000) {
      if ((ms - left) % 10_000 === 0) for (const name of alive) await renew(name);
      await cluster.settled();
      await clock.advance(Math.min(left, 5_000));
      await cluster.settled();
    }
  }
  async function renew(name: string) {
    const ref = { namespace: "kube-node-lease", name };
    const spec = { holderIdentity: name, leaseDurationSeconds: 40, renewTime: wireMicroTime(clock.now()) };
    const lease = await cluster.client.find("leases", ref);
    if (lease) await cluster.client.update("leases", { ...lease, spec });
    else await cluster.client.create("leases", { metadata: ref, spec });
  }
  async function report(name: string) {
    const now = wireTime(clock.now());
    const ready = {
      type: "Ready",
      status: "True",
      reason: "KubeletReady",
      lastHeartbeatTime: now,
      lastTransitionTime: now,
    };
    await cluster.client.patch("nodes", { name }, { status: { conditions: [ready] } }, { subresource: "status" });
  }
  const get = (name: string) => cluster.client.get("nodes", { name });
  const ready = async (name: string) => (await get(name)).status?.conditions?.find(({ type }) => type === "Ready");
  const taints = async (name: string) =>
    ((await get(name)).spec?.taints ?? []).map(({ key, effect }) => `${key}:${effect}`).sort();
  const createPod = (name: string, nodeName: string, tolerationSeconds?: number) =>
    cluster.create("pods", {
      metadata: { namespace: "default", name },
      spec: {
        nodeName,
        containers: [{ name: "c", image: "a:1" }],
        ...(tolerationSeconds === undefined
          ? {}
          : {
              tolerations: [
                { key: "node.kubernetes.io/unreachable", operator: "Exists", effect: "NoExecute", tolerationSeconds },
              ],
            }),
      },
    });
  const pods = async () =>
    (await cluster.list("pods"))
      .filter(({ metadata }) => !metadata.deletionTimestamp)
      .map(({ metadata }) => metadata.name);

  const LOST = ["node.kubernetes.io/unreachable:NoExecute", "node.kubernetes.io/unreachable:NoSchedule"];

  it("stay ready while their leases are renewed, and nothing is written about them", async () => {
    const before = (await get("a")).metadata.resourceVersion;
    await live(120_000);
    expect((await ready("a"))?.status).toBe("True");
    expect((await get("a")).metadata.resourceVersion).toBe(before);
  });

  it("that fall silent are unknown and unreachable, and their Pods answer for nothing", async () => {
    await createPod("web", "a", 300);
    await live(1_000);
    alive.delete("a");
    await live(60_000);
    expect(await ready("a")).toMatchObject({
      status: "Unknown",
      reason: "NodeStatusUnknown",
      message: "Kubelet stopped posting node status.",
    });
    expect(await taints("a")).toEqual(LOST);
    expect((await ready("b"))?.status).toBe("True");
    const pod = await cluster.client.get("pods", { namespace: "default", name: "web" });
    expect(pod.status?.conditions?.find(({ type }) => type === "Ready")?.status).toBe("False");
    expect(await cluster.events("a")).toContain("Normal NodeNotReady Node a status is now: NodeNotReady");
  });

  it("lose their Pods when the time that these tolerate has passed", async () => {
    cluster.nodes.terminates = () => false;
    await createPod("patient", "a", 100);
    await createPod("hasty", "a", 0);
    await createPod("elsewhere", "b", 0);
    await live(1_000);
    alive.delete("a");
    await live(60_000);
    expect((await pods()).sort()).toEqual(["elsewhere", "patient"]);
    await live(120_000);
    expect(await pods()).toEqual(["elsewhere"]);
    const events = await cluster.events("patient");
    expect(events).toContain("Normal TaintManagerEviction Marking for deletion Pod default/patient");
  });

  it("that come back lose their taints, and keep the Pods that still tolerate", async () => {
    await createPod("web", "a", 300);
    await live(1_000);
    alive.delete("a");
    await live(60_000);
    alive.add("a");
    await report("a");
    await live(20_000);
    expect(await taints("a")).toEqual([]);
    await live(400_000);
    expect(await pods()).toEqual(["web"]);
    expect(await cluster.events("web")).toContain("Normal TaintManagerEviction Cancelling deletion of Pod default/web");
  });

  it("that all fall silent keep their Pods: the fault may be ours", async () => {
    await createPod("hasty", "a", 0);
    await live(1_000);
    alive.clear();
    await live(200_000);
    expect((await ready("a"))?.status).toBe("Unknown");
    expect((await ready("d"))?.status).toBe("Unknown");
    for (const name of ["a", "b", "c", "d"])
      expect(await taints(name)).toEqual(["node.kubernetes.io/unreachable:NoSchedule"]);
    expect(await pods()).toEqual(["hasty"]);
  });

  it("are tainted one after the other", async () => {
    alive.delete("a");
    alive.delete("b");
    await live(45_000);
    const tainted = async () =>
      (await Promise.all(["a", "b"].map(taints))).filter((list) => list.includes(LOST[0]!)).length;
    expect(await tainted()).toBeLessThanOrEqual(1);
    await live(30_000);
    expect(await tainted()).toBe(2);
  });

  async function zone(name: string, label: string) {
    await cluster.client.patch("nodes", { name }, { metadata: { labels: { "topology.kubernetes.io/zone": label } } });
  }

  it("are told of when they come and when they go", async () => {
    expect(await cluster.events("a")).toEqual(["Normal RegisteredNode Node a event: Registered Node a in Controller"]);
    await cluster.client.delete("nodes", { name: "a" });
    await live(1_000);
    expect(await cluster.events("a")).toContain("Normal RemovingNode Node a event: Removing Node a from Controller");
  });

  it("of a zone that is lost as a whole lose their Pods as long as another zone lives", async () => {
    for (const name of ["a", "b", "c"]) await zone(name, "x");
    await zone("d", "y");
    for (const name of ["a", "b", "c"]) alive.delete(name);
    await live(90_000);
    for (const name of ["a", "b", "c"]) expect(await taints(name)).toEqual(LOST);
  });

  it("of a zone where most are lost keep their Pods, and lose them when the zone has recovered", async () => {
    for (const name of ["e", "f"]) {
      alive.add(name);
      await cluster.create("nodes", { metadata: { name } });
      await report(name);
    }
    for (const name of ["a", "b", "c", "d", "e"]) await zone(name, "x");
    await zone("f", "y");
    await live(1_000);
    for (const name of ["a", "b", "c"]) alive.delete(name);
    await live(90_000);
    for (const name of ["b", "c"]) expect(await taints(name)).toContain("node.kubernetes.io/unreachable:NoSchedule");
    const driven = async () =>
      (await Promise.all(["a", "b", "c"].map(taints))).filter((all) => all.includes(LOST[0]!)).length;
    expect(await driven()).toBeLessThan(3);
    alive.add("a");
    await report("a");
    await live(40_000);
    expect([await taints("b"), await taints("c")]).toEqual([LOST, LOST]);
  });

  it("that speak up as not ready change what drives their Pods away at once", async () => {
    alive.delete("a");
    await live(60_000);
    expect(await taints("a")).toEqual(LOST);
    await cluster.client.patch(
      "nodes",
      { name: "a" },
      { status: { conditions: [{ type: "Ready", status: "False", lastHeartbeatTime: wireTime(clock.now()) }] } },
      { subresource: "status" },
    );
    await live(1_000);
    expect(await taints("a")).toEqual(LOST.map((key) => key.replace("unreachable", "not-ready")));
  });

  it("each get addresses of their own, and a node that is gone gives its back", async () => {
    const blocks = async () => (await cluster.list("nodes")).map(({ spec }) => spec?.podCIDR);
    const before = await blocks();
    expect(new Set(before).size).toBe(4);
    for (const block of before) expect(block).toMatch(/^10\.42\.\d+\.0\/24$/);
    const freed = (await get("b")).spec?.podCIDR;
    await cluster.client.delete("nodes", { name: "b" });
    await cluster.create("nodes", { metadata: { name: "e" } });
    await cluster.create("nodes", { metadata: { name: "f" } });
    await live(1_000);
    expect(new Set(await blocks()).size).toBe(5);
    expect((await blocks()).includes(freed)).toBe(true);
  });

  it("that are deleted leave no Pods behind", async () => {
    cluster.nodes.terminates = () => false;
    await createPod("web", "a");
    await live(1_000);
    alive.delete("a");
    await cluster.client.delete("nodes", { name: "a" });
    await live(30_000);
    expect(await pods()).toEqual(["web"]);
    await live(30_000);
    expect(await cluster.list("pods")).toEqual([]);
  });
});

describe("decisions", () => {
  const node = (status: string, spec: Node["spec"] = {}): Node =>
    ({ metadata: { name: "a" }, spec, status: { conditions: [{ type: "Ready", status }] } }) as unknown as Node;
  it.each<[string, number, number, Disruption, number]>([
    ["one of many lost", 9, 1, "none", 10_000],
    ["two of three lost", 1, 2, "none", 10_000],
    ["most of a small zone lost", 4, 6, "partial", Number.POSITIVE_INFINITY],
    ["most of a large zone lost", 40, 60, "partial", 100_000],
    ["a whole zone lost", 0, 3, "full", 10_000],
  ])("%s", (_what, ready, lost, disruption, every) => {
    expect(disruptionOf({ nodes: ready + lost, lost }, evictionRates)).toBe(disruption);
    expect(taintEvery(disruption, ready + lost, evictionRates)).toBe(every);
  });

  it("no rate at all lets nobody go", () => {
    expect(taintEvery("none", 10, { ...evictionRates, usual: 0 })).toBe(Number.POSITIVE_INFINITY);
    expect(taintEvery("partial", 10, { ...evictionRates, largeZone: 5, reduced: 2 })).toBe(500);
  });

  it("zones are counted change by change", () => {
    const zones = createNodeZones(evictionRates);
    const change = (name: string, zone: string, status: string, type: "updated" | "deleted" = "updated") => {
      const labels = { "topology.kubernetes.io/zone": zone };
      const object = { metadata: { name, labels }, status: { conditions: [{ type: "Ready", status }] } };
      return zones.note({ type, key: name, object: object as unknown as Node });
    };
    const state = (zone: string) =>
      zones.stateOf({ metadata: { labels: { "topology.kubernetes.io/zone": zone } } } as unknown as Node);
    expect(change("a", "x", "True")).toEqual([]);
    expect(change("b", "y", "True")).toEqual([]);
    expect(change("a", "x", "Unknown")).toEqual(["a"]);
    expect(state("x")).toEqual({ zone: ":x", disruption: "full", nodes: 1 });
    expect(zones.allFull()).toBe(false);
    expect(change("b", "y", "False")).toEqual(["a", "b"]);
    expect(zones.allFull()).toBe(true);
    expect(change("b", "y", "False")).toEqual([]);
    expect(change("b", "x", "True")).toEqual(["a"]);
    expect(state("x")).toEqual({ zone: ":x", disruption: "none", nodes: 2 });
    expect(change("b", "x", "True", "deleted")).toEqual(["a"]);
    expect(change("a", "x", "Unknown", "deleted")).toEqual([]);
    expect(zones.allFull()).toBe(false);
  });

  it("a node that is excluded from disruption counts for no zone", () => {
    const zones = createNodeZones(evictionRates);
    const excluded = {
      metadata: { name: "a", labels: { "node.kubernetes.io/exclude-disruption": "" } },
    } as unknown as Node;
    zones.note({ type: "added", key: "a", object: excluded });
    expect(zones.stateOf(excluded).nodes).toBe(0);
  });

  it("labels of old names follow those of new names", () => {
    const labelled = (labels: Record<string, string>) => labelsOf({ metadata: { labels } } as unknown as Node);
    expect(labelled({ "kubernetes.io/os": "linux", "beta.kubernetes.io/os": "plan9" })).toEqual({
      "beta.kubernetes.io/os": "linux",
    });
    expect(labelled({ "kubernetes.io/arch": "amd64", "beta.kubernetes.io/arch": "amd64" })).toBeUndefined();
  });

  it("taints follow conditions and leave those of others alone", () => {
    const foreign = { key: "team", value: "x", effect: "NoExecute" };
    const before = [foreign, { key: "node.kubernetes.io/not-ready", effect: "NoSchedule" }];
    expect(
      taintsOf(node("Unknown", { taints: before, unschedulable: true }), "node.kubernetes.io/unreachable", "T"),
    ).toEqual([
      foreign,
      { key: "node.kubernetes.io/unreachable", effect: "NoSchedule", timeAdded: "T" },
      { key: "node.kubernetes.io/unschedulable", effect: "NoSchedule", timeAdded: "T" },
      { key: "node.kubernetes.io/unreachable", effect: "NoExecute", timeAdded: "T" },
    ]);
  });

  it("a node that never reported is told from one that stopped", () => {
    const reasons = lostConditions(node("True"), "T").map(({ type, reason }) => `${type} ${reason}`);
    expect(reasons).toEqual([
      "Ready NodeStatusUnknown",
      "MemoryPressure NodeStatusNeverUpdated",
      "DiskPressure NodeStatusNeverUpdated",
      "PIDPressure NodeStatusNeverUpdated",
    ]);
  });
});
