import { describe, expect, it } from "vitest";
import type { Container, Pod } from "../../machinery/objects/kinds.ts";
import { type CgroupFeatures, cpuWeight, noCgroupFeatures, settings } from "./cgroup-files.ts";
import { oomScore } from "./oom-score.ts";
import { aPod, container, sidecar } from "./pod.fixture.ts";
import { containerResources, podLimits } from "./resources.ts";

const GIB = 1024 ** 3;
type Spec = Partial<NonNullable<Pod["spec"]>>;
const with_ = (name: string, resources: object): Container => container(name, { resources });

describe("resources of a container", () => {
  const of = (resources: object, spec: Spec = {}, cgroups: CgroupFeatures = noCgroupFeatures) => {
    const one = with_("main", resources);
    return containerResources(aPod({ containers: [one], ...spec }), one, { memoryBytes: 8 * GIB, cgroups });
  };
  it("become shares, quota and bytes", () => {
    expect(of({ requests: { cpu: "250m", memory: "1Gi" }, limits: { cpu: "500m", memory: "2Gi" } })).toEqual({
      cpuPeriod: 100_000,
      cpuShares: 256,
      cpuQuota: 50_000,
      memoryLimitInBytes: 2 * GIB,
      oomScoreAdj: 875,
    });
  });
  it("that asks nothing are the least, and it dies first", () => {
    expect(of({})).toEqual({ cpuPeriod: 100_000, cpuShares: 2, oomScoreAdj: 1000 });
  });
  it("without a limit of its own are limited as the Pod is", () => {
    const resources = { requests: { cpu: "1" }, limits: { cpu: "2", memory: "1Gi" } };
    expect(of({ requests: { cpu: "100m" } }, { resources })).toMatchObject({
      cpuShares: 102,
      cpuQuota: 200_000,
      memoryLimitInBytes: GIB,
    });
    expect(of({ limits: { memory: "512Mi" } }, { resources })).toMatchObject({
      cpuShares: 2048,
      memoryLimitInBytes: GIB / 2,
    });
  });
  it("leave it no swap, and on cgroup v2 it ends as a whole", () => {
    const limits = { limits: { memory: "1Gi" } };
    expect(of(limits, {}, { unified: false, swap: true }).memorySwapLimitInBytes).toBe(GIB);
    expect(of({}, {}, { unified: false, swap: true }).memorySwapLimitInBytes).toBeUndefined();
    expect(of({}, {}, { unified: true, swap: true }).unified).toEqual({
      "memory.oom.group": "1",
      "memory.swap.max": "0",
    });
    expect(of({}, {}, { unified: true, swap: false }).unified).toEqual({ "memory.oom.group": "1" });
  });
});

describe("the OOM score", () => {
  const small = with_("small", { requests: { memory: "1Gi" } });
  const large = with_("large", { requests: { memory: "4Gi" } });
  const helper = sidecar("helper", { resources: { requests: { memory: "8Mi" } } });
  const cases: readonly [string, Spec, Container, number][] = [
    ["falls with the memory requested", { containers: [large] }, large, 500],
    [
      "of a sidecar is that of the smallest container it serves",
      { containers: [small, large], initContainers: [helper] },
      helper,
      875,
    ],
    [
      "counts an equal part of what the Pod requests beyond",
      { containers: [small, large], resources: { requests: { memory: "7Gi" } } },
      small,
      750,
    ],
    [
      "is never that of a BestEffort Pod",
      { containers: [with_("m", { requests: { cpu: "1" } })] },
      container("m"),
      999,
    ],
    [
      "is never that of a Guaranteed Pod",
      { containers: [with_("m", { requests: { memory: "8Gi" } })] },
      with_("m", { requests: { memory: "8Gi" } }),
      3,
    ],
    [
      "of a Guaranteed Pod is the last",
      { containers: [with_("m", { limits: { cpu: "1", memory: "1Gi" } })] },
      container("m"),
      -997,
    ],
    [
      "of what is critical to the node is the last",
      { containers: [container("m")], priority: 2_000_001_000 },
      container("m"),
      -997,
    ],
    [
      "of what is critical to the cluster alone is not",
      { containers: [container("m")], priority: 2_000_000_000 },
      container("m"),
      1000,
    ],
  ];
  it.each(cases)("%s", (_name, spec, one, score) => {
    expect(oomScore(aPod(spec), one, 8 * GIB)).toBe(score);
  });
});

describe("limits of the whole Pod", () => {
  const limited = { resources: { requests: { cpu: "1" }, limits: { cpu: "1", memory: "1Gi" } } };
  it("stand only when every container has one", () => {
    expect(podLimits(aPod({ containers: [container("a", limited), container("b", limited)] }))).toMatchObject({
      cpuShares: 2048,
      cpuQuota: 200_000,
      memory: 2 * GIB,
    });
    const partly = podLimits(aPod({ containers: [container("a", limited), container("b")] }));
    expect(partly).toMatchObject({ memory: Number.POSITIVE_INFINITY, cpuQuota: Number.POSITIVE_INFINITY });
  });
  it("count sidecars beside the others, init containers alone", () => {
    const initContainers = [sidecar("s", limited), container("i", limited)];
    expect(podLimits(aPod({ containers: [container("a", limited)], initContainers })).memory).toBe(2 * GIB);
  });
  it("are the Pod's own where it has them, with its overhead", () => {
    const spec = {
      containers: [container("a")],
      resources: { limits: { cpu: "2", memory: "1Gi" } },
      overhead: { cpu: "500m" },
    };
    expect(podLimits(aPod(spec))).toMatchObject({ cpuQuota: 250_000, memory: GIB });
  });
});

describe("cgroup files", () => {
  const limits = { cpuShares: 1024, cpuQuota: 50_000, cpuPeriod: 100_000, memory: GIB, pids: 100 };
  const none = { cpuQuota: Number.POSITIVE_INFINITY, cpuPeriod: 100_000, memory: Number.POSITIVE_INFINITY };
  const lines = (given: Parameters<typeof settings>[0], unified: boolean) =>
    settings(given, unified).map((row) => row.filter(Boolean).join(" "));
  it("of version 1", () => {
    expect(lines(limits, false)).toEqual([
      "cpu cpu.shares 1024",
      "cpu cpu.cfs_period_us 100000",
      "cpu cpu.cfs_quota_us 50000",
      `memory memory.limit_in_bytes ${GIB}`,
      "pids pids.max 100",
    ]);
    expect(lines(none, false)).toContain("cpu cpu.cfs_quota_us -1");
    expect(lines(none, false)).toContain("memory memory.limit_in_bytes -1");
  });
  it("of version 2", () => {
    expect(lines(limits, true)).toEqual(["cpu.weight 39", "cpu.max 50000 100000", `memory.max ${GIB}`, "pids.max 100"]);
    expect(lines(none, true)).toEqual(["cpu.max max 100000", "memory.max max"]);
    expect([2, 1024, 262_144].map(cpuWeight)).toEqual([1, 39, 10_000]);
  });
  it("leave alone what is not given", () => {
    expect(lines({ cpuShares: 2 }, false)).toEqual(["cpu cpu.shares 2"]);
    expect(lines({ memory: 1 }, true)).toEqual(["memory.max 1"]);
  });
});
