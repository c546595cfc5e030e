/** How far a recommendation is followed: limits, policies and windows. */
import { describe, expect, it, test } from "vitest";
import { type History, type Limits, limit, remember } from "./autoscaler-behavior.ts";

const NOW = 10_000_000;
const rules = (type: "Pods" | "Percent", value: number, periodSeconds = 60, more: object = {}) => ({
  selectPolicy: "Max",
  stabilizationWindowSeconds: 0,
  policies: [{ type, value, periodSeconds }],
  ...more,
});
const limits = (behavior?: Limits["behavior"], min = 1, max = 100): Limits => ({
  min,
  max,
  behavior,
  downscaleStabilizationMs: 300_000,
});
const fresh = (): History => ({ recommendations: [], ups: [], downs: [] });
const follow = (behavior: Limits["behavior"], current: number, wanted: number, history = fresh(), min = 1, max = 100) =>
  limit(history, limits(behavior, min, max), current, wanted, NOW);

describe("without behaviour", () => {
  test.each([
    [1, 3, 3, "DesiredWithinRange"],
    [1, 10, 4, "ScaleUpLimit"],
    [10, 40, 20, "ScaleUpLimit"],
    [60, 110, 100, "TooManyReplicas"],
    [10, 3, 3, "DesiredWithinRange"],
    [10, 0, 1, "TooFewReplicas"],
  ])("%i that should be %i become %i: %s", (current, wanted, replicas, reason) => {
    const found = follow(undefined, current, wanted);
    expect([found.replicas, found.limited.reason]).toEqual([replicas, reason]);
    expect(found.limited.status).toBe(reason === "DesiredWithinRange" ? "False" : "True");
  });

  it("holds on to a higher recommendation for five minutes", () => {
    const history: History = { ...fresh(), recommendations: [{ at: NOW - 299_000, replicas: 8 }] };
    expect(follow(undefined, 8, 3, history)).toMatchObject({
      replicas: 8,
      stabilized: { reason: "ScaleDownStabilized" },
    });
    const older: History = { ...fresh(), recommendations: [{ at: NOW - 301_000, replicas: 8 }] };
    expect(follow(undefined, 8, 3, older)).toMatchObject({ replicas: 3, stabilized: { reason: "ReadyForNewScale" } });
    expect(older.recommendations).toEqual([{ at: NOW, replicas: 3 }]);
  });
});

describe("policies", () => {
  const both = (up: object, down: object) => ({ scaleUp: up, scaleDown: down }) as NonNullable<Limits["behavior"]>;
  const down = rules("Percent", 100);

  test.each([
    ["so many Pods more", rules("Pods", 4), 10, 20, 14, "ScaleUpLimit"],
    ["so much more in percent, rounded up", rules("Percent", 15), 10, 20, 12, "ScaleUpLimit"],
    ["a little of little is one", rules("Percent", 1), 1, 5, 2, "ScaleUpLimit"],
    ["as much as is wanted", rules("Pods", 20), 10, 20, 20, "DesiredWithinRange"],
    ["as much as there may be", rules("Pods", 500), 90, 200, 100, "TooManyReplicas"],
    ["none at all", rules("Pods", 4, 60, { selectPolicy: "Disabled" }), 10, 20, 10, "ScaleUpLimit"],
  ])("up: %s", (_name, up, current, wanted, replicas, reason) => {
    const found = follow(both(up, down), current, wanted);
    expect([found.replicas, found.limited.reason]).toEqual([replicas, reason]);
  });

  test.each([
    ["so many Pods fewer", rules("Pods", 4), 10, 2, 6, "ScaleDownLimit"],
    ["so much less in percent, cut off", rules("Percent", 15), 10, 2, 8, "ScaleDownLimit"],
    ["not below what there must be", rules("Percent", 100), 10, 2, 5, "TooFewReplicas"],
    ["none at all", rules("Pods", 4, 60, { selectPolicy: "Disabled" }), 10, 2, 10, "ScaleDownLimit"],
  ])("down: %s", (_name, downwards, current, wanted, replicas, reason) => {
    const found = follow(both(rules("Percent", 100), downwards), current, wanted, fresh(), 5);
    expect([found.replicas, found.limited.reason]).toEqual([replicas, reason]);
  });

  const several = (selectPolicy: string) => ({
    selectPolicy,
    stabilizationWindowSeconds: 0,
    policies: [
      { type: "Pods", value: 4, periodSeconds: 60 },
      { type: "Percent", value: 10, periodSeconds: 60 },
    ],
  });
  it("of several take the one that changes most, or least", () => {
    expect(follow(both(several("Max"), down), 10, 90).replicas).toBe(14);
    expect(follow(both(several("Min"), down), 10, 90).replicas).toBe(11);
    const up = rules("Percent", 100);
    expect(follow(both(up, several("Max")), 10, 1).replicas).toBe(6);
    expect(follow(both(up, several("Min")), 10, 1).replicas).toBe(9);
  });

  it("count what was changed within their period, either way", () => {
    const behavior = both(rules("Pods", 4), rules("Pods", 4));
    const history = fresh();
    history.ups = [
      { at: NOW - 70_000, change: 50 },
      { at: NOW - 30_000, change: 3 },
    ];
    expect(follow(behavior, 10, 20, history).replicas).toBe(11);
    history.downs = [{ at: NOW - 20_000, change: 2 }];
    expect(follow(behavior, 10, 20, history).replicas).toBe(13);
    expect(follow(behavior, 10, 1, history).replicas).toBe(5);
  });

  it("never turn a rise into a fall when more was added than is allowed now", () => {
    const history: History = { ...fresh(), ups: [{ at: NOW - 1000, change: 9 }] };
    expect(follow(both(rules("Pods", 1), down), 10, 20, history).replicas).toBe(10);
  });

  it("are remembered for as long as the longest of them", () => {
    const behavior = both(rules("Pods", 1, 30), rules("Pods", 1, 600));
    const history: History = { ...fresh(), ups: [{ at: NOW - 31_000, change: 1 }] };
    remember(history, behavior, 3, 5, NOW);
    expect(history.ups).toEqual([{ at: NOW, change: 2 }]);
    remember(history, behavior, 5, 2, NOW);
    remember(history, behavior, 2, 1, NOW + 500_000);
    expect(history.downs).toHaveLength(2);
    remember(history, undefined, 1, 9, NOW);
    expect(history.ups).toHaveLength(1);
  });
});

describe("windows", () => {
  const behavior = (up: number, downSeconds?: number) =>
    ({
      scaleUp: rules("Percent", 1000, 15, { stabilizationWindowSeconds: up }),
      scaleDown: {
        selectPolicy: "Max",
        policies: [{ type: "Percent", value: 100, periodSeconds: 15 }],
        ...(downSeconds !== undefined && { stabilizationWindowSeconds: downSeconds }),
      },
    }) as NonNullable<Limits["behavior"]>;
  const recommended = (...list: readonly (readonly [secondsAgo: number, replicas: number])[]): History => ({
    ...fresh(),
    recommendations: list.map(([ago, replicas]) => ({ at: NOW - ago * 1000, replicas })),
  });

  test.each([
    ["the lowest of the window on the way up", 60, 0, [[30, 4]], 3, 9, 4, "ScaleUpStabilized"],
    ["what is wanted after it", 60, 0, [[61, 4]], 3, 9, 9, "ReadyForNewScale"],
    ["the highest of the window on the way down", 0, 60, [[30, 6]], 8, 2, 6, "ScaleDownStabilized"],
    ["what is wanted after that", 0, 60, [[61, 6]], 8, 2, 2, "ReadyForNewScale"],
    ["five minutes on the way down unless it says otherwise", 0, undefined, [[200, 6]], 8, 2, 6, "ScaleDownStabilized"],
    [
      "no change between both",
      60,
      60,
      [
        [30, 3],
        [20, 9],
      ],
      5,
      7,
      5,
      "ScaleUpStabilized",
    ],
  ] as const)("%s", (_name, up, downSeconds, past, current, wanted, replicas, reason) => {
    const found = follow(behavior(up, downSeconds), current, wanted, recommended(...past));
    expect([found.replicas, found.stabilized.reason]).toEqual([replicas, reason]);
  });

  it("keep no more recommendations than they look at", () => {
    const history = recommended([120, 1], [61, 2], [30, 3]);
    follow(behavior(60, 45), 3, 3, history);
    expect(history.recommendations.map(({ replicas }) => replicas)).toEqual([3, 3]);
  });
});
