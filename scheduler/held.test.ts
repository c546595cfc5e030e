import { describe, expect, it } from "vitest";
import type { Pod } from "../machinery/objects/kinds.ts";
import { podHappenings } from "./happenings.ts";
import { asksTheSame, podRequests } from "./pod-info.ts";

interface Sizes {
  readonly asked: string;
  readonly granted?: string;
  readonly has?: string;
  readonly reason?: string;
}

const pod = ({ asked, granted, has, reason }: Sizes, generation = 1): Pod =>
  ({
    metadata: { name: "web", namespace: "default", uid: "u", generation },
    spec: { nodeName: "node-1", containers: [{ name: "main", resources: { requests: { cpu: asked } } }] },
    status: {
      ...(reason ? { conditions: [{ type: "PodResizePending", status: "True", reason }] } : {}),
      containerStatuses: [
        {
          name: "main",
          ...(granted ? { allocatedResources: { cpu: granted } } : {}),
          ...(has ? { resources: { requests: { cpu: has } } } : {}),
        },
      ],
    },
  }) as unknown as Pod;

describe("a Pod on a node counts", () => {
  const cases: readonly [string, Sizes, number][] = [
    ["what it asks for", { asked: "1" }, 1000],
    ["what it asks for, when it has that", { asked: "1", granted: "1", has: "1" }, 1000],
    ["what it asks for, while it waits for more", { asked: "2", granted: "1", has: "1", reason: "Deferred" }, 2000],
    ["what it has, while it gives some back", { asked: "1", granted: "1", has: "2" }, 2000],
    ["what it was granted, before it has that", { asked: "1", granted: "2", has: "1" }, 2000],
    [
      "what it has, when it asks for what never comes",
      { asked: "9", granted: "1", has: "1", reason: "Infeasible" },
      1000,
    ],
  ];
  it.each(cases)("%s", (_name, sizes, cpu) => {
    expect(podRequests(pod(sizes)).get("cpu")).toBe(cpu);
  });
});

describe("a resize that is carried out", () => {
  const before = pod({ asked: "1", granted: "1", has: "2" });
  const after = pod({ asked: "1", granted: "1", has: "1" });
  it("is news to the snapshot and to Pods that wait", () => {
    expect(asksTheSame(before, after)).toBe(false);
    expect(podHappenings(before, after)).toEqual(["pod-smaller"]);
  });
  it("is none where only the rest of the status changed", () => {
    const other = structuredClone(after);
    (other.status as { phase?: string }).phase = "Running";
    expect(asksTheSame(after, other)).toBe(true);
    expect(podHappenings(after, other)).toEqual([]);
    const first = pod({ asked: "1" });
    expect([asksTheSame(first, after), podHappenings(first, after)]).toEqual([true, []]);
  });
});
