/** How many Pods a metric asks for: Pods without figures, that start, end or fail, and what is near enough. */
import { describe, expect, it, test } from "vitest";
import type { Pod } from "../machinery/objects/kinds.ts";
import {
  type PodMetric,
  type PodsQuestion,
  replicasByAverage,
  replicasByShare,
  replicasByUtilization,
  replicasByValue,
  requestsOf,
} from "./autoscaler-replicas.ts";

const NOW = Date.UTC(2026, 0, 1);
const timing = { now: NOW, cpuInitializationMs: 300_000, initialReadinessMs: 30_000 };
const tolerances = { up: 0.1, down: 0.1 };

interface Given {
  /** Millicores; undefined: no figures. */
  readonly uses?: number | undefined;
  readonly phase?: string;
  readonly ready?: "True" | "False";
  /** Seconds ago. */
  readonly started?: number;
  readonly changed?: number;
  readonly measured?: number;
  readonly ending?: boolean;
}

const time = (secondsAgo: number) => new Date(NOW - secondsAgo * 1000).toISOString();

function podOf(given: Given, index: number): Pod {
  const { phase = "Running", ready = "True", started = 3600, changed = started - 10, ending } = given;
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: `p${index}`, ...(ending && { deletionTimestamp: time(1) }) },
    spec: { containers: [{ name: "a", resources: { requests: { cpu: "100m" } } }] },
    status: {
      phase,
      startTime: time(started),
      conditions: [{ type: "Ready", status: ready, lastTransitionTime: time(changed) }],
    },
  } as unknown as Pod;
}

function question(given: readonly Given[], cpu = true): PodsQuestion {
  const metrics = new Map<string, PodMetric>();
  for (const [index, { uses, measured = 0 }] of given.entries())
    if (uses !== undefined) metrics.set(`p${index}`, { at: NOW - measured * 1000, windowMs: 60_000, value: uses });
  return { metrics, pods: given.map(podOf), current: given.length, tolerances, timing, cpu };
}

const uses = (...list: readonly number[]): Given[] => list.map((one) => ({ uses: one }));

interface Case {
  readonly name: string;
  readonly pods: readonly Given[];
  readonly percent?: number;
  readonly replicas: number;
  readonly utilization?: number;
  readonly cpu?: boolean;
}

const CASES: readonly Case[] = [
  { name: "grows", pods: uses(30, 50, 70), percent: 30, replicas: 5, utilization: 50 },
  { name: "shrinks", pods: uses(10, 10, 10, 10, 10), percent: 50, replicas: 1, utilization: 10 },
  { name: "stays within the tolerance above", pods: uses(54, 54), percent: 50, replicas: 2 },
  { name: "stays within the tolerance below", pods: uses(46, 46), percent: 50, replicas: 2 },
  { name: "rounds up", pods: uses(60, 60, 60), percent: 50, replicas: 4 },
  { name: "cuts percentages off", pods: uses(33, 34), percent: 30, replicas: 2, utilization: 33 },
  {
    name: "counts Pods without figures as idle on the way up",
    pods: [{ uses: 90 }, { uses: 90 }, {}],
    percent: 50,
    replicas: 4,
  },
  {
    name: "counts Pods without figures as full on the way down",
    pods: [...uses(10, 10), {}],
    percent: 50,
    replicas: 3,
  },
  {
    name: "counts them as above all of their request where that is wanted",
    pods: [...uses(100, 100), {}],
    percent: 200,
    replicas: 2,
  },
  {
    name: "counts Pods that are not ready as idle on the way up",
    pods: [...uses(95, 95), { phase: "Pending" }],
    percent: 50,
    replicas: 4,
  },
  {
    name: "does not count Pods that are not ready on the way down",
    pods: [...uses(10, 10, 10), { phase: "Pending" }],
    percent: 50,
    replicas: 1,
  },
  {
    name: "ignores Pods that failed or go",
    pods: [...uses(60, 60), { uses: 900, phase: "Failed" }, { uses: 900, ending: true }],
    percent: 30,
    replicas: 4,
  },
  {
    name: "leaves the CPU of a start out",
    pods: [...uses(60, 60), { uses: 900, started: 60, changed: 30, measured: 0 }],
    percent: 30,
    replicas: 4,
  },
  {
    name: "takes the CPU of a Pod that has been ready for a whole window",
    pods: [...uses(60, 60), { uses: 60, started: 200, changed: 100 }],
    percent: 30,
    replicas: 6,
  },
  {
    name: "leaves out what has never been ready, however old",
    pods: [...uses(60, 60), { uses: 900, ready: "False", started: 3600, changed: 3590 }],
    percent: 30,
    replicas: 4,
  },
  {
    name: "takes what was ready once, though it is not now",
    pods: [...uses(60, 60), { uses: 60, ready: "False", started: 3600, changed: 100 }],
    percent: 30,
    replicas: 6,
  },
  {
    name: "takes other things than CPU at once",
    pods: [...uses(60, 60), { uses: 60, started: 10, changed: 5 }],
    percent: 30,
    replicas: 6,
    cpu: false,
  },
  {
    name: "does not turn round because of Pods without figures",
    pods: [{ uses: 60 }, {}, {}, {}],
    percent: 50,
    replicas: 4,
  },
];

describe("by utilization", () => {
  test.each(CASES)("$name", ({ pods, percent = 50, replicas, utilization, cpu }) => {
    const asked = question(pods, cpu);
    const proposal = replicasByUtilization(asked, () => requestsOf(asked.pods, "cpu", ""), percent);
    expect(proposal.replicas).toBe(replicas);
    if (utilization !== undefined) expect(proposal.utilization).toBe(utilization);
  });

  test.each([
    ["without Pods", [], "no pods returned by selector while calculating replica count"],
    [
      "with Pods that start only",
      [{ phase: "Pending" }],
      "did not receive metrics for targeted pods (pods might be unready)",
    ],
    ["with Pods without figures only", [{}, {}], "did not receive metrics for targeted pods (pods might be unready)"],
  ] as const)("says nothing %s", (_name, pods, message) => {
    const asked = question(pods);
    expect(() => replicasByUtilization(asked, () => requestsOf(asked.pods, "cpu", ""), 50)).toThrow(message);
  });
});

describe("by average", () => {
  it.each([
    [uses(20, 10, 30), 15, 4, 20],
    [uses(1000, 1000), 1050, 2, 1000],
    [[...uses(400, 400), {}], 200, 4, 400],
    [[...uses(50, 50), {}], 100, 2, 50],
  ] as const)("of %j against %i: %i", (pods, wanted, replicas, usage) => {
    expect(replicasByAverage(question(pods, false), wanted)).toEqual({ replicas, usage });
  });
});

describe("by something else than Pods", () => {
  const pods = (ready: number, others: number) => [
    ...Array.from({ length: ready }, (_, index) => podOf({}, index)),
    ...Array.from({ length: others }, (_, index) => podOf({ ready: "False" }, ready + index)),
  ];

  it.each([
    ["grows with the ready Pods", 3, 1, 4, 4000, 2000, 6],
    ["stays within the tolerance", 3, 0, 3, 2100, 2000, 3],
    ["wakes up what is at zero", 0, 0, 0, 5000, 2000, 3],
  ] as const)("%s", (_name, ready, others, current, used, wanted, replicas) => {
    expect(replicasByValue({ current, tolerances, pods: pods(ready, others) }, used, wanted)).toBe(replicas);
  });

  it("shares a value among the Pods", () => {
    expect(replicasByShare(2, tolerances, 5000, 1000)).toEqual({ replicas: 5, usage: 2500 });
    expect(replicasByShare(5, tolerances, 5200, 1000)).toEqual({ replicas: 5, usage: 1040 });
    expect(replicasByShare(0, tolerances, 5000, 1000).replicas).toBe(5);
  });

  it("never asks for more than a number holds", () => {
    expect(replicasByValue({ current: 1, tolerances, pods: pods(1, 0) }, 1e15, 1)).toBe(2 ** 31 - 1);
  });
});

describe("requests", () => {
  const pod = (spec: Pod["spec"]) => [{ ...podOf({}, 0), spec }] as Pod[];
  const requests = (cpu: string) => ({ resources: { requests: { cpu } } });

  it("are of all containers and sidecars, or of one", () => {
    const given = pod({
      initContainers: [
        { name: "init", ...requests("5") },
        { name: "side", restartPolicy: "Always", ...requests("50m") },
      ],
      containers: [
        { name: "a", ...requests("100m") },
        { name: "b", ...requests("1") },
      ],
    });
    expect(requestsOf(given, "cpu", "").get("p0")).toBe(1150);
    expect(requestsOf(given, "cpu", "side").get("p0")).toBe(50);
    expect(() => requestsOf(given, "memory", "")).toThrow("missing request for memory in container a of Pod p0");
    expect(() => requestsOf(given, "cpu", "c")).toThrow("container c not found in Pod p0");
  });

  it("are the Pod's own where it has some", () => {
    const given = pod({ resources: { requests: { cpu: "2" } }, containers: [{ name: "a", ...requests("100m") }] });
    expect(requestsOf(given, "cpu", "").get("p0")).toBe(2000);
    expect(requestsOf(given, "cpu", "a").get("p0")).toBe(100);
    expect(() => requestsOf(given, "memory", "")).toThrow("missing pod-level request for memory in Pod p0");
  });
});
