/** When a ready Pod counts as available. */
import { expect, test } from "vitest";
import type { Pod } from "../machinery/objects/kinds.ts";
import { timeToAvailable } from "./pod-state.ts";

const READY = Date.UTC(2026, 0, 1);
const pod = {
  status: { conditions: [{ type: "Ready", status: "True", lastTransitionTime: "2026-01-01T00:00:00Z" }] },
} as Pod;

test.each([
  ["at once", 0, 5_000],
  ["halfway", 2_000, 3_000],
  ["when it is time", 5_000, 0],
  ["later", 60_000, 0],
  ["by a clock that was set back for an hour, no longer than it takes", -3_600_000, 5_000],
])("a Pod that has to be ready for five seconds, %s", (_, sinceReady, wait) => {
  expect(timeToAvailable(pod, 5, READY + sinceReady)).toBe(wait);
});
