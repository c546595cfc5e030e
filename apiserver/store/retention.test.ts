/** Retention: how much history may stay. */
import { expect, test } from "vitest";
import { createRetention } from "./retention.ts";

const bounds = { historyMs: 3_200, historyBytes: 32_000 };

test("history within its bounds is not due", () => {
  const retention = createRetention(bounds);
  for (let n = 1; n <= 30; n++) retention.add(n, 100, n * 100);
  expect(retention.due(3_000)).toBeUndefined();
});

test("history beyond its age is due up to what is still young enough", () => {
  const retention = createRetention(bounds);
  for (let n = 1; n <= 100; n++) retention.add(n, 10, n * 100);
  const due = retention.due(10_000);
  expect(due).toBeGreaterThan(60);
  expect(due).toBeLessThanOrEqual(68);
});

test("history beyond its bytes is due until it fits, and no longer once dropped", () => {
  const retention = createRetention(bounds);
  for (let n = 1; n <= 100; n++) retention.add(n, 1_000, 1);
  const due = retention.due(1);
  expect(due).toBeGreaterThanOrEqual(68);
  expect(due).toBeLessThan(75);
  retention.dropped(due ?? 0);
  expect(retention.due(1)).toBeUndefined();
});

test("history of any length is kept track of in few marks, over a restart too", () => {
  const retention = createRetention(bounds);
  for (let n = 1; n <= 10_000; n++) {
    retention.add(n, 100, n);
    const due = retention.due(n);
    if (due !== undefined) retention.dropped(due);
  }
  expect(retention.marks.length).toBeLessThan(80);
  expect(createRetention(bounds, retention.marks).due(1_000_000)).toBe(10_000);
});
