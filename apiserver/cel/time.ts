/**
 * Time: timestamps and durations as text, read and written as Go does.
 */
import { CelRuntimeError } from "./contract.ts";
import { Duration, Timestamp } from "./values.ts";

const SECOND = 1_000_000_000n;
const units: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  μs: 1_000n,
  ms: 1_000_000n,
  s: SECOND,
  m: 60n * SECOND,
  h: 3600n * SECOND,
};

const maxSeconds = 253_402_300_799n;
const minSeconds = -62_135_596_800n;
const MAX_DURATION = 2n ** 63n - 1n;

/** RFC 3339; also "2020-01-02", which the format "date" has. */
export function parseTimestamp(text: string): Timestamp {
  const match =
    /^(\d{4})-(\d\d)-(\d\d)(?:[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:([Zz])|([+-])(\d\d):(\d\d)))?$/.exec(text);
  if (!match) throw new CelRuntimeError(`type conversion error from 'string' to 'google.protobuf.Timestamp'`);
  const [, year, month, day, hour = "0", minute = "0", second = "0", fraction = "", , sign, offHour, offMinute] = match;
  const date = new Date(0);
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  date.setUTCHours(Number(hour), Number(minute), Number(second));
  const legal =
    date.getUTCMonth() === Number(month) - 1 &&
    date.getUTCDate() === Number(day) &&
    Number(hour) < 24 &&
    Number(minute) < 60 &&
    Number(second) < 60;
  if (!legal) throw new CelRuntimeError(`type conversion error from 'string' to 'google.protobuf.Timestamp'`);
  const offset = sign ? (sign === "-" ? 1 : -1) * (Number(offHour) * 3600 + Number(offMinute) * 60) : 0;
  const seconds = BigInt(date.getTime() / 1000 + offset);
  return checkedTimestamp(seconds * SECOND + BigInt(fraction.padEnd(9, "0") || "0"));
}

export function checkedTimestamp(nanos: bigint): Timestamp {
  const seconds = floorDivide(nanos, SECOND);
  if (seconds < minSeconds || seconds > maxSeconds) throw new CelRuntimeError("timestamp overflow");
  return new Timestamp(nanos);
}

export function checkedDuration(nanos: bigint): Duration {
  if (nanos > MAX_DURATION || nanos < -MAX_DURATION - 1n) throw new CelRuntimeError("duration overflow");
  return new Duration(nanos);
}

/** "1h30m", "-1.5s", "0". */
export function parseDuration(text: string): Duration {
  const bad = new CelRuntimeError(`type conversion error from 'string' to 'google.protobuf.Duration'`);
  const sign = /^[+-]/.exec(text)?.[0] ?? "";
  const rest = text.slice(sign.length);
  if (rest === "0") return new Duration(0n);
  let total = 0n;
  let end = 0;
  for (const match of rest.matchAll(/(\d*)(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h)/gy)) {
    const [whole, digits = "", fraction = "", unit = ""] = match;
    if (digits === "" && fraction === "") throw bad;
    const size = units[unit] ?? 0n;
    total += BigInt(digits || "0") * size;
    if (fraction !== "") total += (BigInt(fraction) * size) / 10n ** BigInt(fraction.length);
    end += whole.length;
  }
  if (end === 0 || end !== rest.length) throw bad;
  return checkedDuration(sign === "-" ? -total : total);
}

/** Without trailing zeros: "2020-01-02T03:04:05.5Z". */
export function timestampText({ nanos }: Timestamp): string {
  const seconds = floorDivide(nanos, SECOND);
  const text = new Date(Number(seconds) * 1000).toISOString().slice(0, 19);
  return `${text}${fractionText(nanos - seconds * SECOND)}Z`;
}

/** As the protobuf JSON form: "5400s", "1.5s". */
export function durationText({ nanos }: Duration): string {
  const size = nanos < 0n ? -nanos : nanos;
  return `${nanos < 0n ? "-" : ""}${size / SECOND}${fractionText(size % SECOND)}s`;
}

const fractionText = (nanos: bigint): string =>
  nanos === 0n ? "" : `.${nanos.toString().padStart(9, "0").replace(/0+$/, "")}`;

export function floorDivide(a: bigint, b: bigint): bigint {
  const quotient = a / b;
  return a % b < 0n ? quotient - 1n : quotient;
}
