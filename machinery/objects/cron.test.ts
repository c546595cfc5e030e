/** When schedules are due, as tables: steps, days, places, clocks that are set forward and back. */
import { describe, expect, it } from "vitest";
import { latest, localTime, next } from "./cron.ts";
import { parseSchedule, scheduleFault } from "./cron-schedule.ts";

const NEW_YORK = "America/New_York";
const at = (text: string) => Date.parse(text);
const iso = (ms: number | undefined) => (ms === undefined ? undefined : `${new Date(ms).toISOString().slice(0, 19)}Z`);

describe("the next time", () => {
  it.each([
    ["2012-07-09T14:45:00Z", "0/15 * * * *", "2012-07-09T15:00:00Z"],
    ["2012-07-09T14:59:59Z", "0/15 * * * *", "2012-07-09T15:00:00Z"],
    ["2012-07-09T15:45:00Z", "20-35/15 * * * *", "2012-07-09T16:20:00Z"],
    ["2012-07-09T14:00:00Z", "5/15 * * * *", "2012-07-09T14:05:00Z"],
    ["2012-07-09T14:50:00Z", "5/15 * * * *", "2012-07-09T15:05:00Z"],
    ["2012-07-09T23:46:00Z", "*/15 * * * *", "2012-07-10T00:00:00Z"],
    ["2012-07-09T23:35:00Z", "0 10-20/5 * * *", "2012-07-10T10:00:00Z"],
    ["2012-12-31T23:59:45Z", "* * * * *", "2013-01-01T00:00:00Z"],
    ["2012-07-09T00:00:00Z", "@monthly", "2012-08-01T00:00:00Z"],
    ["2012-07-09T00:00:00Z", "@weekly", "2012-07-15T00:00:00Z"],
    ["2012-07-09T00:00:30Z", "@hourly", "2012-07-09T01:00:00Z"],
    ["2012-07-09T00:00:00Z", "0 0 29 2 *", "2016-02-29T00:00:00Z"],
    ["2012-07-09T00:00:00Z", "0 0 1 jan ?", "2013-01-01T00:00:00Z"],
    ["2012-07-09T00:00:00Z", "0 12 * * mon-fri", "2012-07-09T12:00:00Z"],
    ["2012-07-13T12:00:00Z", "0 12 * * MON-FRI", "2012-07-16T12:00:00Z"],
    ["2012-07-09T00:00:00Z", "0 0 31 4 *", undefined],
    ["2012-07-09T00:00:00Z", "0 0 30 Feb ?", undefined],
    ["2012-07-09T14:45:10.900Z", "@every 90s", "2012-07-09T14:46:40Z"],
    ["2012-07-09T14:45:00Z", "@every 1h2m3.9s", "2012-07-09T15:47:03Z"],
    ["2012-07-09T14:45:00Z", "@every 10ms", "2012-07-09T14:45:01Z"],
    ["2012-07-09T14:45:00Z", "@every -5m", "2012-07-09T14:45:01Z"],
  ])("after %s of %j is %s", (from, text, expected) => {
    expect(iso(next(parseSchedule(text), undefined, at(from)))).toBe(expected);
  });

  it.each([
    ["0 0 13 * 5", ["2026-02-06", "2026-02-13", "2026-02-20"], "a day in either list will do"],
    ["0 0 1,15 * sun", ["2026-02-08", "2026-02-15", "2026-02-22"], "a day in either list will do"],
    ["0 0 * * 5", ["2026-02-06", "2026-02-13", "2026-02-20"], "a star leaves the choice to the other"],
    ["0 0 */2 * 5", ["2026-02-03", "2026-02-05", "2026-02-06"], "a star with a step is a choice of its own"],
  ])("of %j is on %j: %s", (text, days, _why) => {
    const schedule = parseSchedule(text);
    const found: string[] = [];
    for (let time = at("2026-02-02T00:00:00Z"); found.length < days.length; ) {
      time = next(schedule, undefined, time) ?? Number.NaN;
      found.push(new Date(time).toISOString().slice(0, 10));
    }
    expect(found).toEqual(days);
  });
});

describe("a place's clock", () => {
  it.each([
    ["2012-03-11T00:00:00-05:00", "30 2 11 mar ?", NEW_YORK, ["2013-03-11T06:30:00Z"], "leaps over the time"],
    ["2012-03-11T00:00:00-05:00", "0 * * * *", NEW_YORK, ["2012-03-11T06:00:00Z", "2012-03-11T07:00:00Z"], "leaps"],
    ["2012-03-11T00:00:00-05:00", "0 2 * * *", NEW_YORK, ["2012-03-12T06:00:00Z"], "leaps over the time"],
    [
      "2012-11-04T00:30:00-04:00",
      "0 1 * * *",
      NEW_YORK,
      ["2012-11-04T05:00:00Z", "2012-11-04T06:00:00Z", "2012-11-05T06:00:00Z"],
      "shows it twice",
    ],
    [
      "2012-11-04T00:30:00-04:00",
      "0 2 * * *",
      NEW_YORK,
      ["2012-11-04T07:00:00Z", "2012-11-05T07:00:00Z"],
      "shows it once",
    ],
    [
      "2012-11-04T00:30:00-04:00",
      "0 * * * *",
      NEW_YORK,
      ["2012-11-04T05:00:00Z", "2012-11-04T06:00:00Z", "2012-11-04T07:00:00Z"],
      "hours go on",
    ],
    ["2018-11-03T00:00:00-03:00", "0 0 * * *", "America/Sao_Paulo", ["2018-11-05T02:00:00Z"], "leaps over midnight"],
    ["2018-10-17T05:00:00-04:00", "0 9 10 * *", "America/Sao_Paulo", ["2018-11-10T11:00:00Z"], "has its own summer"],
    ["2026-01-01T00:00:00Z", "0 9 * * *", "Asia/Kolkata", ["2026-01-01T03:30:00Z"], "is ahead by half hours"],
    ["2026-01-01T00:00:00Z", "TZ=Asia/Tokyo 0 9 * * *", NEW_YORK, ["2026-01-02T00:00:00Z"], "in the text counts first"],
    [
      "2026-04-05T00:00:00+11:00",
      "45 1 * * *",
      "Australia/Lord_Howe",
      ["2026-04-04T14:45:00Z", "2026-04-04T15:15:00Z"],
      "is set back by half an hour",
    ],
  ])("from %s: %j in %s is due at %j (%s)", (from, text, zone, times, _why) => {
    const schedule = parseSchedule(text);
    let time = at(from);
    for (const expected of times) {
      time = next(schedule, zone, time) ?? Number.NaN;
      expect(iso(time)).toBe(expected);
    }
  });

  it("is written with its distance from UTC", () => {
    expect(localTime(NEW_YORK, at("2026-07-01T12:00:00Z"))).toBe("2026-07-01T08:00:00-04:00");
    expect(localTime("Asia/Kolkata", at("2026-07-01T12:00:00Z"))).toBe("2026-07-01T17:30:00+05:30");
    expect(localTime(undefined, at("2026-07-01T12:00:00Z"))).toBe("2026-07-01T12:00:00Z");
  });
});

describe("the latest time", () => {
  it.each([
    ["2026-01-01T00:00:00Z", "2026-01-01T00:04:59Z", "*/5 * * * *", undefined],
    ["2026-01-01T00:00:00Z", "2026-01-01T00:05:00Z", "*/5 * * * *", "2026-01-01T00:05:00Z"],
    ["2026-01-01T00:00:00Z", "2026-03-01T00:04:59Z", "*/5 * * * *", "2026-03-01T00:00:00Z"],
    ["2016-01-01T00:00:00Z", "2026-03-01T00:04:59Z", "* * * 1 *", "2026-01-31T23:59:00Z"],
    ["2026-01-02T00:00:00Z", "2026-01-05T10:00:00Z", "30 6-16/4 * * 1-5", "2026-01-05T06:30:00Z"],
    ["2026-01-01T00:00:10Z", "2026-01-01T01:00:00Z", "@every 25m", "2026-01-01T00:50:10Z"],
    ["2026-01-01T00:00:10Z", "2026-01-01T00:25:00Z", "@every 25m", undefined],
  ])("between %s and %s of %j is %s", (after, now, text, expected) => {
    expect(iso(latest(parseSchedule(text), undefined, at(after), at(now)))).toBe(expected);
  });

  it("is one that the next times reach too, whatever the schedule", () => {
    for (const text of ["7/13 3,9-22/4 * * *", "0 0 1,15 * mon", "59 23 31 * *", "* 1 * 2-3 sat"]) {
      const schedule = parseSchedule(text);
      const after = at("2026-02-27T05:00:00Z");
      for (let hours = 1; hours < 24 * 40; hours += 71) {
        const now = after + hours * 3_600_000;
        let last: number | undefined;
        for (let time = next(schedule, NEW_YORK, after); time && time <= now; time = next(schedule, NEW_YORK, time))
          last = time;
        expect([text, hours, latest(schedule, NEW_YORK, after, now)]).toEqual([text, hours, last]);
      }
    }
  });
});

describe("a schedule that says nothing", () => {
  it.each([
    ["", "empty spec string"],
    ["* * * *", "expected exactly 5 fields, found 4: [* * * *]"],
    ["60 * * * *", "end of range (60) above maximum (59): 60"],
    ["* * * * 7", "end of range (7) above maximum (6): 7"],
    ["* 5-3 * * *", "beginning of range (5) beyond end of range (3): 5-3"],
    ["*/0 * * * *", "step of range should be a positive number: */0"],
    ["@often", "unrecognized descriptor: @often"],
    ["@every soon", 'failed to parse duration @every soon: time: invalid duration "soon"'],
    ["TZ=Nowhere/Land 0 0 * * *", "provided bad location Nowhere/Land: unknown time zone Nowhere/Land"],
  ])("%j: %s", (text, fault) => {
    expect(scheduleFault(text)).toBe(fault);
  });
});
