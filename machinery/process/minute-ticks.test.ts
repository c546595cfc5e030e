/** Ticks of a real process. */
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { minuteTicks } from "./minute-ticks.ts";

beforeEach(() => void vi.useFakeTimers({ now: Date.UTC(2026, 0, 1, 0, 0, 30) }));
afterEach(() => void vi.useRealTimers());

it("come at each minute, until they are stopped", async () => {
  const seen: string[] = [];
  const stop = minuteTicks(() => seen.push(new Date().toISOString().slice(11, 19)));
  await vi.advanceTimersByTimeAsync(95_000);
  expect(seen).toEqual(["00:01:00", "00:02:00"]);
  stop();
  await vi.advanceTimersByTimeAsync(120_000);
  expect(seen).toHaveLength(2);
});
