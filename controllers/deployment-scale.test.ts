/** Sizes of ReplicaSets: fences, steps of a rollout and changes of scale, as tables. */
import { describe, expect, it } from "vitest";
import type { Deployment, ReplicaSet } from "../machinery/objects/kinds.ts";
import { fences, mayHavePods, newSetSize, rescale, shrinkOld } from "./deployment-scale.ts";

type Fence = number | string;

function deployment(replicas: number, maxSurge: Fence = "25%", maxUnavailable: Fence = "25%"): Deployment {
  return {
    metadata: { name: "web", uid: "d", resourceVersion: "1", creationTimestamp: "" },
    spec: { replicas, strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge, maxUnavailable } } },
  } as unknown as Deployment;
}

let made = 0;
function set(replicas: number, available = replicas, annotated?: readonly [desired: number, max: number]): ReplicaSet {
  const name = `web-${++made}`;
  const annotations = annotated && {
    "deployment.kubernetes.io/desired-replicas": String(annotated[0]),
    "deployment.kubernetes.io/max-replicas": String(annotated[1]),
  };
  return {
    metadata: {
      name,
      uid: name,
      resourceVersion: "1",
      creationTimestamp: `2026-01-01T00:00:${String(made % 60).padStart(2, "0")}Z`,
      annotations,
    },
    spec: { replicas },
    status: { replicas, availableReplicas: available },
  } as unknown as ReplicaSet;
}

it.each([
  ["tells of some", 1, 2, 2, true],
  ["has told of its present size and has none", 0, 2, 2, false],
  ["has not told of its present size yet", 0, 1, 2, true],
  ["has told nothing yet", undefined, undefined, 1, true],
])("a set that %s may have Pods: %s of generation %s, now %s", (_, replicas, observedGeneration, generation, may) => {
  const status = replicas === undefined ? {} : { replicas, observedGeneration };
  expect(mayHavePods({ metadata: { generation }, status } as unknown as ReplicaSet)).toBe(may);
});

describe("fences", () => {
  it.each<[number, Fence, Fence, number, number]>([
    [10, "25%", "25%", 3, 2],
    [3, "25%", "25%", 1, 0],
    [1, "25%", "25%", 1, 0],
    [4, 1, 0, 1, 0],
    [4, 0, 0, 0, 1],
    [4, 0, "10%", 0, 1],
    [4, "100%", "100%", 4, 4],
    [2, 0, 5, 0, 2],
    [0, "25%", "25%", 0, 0],
  ])("of %d with surge %s and unavailable %s are %d and %d", (replicas, surge, unavailable, most, least) => {
    expect(fences(deployment(replicas, surge, unavailable))).toEqual({ surge: most, unavailable: least });
  });
});

describe("the new set", () => {
  it.each<[string, Deployment, readonly number[], number, number]>([
    ["starts with the surge", deployment(10, 3, 2), [10], 0, 3],
    ["fills the room that old ones left", deployment(10, 3, 2), [8], 3, 5],
    ["never grows beyond what is wanted", deployment(10, 3, 2), [1], 9, 10],
    ["stays where there is no room", deployment(10, 3, 2), [8], 5, 5],
    ["shrinks to what is wanted", deployment(4, 1, 1), [0], 6, 4],
  ])("%s", (_what, wanted, old, current, expected) => {
    const sets = old.map((size) => set(size));
    expect(newSetSize(wanted, sets, set(current))).toBe(expected);
  });
});

it("the new set does not count on Pods that an old one has still to delete", () => {
  const shrunk = set(8);
  shrunk.status!.replicas = 10;
  expect(newSetSize(deployment(10, 3, 2), [shrunk], set(3))).toBe(3);
});

it("the new set does not grow while it has Pods still to delete, after a rollback", () => {
  const next = set(4);
  next.status = { ...next.status, replicas: 6, availableReplicas: 6 };
  expect(newSetSize(deployment(8, "50%", 0), [set(4)], next)).toBe(4);
});

describe("old sets", () => {
  const sizes = (wanted: Deployment, old: readonly ReplicaSet[], next: ReplicaSet) => {
    const resized = new Map(shrinkOld(wanted, old, next).map((one) => [one.set, one.replicas]));
    return old.map((one) => resized.get(one) ?? one.spec?.replicas);
  };

  it("give up as many as may be unavailable", () => {
    expect(sizes(deployment(10, 2, 2), [set(10)], set(0, 0))).toEqual([8]);
  });
  it("give up nothing while the new ones are not available", () => {
    expect(sizes(deployment(10, 2, 2), [set(8)], set(4, 0))).toEqual([8]);
  });
  it("give up their unhealthy Pods first, whether or not the new ones are available", () => {
    expect(sizes(deployment(10, 2, 2), [set(6, 6), set(4, 2)], set(2, 0))).toEqual([6, 2]);
  });
  it("shrink oldest first", () => {
    expect(sizes(deployment(10, 2, 2), [set(5), set(5)], set(2, 2))).toEqual([1, 5]);
  });
  it("do not give up Pods that they are about to delete a second time", () => {
    expect(sizes(deployment(4, 1, 1), [set(3, 4)], set(2, 2))).toEqual([1]);
  });
  it("are left alone when they have no Pods", () => {
    expect(sizes(deployment(10, 2, 2), [set(0)], set(10))).toEqual([0]);
  });
});

describe("a change of scale in the middle of a rollout", () => {
  const sizesAfter = (wanted: Deployment, next: ReplicaSet, old: readonly ReplicaSet[]) => {
    const resized = new Map(rescale(wanted, next, old).map((one) => [one.set, one.replicas]));
    return [...old, next].map((one) => resized.get(one) ?? one.spec?.replicas);
  };

  it("grows all sets in proportion, the rest going to the largest", () => {
    expect(sizesAfter(deployment(15, 3, 2), set(5, 0, [10, 13]), [set(8, 8, [10, 13])])).toEqual([11, 7]);
  });
  it("shrinks all sets in proportion", () => {
    expect(sizesAfter(deployment(5, 3, 2), set(5, 0, [10, 13]), [set(8, 8, [10, 13])])).toEqual([5, 3]);
  });
  it("grows none while another has Pods still to delete", () => {
    const shrunk = set(4, 8, [8, 12]);
    shrunk.status!.replicas = 8;
    expect(rescale(deployment(9, "50%", 0), set(4, 4, [8, 12]), [shrunk])).toEqual([]);
    expect(rescale(deployment(9, "50%", 0), set(0, 0), [shrunk])).toEqual([{ set: shrunk, replicas: 9 }]);
  });
  it("to nothing empties all", () => {
    expect(sizesAfter(deployment(0, 3, 2), set(5, 0, [10, 13]), [set(8, 8, [10, 13])])).toEqual([0, 0]);
  });
  it("sizes the only set with Pods directly", () => {
    expect(sizesAfter(deployment(7), set(0, 0), [set(3)])).toEqual([7, 0]);
  });
  it("empties old sets once the new one is whole", () => {
    expect(sizesAfter(deployment(3), set(3, 3, [3, 4]), [set(2)])).toEqual([0, 3]);
  });
});
