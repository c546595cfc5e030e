import { beforeEach, describe, expect, it } from "vitest";
import type { Node, Pod } from "../../machinery/objects/kinds.ts";
import { remembered, withAllocation } from "./allocation.ts";
import { createAllocations } from "./allocations.ts";
import { aPod, container, sidecar } from "./pod.fixture.ts";

const told: string[] = [];
const granted: string[] = [];
const preempted: string[] = [];
let labels: Record<string, string>;
let now: number;
const node = (extra: Record<string, string> = {}) =>
  ({
    metadata: { name: "node-1", labels: extra },
    status: { allocatable: { cpu: "2", memory: "4Gi", pods: "10" } },
  }) as unknown as Node;
const make = () =>
  createAllocations({
    node: () => node(),
    askNode: async () => node(labels),
    machine: { allowedUnsafeSysctls: [], appArmor: false },
    events: {
      normal: (_about, reason, message) => told.push(`${reason}: ${message}`),
      warning: (_about, reason, message) => told.push(`${reason}: ${message}`),
    },
    now: () => now++,
    preempt: (uid) => preempted.push(uid),
    onGranted: (uid) => granted.push(uid),
    onChange: () => undefined,
  });

beforeEach(() => {
  told.length = 0;
  granted.length = 0;
  preempted.length = 0;
  labels = {};
  now = 0;
});

const asking = (uid: string, cpu: string, spec: object = {}): Pod =>
  aPod({ containers: [container("main", { resources: { requests: { cpu } } })], ...spec }, { uid, generation: 2 });
const cpuOf = (pod: Pod) => pod.spec?.containers[0]?.resources?.requests?.["cpu"];

describe("admission", () => {
  it("counts what others were granted, until they leave", async () => {
    const ledger = make();
    expect(await ledger.admit(asking("a", "1500m"))).toBeUndefined();
    expect(await ledger.admit(asking("b", "1"))).toMatchObject({ reason: "OutOfcpu" });
    ledger.release("a");
    expect(await ledger.admit(asking("b", "1"))).toBeUndefined();
  });
  it("counts what ran before as its status says, whatever it asks for since", async () => {
    const ledger = make();
    const resources = { requests: { cpu: "1" } };
    const status = { containerStatuses: [{ name: "main", allocatedResources: { cpu: "1" }, resources }] };
    ledger.adopt({ ...asking("a", "2"), status } as unknown as Pod);
    expect(await ledger.admit(asking("b", "1"))).toBeUndefined();
    expect(await ledger.admit(asking("c", "100m"))).toMatchObject({ reason: "OutOfcpu" });
  });
  it("asks for the node anew before a label is said to be missing", async () => {
    labels = { disk: "ssd" };
    expect(await make().admit(asking("a", "1", { nodeSelector: { disk: "ssd" } }))).toBeUndefined();
    expect(await make().admit(asking("a", "1", { nodeSelector: { disk: "hdd" } }))).toMatchObject({
      reason: "NodeAffinity",
    });
  });
});

describe("a critical Pod", () => {
  const priority = { priority: 2_000_001_000 };
  it("is admitted once others have made way", async () => {
    const ledger = make();
    await ledger.admit(asking("a", "1500m"));
    const admitted = ledger.admit(asking("critical", "1", priority));
    await expect.poll(() => preempted).toEqual(["a"]);
    ledger.release("a");
    expect(await admitted).toBeUndefined();
    expect(ledger.has("critical")).toBe(true);
  });
  it("is refused where nobody can make way", async () => {
    const ledger = make();
    await ledger.admit(asking("a", "1500m", priority));
    expect(await ledger.admit(asking("critical", "1", priority))).toEqual({
      reason: "UnexpectedAdmissionError",
      message:
        "Unexpected error while attempting to recover from admission failure: preemption: error finding a set of pods to preempt: no set of running pods found to reclaim resources: [(res: cpu, q: 500), ]",
    });
    expect(preempted).toEqual([]);
  });
});

describe("a resize", () => {
  it("is granted when there is room", async () => {
    const ledger = make();
    await ledger.admit(asking("a", "500m"));
    ledger.look(asking("a", "1"));
    expect(cpuOf(ledger.granted(asking("a", "1")))).toBe("1");
    expect([ledger.pending("a"), ledger.resizedAt("a")]).toEqual([undefined, 2]);
    expect(told).toEqual([
      'ResizeStarted: Pod resize started: {"containers":[{"name":"main","resources":{"requests":{"cpu":"1"}}}],"generation":2}',
    ]);
  });
  it("waits for room, and says so once; it runs meanwhile with what it has", async () => {
    const ledger = make();
    await ledger.admit(asking("a", "500m"));
    await ledger.admit(asking("b", "1"));
    ledger.look(asking("a", "1500m"));
    ledger.look(asking("a", "1500m"));
    expect(ledger.pending("a")).toMatchObject({ reason: "Deferred" });
    expect(cpuOf(ledger.granted(asking("a", "1500m")))).toBe("500m");
    expect(told).toHaveLength(1);
    expect(told[0]).toMatch(
      /^ResizeDeferred: Pod resize Deferred: .*"error":"Node didn't have enough resource: cpu, requested: 1500, used: 1000, capacity: 2000"}$/,
    );
    ledger.release("b");
    expect(granted).toEqual(["a"]);
    expect(ledger.pending("a")).toBeUndefined();
  });
  it("that no node of this size could bear is infeasible, until it is taken back", async () => {
    const ledger = make();
    await ledger.admit(asking("a", "500m"));
    ledger.look(asking("a", "3"));
    expect(ledger.pending("a")).toMatchObject({ reason: "Infeasible" });
    ledger.look(asking("a", "500m"));
    expect(ledger.pending("a")).toBeUndefined();
  });
  it("comes first for the Pod of a higher priority, then for what has waited longest", async () => {
    const ledger = make();
    for (const uid of ["a", "b", "c"]) await ledger.admit(asking(uid, "100m"));
    await ledger.admit(asking("big", "1600m"));
    ledger.look(asking("a", "800m"));
    ledger.look(asking("b", "800m"));
    ledger.look(asking("c", "800m", { priority: 5 }));
    ledger.release("big");
    expect(granted).toEqual(["c", "a"]);
  });
  it("of one that shrinks makes room for another", async () => {
    const ledger = make();
    await ledger.admit(asking("a", "1"));
    await ledger.admit(asking("b", "1"));
    ledger.look(asking("a", "1500m"));
    ledger.look(asking("b", "500m"));
    expect(granted).toEqual(["a"]);
  });
});

describe("what an earlier kubelet granted", () => {
  const resources = { requests: { cpu: "2", memory: "1Gi" }, limits: { cpu: "2", memory: "1Gi" } };
  const spec = {
    initContainers: [container("setup", { resources }), sidecar("helper", { resources })],
    containers: [container("main", { resources })],
  };
  const status = (name: string, requests: object, limits: object) => ({
    name,
    allocatedResources: requests,
    resources: { requests, limits },
  });
  it("is told by the status, for what can be resized", () => {
    const old = { cpu: "1", memory: "512Mi" };
    const pod = aPod(spec, {}, { containerStatuses: [status("main", old, old)] } as never);
    const [main] = withAllocation(pod, remembered(pod)).spec?.containers ?? [];
    expect(main?.resources).toEqual({ requests: old, limits: old });
    expect(withAllocation(pod, remembered(pod)).spec?.initContainers).toEqual(spec.initContainers);
  });
  it("never has a request above its limit", () => {
    const told = status("main", { cpu: "2", memory: "1Gi" }, { cpu: "1", memory: "1Gi" });
    const pod = aPod(spec, {}, { containerStatuses: [told] } as never);
    expect(remembered(pod).containers.get("main")?.limits).toEqual({ cpu: "2", memory: "1Gi" });
  });
  it("is what the Pod asks for where nothing was told", () => {
    const pod = aPod(spec);
    expect(withAllocation(pod, remembered(pod))).toBe(pod);
  });
});
