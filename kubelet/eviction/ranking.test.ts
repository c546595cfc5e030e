import { describe, expect, it } from "vitest";
import type { Pod } from "../../machinery/objects/kinds.ts";
import { standardSettings } from "../configuration.ts";
import { aPod, container } from "../pods/pod.fixture.ts";
import { HASH, MIRROR, SOURCE } from "../static-pods/marks.ts";
import { refusal, shortage } from "./messages.ts";
import { isCritical, type PodUsage, rank } from "./ranking.ts";
import { usageExcess } from "./storage-limits.ts";
import { thresholdsOf } from "./thresholds.ts";

const MI = 1024 * 1024;
type Lists = Readonly<Record<string, string>>;
const pod = (name: string, requests: Lists = {}, more: Partial<NonNullable<Pod["spec"]>> = {}): Pod => {
  const made = aPod({ containers: [container("main", { resources: { requests } })], ...more });
  return { ...made, metadata: { ...made.metadata, name, uid: name } };
};
const usage = (given: Partial<PodUsage>): PodUsage => ({
  memory: 0,
  processes: 0,
  disk: 0,
  inodes: 0,
  containers: new Map([["main", { memory: given.memory ?? 0, disk: given.disk ?? 0 }]]),
  ...given,
});
const one = (name: string, used: Partial<PodUsage>, requests: Lists = {}, more = {}) => ({
  pod: pod(name, requests, more),
  usage: usage(used),
});
const names = (list: readonly { pod: Pod }[]) => list.map(({ pod: { metadata } }) => metadata.name);

describe("who goes first", () => {
  it("for memory: who exceeds its requests, then by priority, then by how much", () => {
    const candidates = [
      one("within", { memory: 90 * MI }, { memory: "100Mi" }),
      one("burstable", { memory: 110 * MI }, { memory: "100Mi" }),
      one("best-effort", { memory: 50 * MI }),
      one("best-effort-small", { memory: 20 * MI }),
      one("important", { memory: 500 * MI }, {}, { priority: 1000 }),
      one("unimportant-within", { memory: 1 }, { memory: "1Gi" }, { priority: -1 }),
    ];
    expect(names(rank(candidates, "memory"))).toEqual([
      "best-effort",
      "best-effort-small",
      "burstable",
      "important",
      "unimportant-within",
      "within",
    ]);
  });

  it("for disk: by what it wrote beyond what it asked for", () => {
    const candidates = [
      one("little", { disk: 5 * MI }),
      one("much", { disk: 50 * MI }),
      one("asked", { disk: 60 * MI }, { "ephemeral-storage": "59Mi" }),
    ];
    expect(names(rank(candidates, "ephemeral-storage"))).toEqual(["much", "little", "asked"]);
  });

  it("for processes: by priority and their number alone", () => {
    const candidates = [
      one("few", { processes: 2 }),
      one("many", { processes: 200 }),
      one("low", { processes: 1 }, {}, { priority: -5 }),
    ];
    expect(names(rank(candidates, "pids"))).toEqual(["low", "many", "few"]);
  });

  it("one of which nothing is known", () => {
    const candidates = [one("known", { memory: 500 * MI }), { pod: pod("unknown"), usage: undefined }];
    expect(names(rank(candidates, "memory"))).toEqual(["unknown", "known"]);
  });

  it("never a critical one", () => {
    const marked = (annotations: Lists) => ({ ...pod("x"), metadata: { ...pod("x").metadata, annotations } });
    expect(isCritical(pod("x"))).toBe(false);
    expect(isCritical(pod("x", {}, { priority: 2_000_000_000 }))).toBe(true);
    expect(isCritical(marked({ [SOURCE]: "file", [HASH]: "1" }))).toBe(true);
    expect(isCritical(marked({ [MIRROR]: "1" }))).toBe(true);
  });
});

describe("what is said of it", () => {
  const acting = thresholdsOf(standardSettings);
  const observations = new Map([["memory.available", { available: 52 * 1024, capacity: 1000 * MI }]] as const);

  it("names threshold, what is left, and who used more than it asked for", () => {
    const { pod: web, usage: used } = one("web", { memory: 150 * MI }, { memory: "100Mi" });
    expect(shortage({ pod: web, usage: used, starved: "memory", acting, observations })).toBe(
      "The node was low on resource: memory. Threshold quantity: 100Mi, available: 52Ki. " +
        "Container main was using 150Mi, request is 100Mi, has larger consumption of memory. ",
    );
    expect(shortage({ pod: web, usage: undefined, starved: "pids", acting, observations })).toBe(
      "The node was low on resource: pids. ",
    );
    expect(refusal(["MemoryPressure", "DiskPressure"])).toBe("The node had condition: [MemoryPressure DiskPressure]. ");
  });

  it("tells a limit of the disk that is exceeded", () => {
    const limited = aPod({
      containers: [
        container("main", { resources: { limits: { "ephemeral-storage": "1Mi" } } }),
        container("side", { resources: { limits: { "ephemeral-storage": "1Gi" } } }),
      ],
    });
    const used = (main: number, disk: number) =>
      usage({ disk, containers: new Map([["main", { memory: 0, disk: main }]]) });
    expect(usageExcess(limited, used(MI, MI))).toBeUndefined();
    expect(usageExcess(limited, used(2 * MI, 2 * MI))?.message).toBe(
      'Container main exceeded its local ephemeral storage limit "1Mi". ',
    );
    expect(usageExcess(limited, used(0, 2000 * MI))?.message).toBe(
      "Pod ephemeral local storage usage exceeds the total limit of containers 1025Mi. ",
    );
    expect(usageExcess(aPod(), used(0, 2000 * MI))).toBeUndefined();
  });
});
