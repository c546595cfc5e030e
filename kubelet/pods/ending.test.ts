import { describe, expect, it } from "vitest";
import type { Pod } from "../../machinery/objects/kinds.ts";
import { wireTime } from "../../machinery/process/clock.ts";
import { endingOf } from "./ending.ts";
import type { Ending } from "./plan-draft.ts";
import { aPod, NOW } from "./pod.fixture.ts";

const deletedAt = (ms: number, grace: number): Partial<Pod["metadata"]> => ({
  deletionTimestamp: wireTime(ms + grace * 1000),
  deletionGracePeriodSeconds: grace,
});
const of = (pod: Pod, extra: { before?: Ending; removed?: boolean; startTime?: string } = {}) =>
  endingOf({ pod, removed: extra.removed ?? false, before: extra.before, startTime: extra.startTime, now: NOW });
const failed: Ending = { kind: "failed", reason: "Evicted", message: "m", since: NOW - 1_000, graceSeconds: 30 };

describe("ending", () => {
  const cases: readonly [string, ReturnType<typeof of>, Partial<Ending> | undefined][] = [
    ["a Pod that should run", of(aPod()), undefined],
    [
      "a deleted one has its grace period",
      of(aPod({}, deletedAt(NOW, 10))),
      { kind: "deleted", since: NOW, graceSeconds: 10 },
    ],
    ["counted from its deletion", of(aPod({}, deletedAt(NOW - 4_000, 10))), { since: NOW - 4_000, graceSeconds: 10 }],
    ["at least a second", of(aPod({}, deletedAt(NOW, 0))), { graceSeconds: 1 }],
    [
      "one that is gone from the API has its own",
      of(aPod({ terminationGracePeriodSeconds: 7 }), { removed: true }),
      { kind: "deleted", since: NOW, graceSeconds: 7 },
    ],
    ["one that has ended", of(aPod({}, {}, { phase: "Succeeded" })), { kind: "finished" }],
    [
      "one past its deadline",
      of(aPod({ activeDeadlineSeconds: 5 }), { startTime: wireTime(NOW - 6_000) }),
      { kind: "failed", reason: "DeadlineExceeded" },
    ],
    [
      "one before its deadline",
      of(aPod({ activeDeadlineSeconds: 5 }), { startTime: wireTime(NOW - 4_000) }),
      undefined,
    ],
    [
      "deletion shortens",
      of(aPod({}, deletedAt(NOW, 2)), { before: failed }),
      { kind: "failed", reason: "Evicted", since: NOW, graceSeconds: 2 },
    ],
    ["but never lengthens", of(aPod({}, deletedAt(NOW, 60)), { before: failed }), failed],
    [
      "what had finished is then deleted",
      of(aPod({}, deletedAt(NOW, 60)), { before: { ...failed, kind: "finished" } }),
      { kind: "deleted", graceSeconds: 30 },
    ],
  ];
  it.each(cases)("%s", (_name, found, wanted) => {
    if (wanted) expect(found).toMatchObject(wanted);
    else expect(found).toBeUndefined();
  });
});
