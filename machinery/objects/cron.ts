/**
 * Cron: when a schedule is due. Pure: the same schedule, place and time always give the same answer.
 *
 * A time is due when the place's wall clock shows it, at second 0: a time that the clock leaps over in spring does
 * not come that day, one that it shows twice in autumn comes twice, as with Kubernetes' parser (robfig/cron).
 * What a schedule may say: cron-schedule.ts.
 */
import type { Calendar, Schedule } from "./cron-schedule.ts";

/** The first time after `after` at which the schedule is due; undefined when there is none within five years. */
export function next(schedule: Schedule, zone: string | undefined, after: number): number | undefined {
  if (schedule.kind === "interval") return Math.floor(after / SECOND) * SECOND + schedule.seconds * SECOND;
  return nextOnCalendar(schedule, offsetsOf(schedule.zone ?? zone), after);
}

/** The last time after `after`, and not after `now`, at which the schedule was due. */
export function latest(schedule: Schedule, zone: string | undefined, after: number, now: number): number | undefined {
  if (schedule.kind === "interval") {
    const step = schedule.seconds * SECOND;
    const start = Math.floor(after / SECOND) * SECOND;
    const times = Math.floor((now - start) / step);
    return times < 1 ? undefined : start + times * step;
  }
  const offsets = offsetsOf(schedule.zone ?? zone);
  const first = nextOnCalendar(schedule, offsets, after);
  if (first === undefined || first > now) return undefined;
  let [found, end] = [first, now];
  while (end - found >= MINUTE) {
    const middle = Math.floor((found + end) / 2);
    const due = nextOnCalendar(schedule, offsets, middle);
    if (due !== undefined && due <= now) found = due;
    else end = middle;
  }
  return found;
}

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** How far ahead a due time is looked for. */
const YEARS = 5;

/** How far a place's wall clock is ahead of UTC at an instant, in milliseconds. */
type Offsets = (instant: number) => number;

function nextOnCalendar(schedule: Calendar, offsets: Offsets, after: number): number | undefined {
  const today = new Date(after + offsets(after));
  const lastYear = today.getUTCFullYear() + YEARS;
  // a clock that is set back shows the end of the day before once more
  let day = Date.UTC(today.getUTCFullYear(), today.getUTCMonth(), today.getUTCDate()) - DAY;
  while (new Date(day).getUTCFullYear() <= lastYear) {
    const date = new Date(day);
    if (!schedule.months.has(date.getUTCMonth() + 1)) {
      day = Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1);
      continue;
    }
    const due = isDueOn(schedule, date) ? firstOfDay(schedule, offsets, day, after) : undefined;
    if (due !== undefined) return due;
    day += DAY;
  }
  return undefined;
}

function isDueOn({ days, weekdays, eitherDay }: Calendar, date: Date): boolean {
  const [inMonth, inWeek] = [days.has(date.getUTCDate()), weekdays.has(date.getUTCDay())];
  return eitherDay ? inMonth || inWeek : inMonth && inWeek;
}

/** The first instant after `after` at which the wall clock shows a time of the schedule on that day. */
function firstOfDay({ hours, minutes }: Calendar, offsets: Offsets, day: number, after: number): number | undefined {
  const [before, behind] = [offsets(day - DAY), offsets(day + 2 * DAY)];
  if (before === behind) {
    for (const hour of hours) {
      const start = day + hour * HOUR - before;
      if (start + HOUR <= after) continue;
      const minute = minutes.find((one) => start + one * MINUTE > after);
      if (minute !== undefined) return start + minute * MINUTE;
    }
    return undefined;
  }
  let first: number | undefined;
  for (const hour of hours)
    for (const minute of minutes)
      for (const offset of [before, behind]) {
        const instant = day + hour * HOUR + minute * MINUTE - offset;
        if (instant > after && instant < (first ?? Number.POSITIVE_INFINITY) && offsets(instant) === offset)
          first = instant;
      }
  return first;
}

/** Without a place, or in one that is not known, clocks show UTC. */
function offsetsOf(zone: string | undefined): Offsets {
  if (!zone || zone === "UTC" || zone === "Etc/UTC") return () => 0;
  const format = new Intl.DateTimeFormat("en-US", { timeZone: zone, timeZoneName: "longOffset" });
  return (instant) => {
    const name = format.formatToParts(instant).find(({ type }) => type === "timeZoneName")?.value ?? "";
    const [, sign, hours, minutes, seconds] = /^GMT([+-])(\d\d):(\d\d)(?::(\d\d))?$/.exec(name) ?? [];
    const size = Number(hours ?? 0) * HOUR + Number(minutes ?? 0) * MINUTE + Number(seconds ?? 0) * SECOND;
    return sign === "-" ? -size : size;
  };
}

/** RFC 3339 with the wall clock of a place: "2026-03-29T03:00:00+02:00". */
export function localTime(zone: string | undefined, instant: number): string {
  const offset = offsetsOf(zone)(instant);
  const wall = new Date(instant + offset).toISOString().slice(0, 19);
  if (offset === 0) return `${wall}Z`;
  const minutes = Math.abs(offset) / MINUTE;
  const pad = (value: number) => String(Math.floor(value)).padStart(2, "0");
  return `${wall}${offset < 0 ? "-" : "+"}${pad(minutes / 60)}:${pad(minutes % 60)}`;
}
