/** Durations as Go reads them: "1m30s", "500ms", "0". */
import { CommandError } from "./errors.ts";

const UNITS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** Milliseconds. */
export function goDuration(text: string): number {
  const match = /^([+-]?)((?:\d+(?:\.\d*)?(?:ns|us|µs|ms|s|m|h))+)$/.exec(text);
  if (text === "0") return 0;
  if (!match) throw new CommandError(`time: invalid duration ${JSON.stringify(text)}`);
  let total = 0;
  for (const [, number, unit] of match[2]!.matchAll(/(\d+(?:\.\d*)?)(ns|us|µs|ms|s|m|h)/g)) {
    total += Number(number) * UNITS[unit!]!;
  }
  return match[1] === "-" ? -total : total;
}
