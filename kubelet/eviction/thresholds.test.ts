import { describe, expect, it } from "vitest";
import { standardSettings } from "../configuration.ts";
import { atEase, mostUrgent, nextPressure, type PressureState } from "./pressure.ts";
import { crossed, type Observations, reserved, type Signal, thresholdsOf } from "./thresholds.ts";

const MI = 1024 * 1024;
const seen = (available: Partial<Record<Signal, number>>, capacity = 1000 * MI): Observations =>
  new Map(Object.entries(available).map(([signal, left]) => [signal as Signal, { available: left, capacity }]));
const signals = (list: readonly { signal: string }[]) => list.map(({ signal }) => signal);

describe("thresholds", () => {
  const standard = thresholdsOf(standardSettings);

  it("are Kubernetes' own where nothing is set", () => {
    expect(signals(standard)).toEqual([
      "memory.available",
      "nodefs.available",
      "nodefs.inodesFree",
      "imagefs.available",
      "imagefs.inodesFree",
    ]);
    expect(reserved(standard, "memory.available", 0)).toBe(100 * MI);
    expect(reserved(standard, "nodefs.available", 1000)).toBe(100);
  });

  it("are crossed below amounts and shares of the capacity", () => {
    expect(signals(crossed(standard, seen({ "memory.available": 100 * MI }), false))).toEqual([]);
    expect(signals(crossed(standard, seen({ "memory.available": 100 * MI - 1 }), false))).toEqual(["memory.available"]);
    expect(signals(crossed(standard, seen({ "imagefs.available": 149 * MI }), false))).toEqual(["imagefs.available"]);
    expect(crossed(standard, new Map(), false)).toEqual([]);
  });

  it("stand alone once some are set, unless they are to be merged", () => {
    const evictionHard = { "pid.available": "10%", "nodefs.available": "0%" };
    expect(signals(thresholdsOf({ ...standardSettings, evictionHard }))).toEqual(["pid.available"]);
    const merged = thresholdsOf({ ...standardSettings, evictionHard, mergeDefaultEvictionSettings: true });
    expect(signals(merged)).not.toContain("nodefs.available");
    expect(merged.length).toBe(5);
  });

  it.each([
    [{ evictionHard: { "memory.left": "1Mi" } }, "evictionHard: unsupported eviction signal memory.left"],
    [{ evictionHard: { "memory.available": "much" } }, '"much" is neither a quantity nor a percentage'],
    [{ evictionHard: { "memory.available": "101%" } }, "eviction percentage must be at most 100%"],
    [{ evictionHard: { "memory.available": "-1Mi" } }, "eviction threshold must not be negative"],
    [{ evictionSoft: { "memory.available": "1Gi" } }, "grace period must be specified for the soft eviction threshold"],
  ])("%j is refused", (settings, message) => {
    expect(() => thresholdsOf({ ...standardSettings, ...settings })).toThrow(message);
  });
});

describe("pressure over time", () => {
  const thresholds = thresholdsOf({
    ...standardSettings,
    evictionHard: { "memory.available": "100Mi" },
    evictionSoft: { "memory.available": "300Mi" },
    evictionSoftGracePeriod: { "memory.available": 60_000 },
    evictionMinimumReclaim: { "memory.available": "100Mi" },
  });
  const follow = (steps: readonly (readonly [now: number, left: number])[]) =>
    steps.reduce<PressureState>(
      (state, [now, left]) =>
        nextPressure(state, {
          thresholds,
          observations: seen({ "memory.available": left * MI }),
          transitionMs: 300_000,
          now,
        }),
      atEase,
    );

  it("acts on a hard threshold at once, on a soft one after its grace period", () => {
    expect(follow([[0, 99]]).acting.map(({ graceMs }) => graceMs)).toEqual([0]);
    expect(follow([[0, 200]]).acting).toEqual([]);
    expect([...follow([[0, 200]]).conditions]).toEqual(["MemoryPressure"]);
    const later = follow([
      [0, 200],
      [60_000, 200],
    ]);
    expect(later.acting.map(({ graceMs }) => graceMs)).toEqual([60_000]);
    const eased = follow([
      [0, 200],
      [30_000, 400],
      [60_000, 200],
    ]);
    expect(eased.acting).toEqual([]);
  });

  it("goes on until the minimum was won back", () => {
    const at = (left: number) =>
      follow([
        [0, 99],
        [1_000, left],
      ]).acting.map(({ graceMs }) => graceMs);
    expect(at(199)).toEqual([0]);
    expect(at(200)).toEqual([]);
  });

  it("keeps a condition for the transition period after it was last seen", () => {
    const steps: [number, number][] = [
      [0, 99],
      [10_000, 500],
    ];
    expect([...follow(steps).conditions]).toEqual(["MemoryPressure"]);
    expect([...follow([...steps, [299_999, 500]]).conditions]).toEqual(["MemoryPressure"]);
    expect([...follow([...steps, [300_000, 500]]).conditions]).toEqual([]);
  });

  it("takes memory before disk, and hard before soft", () => {
    const all = thresholdsOf({
      ...standardSettings,
      evictionSoft: { "memory.available": "300Mi" },
      evictionSoftGracePeriod: { "memory.available": 1 },
    });
    expect(mostUrgent(all.toReversed())).toMatchObject({ signal: "memory.available", graceMs: 0 });
    expect(mostUrgent([])).toBeUndefined();
  });
});
