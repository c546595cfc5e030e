/**
 * Cron schedules as text: what one says, and what is wrong with one, in the words of the parser that
 * Kubernetes uses (robfig/cron).
 *
 * When a schedule is due: cron.ts.
 * https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/#schedule-syntax
 */

/** Due when the wall clock of a place shows one of the minutes of one of the hours of one of the days. */
export interface Calendar {
  readonly kind: "calendar";
  readonly minutes: readonly number[];
  readonly hours: readonly number[];
  readonly days: ReadonlySet<number>;
  readonly months: ReadonlySet<number>;
  readonly weekdays: ReadonlySet<number>;
  /** Both lists of days say something: a day in either will do. */
  readonly eitherDay: boolean;
  /** The place that the text itself names ("TZ=Asia/Tokyo 0 9 * * *"). */
  readonly zone?: string;
}

/** Due so many seconds after the time before. */
export interface Interval {
  readonly kind: "interval";
  readonly seconds: number;
}

export type Schedule = Calendar | Interval;

/** What is wrong with a schedule. */
export class CronError extends Error {
  override readonly name = "CronError";
}

interface Field {
  readonly low: number;
  readonly high: number;
  readonly names?: readonly string[];
}

const MINUTES: Field = { low: 0, high: 59 };
const HOURS: Field = { low: 0, high: 23 };
const DAYS: Field = { low: 1, high: 31 };
const MONTHS: Field = {
  low: 1,
  high: 12,
  names: ["", ..."jan feb mar apr may jun jul aug sep oct nov dec".split(" ")],
};
const WEEKDAYS: Field = { low: 0, high: 6, names: "sun mon tue wed thu fri sat".split(" ") };
const FIELDS = [MINUTES, HOURS, DAYS, MONTHS, WEEKDAYS] as const;

const DESCRIPTORS: ReadonlyMap<string, string> = new Map([
  ["@yearly", "0 0 1 1 *"],
  ["@annually", "0 0 1 1 *"],
  ["@monthly", "0 0 1 * *"],
  ["@weekly", "0 0 * * 0"],
  ["@daily", "0 0 * * *"],
  ["@midnight", "0 0 * * *"],
  ["@hourly", "0 * * * *"],
]);

const EVERY = "@every ";
const DURATION = /^[+-]?((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+$/;
const UNITS: Readonly<Record<string, number>> = {
  ns: 1e-9,
  us: 1e-6,
  µs: 1e-6,
  μs: 1e-6,
  ms: 1e-3,
  s: 1,
  m: 60,
  h: 3600,
};

/** Undefined where the schedule is good. */
export function scheduleFault(text: string): string | undefined {
  try {
    parseSchedule(text);
    return undefined;
  } catch (error) {
    if (error instanceof CronError) return error.message;
    throw error;
  }
}

/** Throws a CronError. */
export function parseSchedule(text: string): Schedule {
  if (text === "") throw new CronError("empty spec string");
  if (!/^(CRON_)?TZ=/.test(text)) return parseSpec(text, undefined);
  const space = text.indexOf(" ");
  const zone = text.slice(text.indexOf("=") + 1, space < 0 ? undefined : space);
  if (space < 0) throw new CronError(`provided bad location ${zone}: unknown time zone`);
  if (!isZone(zone)) throw new CronError(`provided bad location ${zone}: unknown time zone ${zone}`);
  return parseSpec(text.slice(space).trim(), zone);
}

/** Whether the time zone database has it; a bare offset ("+02:00") is no zone. */
export function isZone(zone: string): boolean {
  if (/^[+-]/.test(zone)) return false;
  try {
    new Intl.DateTimeFormat("en", { timeZone: zone || "UTC" });
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

function parseSpec(spec: string, zone: string | undefined): Schedule {
  if (spec.startsWith(EVERY)) return { kind: "interval", seconds: everySeconds(spec) };
  const fields = (spec.startsWith("@") ? described(spec) : spec).trim().split(/\s+/).filter(Boolean);
  if (fields.length !== FIELDS.length)
    throw new CronError(`expected exactly ${FIELDS.length} fields, found ${fields.length}: [${fields.join(" ")}]`);
  const [minutes, hours, days, months, weekdays] = FIELDS.map((field, at) => parseField(fields[at] ?? "", field)) as [
    Values,
    Values,
    Values,
    Values,
    Values,
  ];
  return {
    kind: "calendar",
    minutes: minutes.list,
    hours: hours.list,
    days: new Set(days.list),
    months: new Set(months.list),
    weekdays: new Set(weekdays.list),
    eitherDay: !days.any && !weekdays.any,
    ...(zone ? { zone } : {}),
  };
}

function described(spec: string): string {
  const meaning = DESCRIPTORS.get(spec);
  if (meaning === undefined) throw new CronError(`unrecognized descriptor: ${spec}`);
  return meaning;
}

/** At least a second, and whole ones. */
function everySeconds(spec: string): number {
  const text = spec.slice(EVERY.length);
  if (text !== "0" && !DURATION.test(text))
    throw new CronError(`failed to parse duration ${spec}: time: invalid duration ${JSON.stringify(text)}`);
  const parts = [...text.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g)];
  const sum = parts.reduce((total, [, amount, unit]) => total + Number(amount) * (UNITS[unit ?? ""] ?? 0), 0);
  return text.startsWith("-") ? 1 : Math.max(1, Math.floor(sum));
}

interface Values {
  /** In order. */
  readonly list: readonly number[];
  /** It says "*" or "?": of the two lists of days it leaves the choice to the other. */
  readonly any: boolean;
}

function parseField(text: string, field: Field): Values {
  const found = new Set<number>();
  let any = false;
  for (const part of text.split(",").filter(Boolean)) {
    const { start, end, step, star } = parseRange(part, field);
    for (let value = start; value <= end; value += step) found.add(value);
    any ||= star;
  }
  return { list: [...found].sort((a, b) => a - b), any };
}

/** "*", "5", "1-5", and each with a step: "0-30/5"; "5/15" goes on to the field's end. */
function parseRange(text: string, field: Field) {
  const [range = "", ...steps] = text.split("/");
  const ends = range.split("-");
  let [start, end] = [field.low, field.high];
  const wild = ends[0] === "*" || ends[0] === "?";
  if (!wild) {
    start = parseNumber(ends[0] ?? "", field);
    if (ends.length > 2) throw new CronError(`too many hyphens: ${text}`);
    end = ends.length === 2 ? parseNumber(ends[1] ?? "", field) : start;
  }
  if (steps.length > 1) throw new CronError(`too many slashes: ${text}`);
  const step = steps.length === 1 ? parseNumber(steps[0] ?? "", { ...field, names: [] }) : 1;
  if (steps.length === 1 && ends.length === 1) end = field.high;
  if (start < field.low) throw new CronError(`beginning of range (${start}) below minimum (${field.low}): ${text}`);
  if (end > field.high) throw new CronError(`end of range (${end}) above maximum (${field.high}): ${text}`);
  if (start > end) throw new CronError(`beginning of range (${start}) beyond end of range (${end}): ${text}`);
  if (step === 0) throw new CronError(`step of range should be a positive number: ${text}`);
  return { start, end, step, star: wild && step === 1 };
}

function parseNumber(text: string, { names }: Field): number {
  const named = text === "" ? -1 : (names?.indexOf(text.toLowerCase()) ?? -1);
  if (named >= 0) return named;
  if (!/^[+-]?\d+$/.test(text)) {
    const quoted = JSON.stringify(text);
    throw new CronError(`failed to parse int from ${text}: strconv.Atoi: parsing ${quoted}: invalid syntax`);
  }
  const value = Number(text);
  if (value < 0) throw new CronError(`negative number (${value}) not allowed: ${text}`);
  return value;
}
