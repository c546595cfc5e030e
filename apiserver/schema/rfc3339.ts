/**
 * RFC 3339: reads times as Kubernetes' Time and MicroTime do, and gives them back as these are written.
 *
 * Time keeps whole seconds, MicroTime microseconds, both in UTC. Errors are worded as Go's time package words them.
 * The wall clock is in machinery/process/clock.ts; here a time is only a text.
 */

export class TimeError extends Error {
  override readonly name = "TimeError";
}

const SECONDS_LAYOUT = "2006-01-02T15:04:05Z07:00";
const MICROS_LAYOUT = "2006-01-02T15:04:05.000000Z07:00";
/** Nearly all times come as they are kept; on days that every month has, nothing is left to look at. */
const CANONICAL_SECONDS = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\dZ$/;
const SHAPE = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?(?:Z|([+-])(\d\d):(\d\d))$/;

/** "2026-01-02T03:04:05+02:00" ► "2026-01-02T01:04:05Z" */
export function canonicalTime(text: string): string {
  if (CANONICAL_SECONDS.test(text)) return text;
  const { ms } = read(text, SECONDS_LAYOUT);
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

/** As canonicalTime, with six digits of a second. Fewer digits than six are taken too. */
export function canonicalMicroTime(text: string): string {
  const { ms, fraction } = read(text, MICROS_LAYOUT);
  return `${new Date(ms).toISOString().slice(0, 19)}.${fraction.slice(0, 6).padEnd(6, "0")}Z`;
}

function read(text: string, layout: string): { ms: number; fraction: string } {
  const match = SHAPE.exec(text);
  if (!match) throw new TimeError(unreadable(text, layout));
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const outOfRange = (part: string) => new TimeError(`parsing time ${JSON.stringify(text)}: ${part} out of range`);
  if (month < 1 || month > 12) throw outOfRange("month");
  if (hour > 23) throw outOfRange("hour");
  if (minute > 59) throw outOfRange("minute");
  if (second > 59) throw outOfRange("second");
  if (day < 1 || day > daysIn(year, month)) throw outOfRange("day");
  const offset = (Number(match[9] ?? 0) * 60 + Number(match[10] ?? 0)) * 60_000 * (match[8] === "-" ? -1 : 1);
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  return { ms: date.getTime() + ((hour * 60 + minute) * 60 + second) * 1000 - offset, fraction: match[7] ?? "" };
}

function daysIn(year: number, month: number): number {
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1]!;
}

/** Layout elements in order, with what each takes. */
const ELEMENTS: readonly (readonly [string, RegExp])[] = [
  ["2006", /^\d{4}/],
  ["-", /^-/],
  ["01", /^\d\d/],
  ["-", /^-/],
  ["02", /^\d\d/],
  ["T", /^T/],
  ["15", /^\d\d/],
  [":", /^:/],
  ["04", /^\d\d/],
  [":", /^:/],
  ["05", /^\d\d(?:[.,]\d+)?/],
  ["Z07:00", /^(?:Z|[+-]\d\d:\d\d)/],
];

function unreadable(text: string, layout: string): string {
  let rest = text;
  for (const [element, shape] of ELEMENTS) {
    const taken = shape.exec(rest)?.[0];
    if (taken === undefined) {
      return `parsing time ${JSON.stringify(text)} as ${JSON.stringify(layout)}: cannot parse ${JSON.stringify(rest)} as ${JSON.stringify(element)}`;
    }
    rest = rest.slice(taken.length);
  }
  return `parsing time ${JSON.stringify(text)}: extra text: ${JSON.stringify(rest)}`;
}
