/** Indexes and back-off of Jobs, as tables. */
import { describe, expect, it } from "vitest";
import type { Job, Pod } from "../machinery/objects/kinds.ts";
import { formatIndexes, missingIndexes, parseIndexes } from "./job-indexes.ts";
import { backoffLeft, endOf } from "./job-pods.ts";

const NOW = Date.parse("2026-01-01T12:00:00Z");

describe("indexes", () => {
  it.each([
    ["", []],
    ["0", [0]],
    ["0,2-4,7,8", [0, 2, 3, 4, 7, 8]],
  ])("%j stands for %j", (text, list) => {
    expect([...parseIndexes(text)]).toEqual(list);
    expect(formatIndexes(list)).toBe(text);
  });

  it("missing ones are the lowest that are neither done nor running", () => {
    const job = { spec: { completions: 6 } } as unknown as Job;
    const running = [
      { metadata: { annotations: { "batch.kubernetes.io/job-completion-index": "1" } } },
    ] as unknown as Pod[];
    expect(missingIndexes(job, running, [new Set([0, 3])], 2)).toEqual([2, 4]);
    expect(missingIndexes(job, running, [new Set([0]), new Set([3])], 9)).toEqual([2, 4, 5]);
  });
});

describe("the wait after failures", () => {
  const timeOf = (secondsAgo: number) => new Date(NOW - secondsAgo * 1000).toISOString();
  const ended = (secondsAgo: number, created = 43_200) =>
    ({
      metadata: { creationTimestamp: timeOf(created) },
      status: { containerStatuses: [{ state: { terminated: { finishedAt: timeOf(secondsAgo) } } }] },
    }) as unknown as Pod;

  it.each<[string, number[], number[], number]>([
    ["is nothing without a failure", [], [5], 0],
    ["is ten seconds after the first", [4], [], 6_000],
    ["doubles with each", [4, 30, 60], [], 36_000],
    ["starts over after a success", [4, 30, 60], [20], 6_000],
    ["is at most ten minutes", [1, 2, 3, 4, 5, 6, 7, 8, 9], [], 599_000],
    ["is over when it has passed", [11], [], 0],
    ["takes a clock that is ahead a little at its word", [-2], [], 10_000],
  ])("%s", (_what, failures, successes, expected) => {
    const ends = (all: number[]) => all.map((one) => endOf(ended(one), NOW));
    expect(backoffLeft(ends(failures), ends(successes), NOW)).toBe(expected);
  });

  it("begins when the Pod was made, where a clock that was far ahead says when it ended", () => {
    expect(backoffLeft([endOf(ended(-7_200, 3), NOW)], [], NOW)).toBe(7_000);
    expect(backoffLeft([endOf(ended(-7_200, 60), NOW)], [], NOW)).toBe(0);
  });

  it("is no longer for a clock that is behind: it may be put right", () => {
    expect(backoffLeft([endOf(ended(-7_200, -7_300), NOW)], [], NOW)).toBe(10_000);
  });
});
