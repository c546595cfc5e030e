/**
 * Time: parts of timestamps and durations, in UTC or in a named zone.
 */
import { CelRuntimeError } from "../contract.ts";
import { member, type Overload, types } from "../declarations.ts";
import { floorDivide } from "../time.ts";
import type { Duration, Timestamp, Value } from "../values.ts";

const { int, string, timestamp, duration } = types;
const MS = 1_000_000n;

/** The moment as a date whose UTC parts are those of the zone's clock. */
function clockIn(value: Timestamp, zone: string): Date {
  const date = new Date(Number(floorDivide(value.nanos, MS)));
  const offset = /^([+-]?)(\d\d):(\d\d)$/.exec(zone);
  if (offset) {
    const minutes = Number(offset[2]) * 60 + Number(offset[3]);
    return new Date(date.getTime() + (offset[1] === "-" ? -minutes : minutes) * 60_000);
  }
  if (zone === "UTC" || zone === "") return date;
  try {
    const parts = new Intl.DateTimeFormat("en-US", {
      timeZone: zone,
      hourCycle: "h23",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    }).formatToParts(date);
    const part = (type: string): number => Number(parts.find((each) => each.type === type)?.value);
    const local = Date.UTC(part("year"), part("month") - 1, part("day"), part("hour"), part("minute"), part("second"));
    return new Date(local + (((date.getTime() % 1000) + 1000) % 1000));
  } catch {
    throw new CelRuntimeError(`unknown time zone ${zone}`);
  }
}

const dayOfYear = (date: Date): number =>
  Math.floor(
    (Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()) - Date.UTC(date.getUTCFullYear(), 0, 1)) /
      86_400_000,
  );

const timestampParts: Readonly<Record<string, (date: Date) => number>> = {
  getFullYear: (date) => date.getUTCFullYear(),
  getMonth: (date) => date.getUTCMonth(),
  getDayOfYear: dayOfYear,
  getDate: (date) => date.getUTCDate(),
  getDayOfMonth: (date) => date.getUTCDate() - 1,
  getDayOfWeek: (date) => date.getUTCDay(),
  getHours: (date) => date.getUTCHours(),
  getMinutes: (date) => date.getUTCMinutes(),
  getSeconds: (date) => date.getUTCSeconds(),
  getMilliseconds: (date) => date.getUTCMilliseconds(),
};

const durationParts: Readonly<Record<string, (nanos: bigint) => bigint>> = {
  getHours: (nanos) => nanos / 3_600_000_000_000n,
  getMinutes: (nanos) => nanos / 60_000_000_000n,
  getSeconds: (nanos) => nanos / 1_000_000_000n,
  getMilliseconds: (nanos) => nanos / MS,
};

export const times: readonly Overload[] = [
  ...Object.entries(timestampParts).flatMap(([name, part]) => [
    member(
      name,
      `timestamp_${name}`,
      [timestamp],
      int,
      (value: Timestamp): Value => BigInt(part(clockIn(value, "UTC"))),
    ),
    member(
      name,
      `timestamp_${name}_with_tz`,
      [timestamp, string],
      int,
      (value: Timestamp, zone: string): Value => BigInt(part(clockIn(value, zone))),
    ),
  ]),
  ...Object.entries(durationParts).map(([name, part]) =>
    member(name, `duration_${name}`, [duration], int, (value: Duration): Value => part(value.nanos)),
  ),
];
