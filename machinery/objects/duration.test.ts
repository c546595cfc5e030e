import { expect, test } from "vitest";
import { age, humanDuration } from "./duration.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

test.each([
  [-3 * SECOND, "<invalid>"],
  [-500, "0s"],
  [0, "0s"],
  [119 * SECOND, "119s"],
  [2 * MINUTE, "2m"],
  [3 * MINUTE + 20 * SECOND, "3m20s"],
  [10 * MINUTE + 59 * SECOND, "10m"],
  [179 * MINUTE, "179m"],
  [3 * HOUR + 5 * MINUTE, "3h5m"],
  [8 * HOUR + 5 * MINUTE, "8h"],
  [47 * HOUR, "47h"],
  [2 * DAY + 4 * HOUR, "2d4h"],
  [7 * DAY, "7d"],
  [8 * DAY + HOUR, "8d"],
  [729 * DAY, "729d"],
  [730 * DAY, "2y"],
  [3 * 365 * DAY + DAY, "3y1d"],
  [9 * 365 * DAY, "9y"],
])("a duration of %d ms reads %s", (ms, text) => {
  expect(humanDuration(ms)).toBe(text);
});

test("an age without a beginning is unknown", () => {
  expect(age(undefined, 0)).toBe("<unknown>");
  expect(age("1970-01-01T00:00:00Z", 5000)).toBe("5s");
});
