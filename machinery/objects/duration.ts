/**
 * Durations as kubectl shows them: "5s", "3m20s", "2d4h".
 *
 * Wording: k8s.io/apimachinery/pkg/util/duration.
 */

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const YEAR = 365 * DAY;

/** Below `until` seconds: the number of `unit`s, and of `rest`s behind it unless that is 0. */
const STEPS: readonly { until: number; unit: [number, string]; rest?: [number, string] }[] = [
  { until: 2 * MINUTE, unit: [1, "s"] },
  { until: 10 * MINUTE, unit: [MINUTE, "m"], rest: [1, "s"] },
  { until: 3 * HOUR, unit: [MINUTE, "m"] },
  { until: 8 * HOUR, unit: [HOUR, "h"], rest: [MINUTE, "m"] },
  { until: 2 * DAY, unit: [HOUR, "h"] },
  { until: 8 * DAY, unit: [DAY, "d"], rest: [HOUR, "h"] },
  { until: 2 * YEAR, unit: [DAY, "d"] },
  { until: 8 * YEAR, unit: [YEAR, "y"], rest: [DAY, "d"] },
  { until: Number.POSITIVE_INFINITY, unit: [YEAR, "y"] },
];

export function humanDuration(ms: number): string {
  const seconds = Math.trunc(ms / 1000);
  if (seconds < -1) return "<invalid>";
  if (seconds < 0) return "0s";
  const step = STEPS.find(({ until }) => seconds < until)!;
  const [size, name] = step.unit;
  const whole = `${Math.floor(seconds / size)}${name}`;
  if (!step.rest) return whole;
  const [restSize, restName] = step.rest;
  const rest = Math.floor((seconds % size) / restSize);
  return rest === 0 ? whole : `${whole}${rest}${restName}`;
}

/** As Go writes a duration, in milliseconds at most: "15.203s", "1m0s". */
export function durationText(ms: number): string {
  const whole = Math.round(ms);
  const minutes = Math.floor(whole / 60_000);
  const seconds = `${(whole % 60_000) / 1000}s`;
  if (minutes === 0) return whole > 0 && whole < 1000 ? `${whole}ms` : seconds;
  const hours = Math.floor(minutes / 60);
  return `${hours > 0 ? `${hours}h` : ""}${minutes % 60}m${seconds}`;
}

/** The age of a wire time at `now`; "<unknown>" where there is none. */
export function age(since: string | undefined | null, now: number): string {
  return since ? humanDuration(now - Date.parse(since)) : "<unknown>";
}
