/**
 * Cron schedules: what is wrong with one, in the words of the parser that Kubernetes uses (robfig/cron).
 *
 * When a schedule is due is reckoned by the controller.
 */

interface Field {
  readonly low: number;
  readonly high: number;
  readonly names?: readonly string[];
}

const FIELDS: readonly Field[] = [
  { low: 0, high: 59 },
  { low: 0, high: 23 },
  { low: 1, high: 31 },
  { low: 1, high: 12, names: ["", ..."jan feb mar apr may jun jul aug sep oct nov dec".split(" ")] },
  { low: 0, high: 6, names: "sun mon tue wed thu fri sat".split(" ") },
];

const DESCRIPTORS: ReadonlySet<string> = new Set([
  "@yearly",
  "@annually",
  "@monthly",
  "@weekly",
  "@daily",
  "@midnight",
  "@hourly",
]);

const DURATION = /^[+-]?((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+$/;
const EVERY = "@every ";

/** Undefined where the schedule is good. */
export function scheduleFault(schedule: string): string | undefined {
  if (schedule === "") return "empty spec string";
  let spec = schedule;
  if (/^(CRON_)?TZ=/.test(spec)) {
    const space = spec.indexOf(" ");
    if (space < 0) return `provided bad location ${spec.slice(spec.indexOf("=") + 1)}: unknown time zone`;
    spec = spec.slice(space).trim();
  }
  if (spec.startsWith("@")) return descriptorFault(spec);
  const fields = spec.trim().split(/\s+/).filter(Boolean);
  if (fields.length !== FIELDS.length) {
    return `expected exactly ${FIELDS.length} fields, found ${fields.length}: [${fields.join(" ")}]`;
  }
  for (const [index, text] of fields.entries()) {
    for (const part of text.split(",").filter(Boolean)) {
      const fault = rangeFault(part, FIELDS[index]!);
      if (fault) return fault;
    }
  }
  return undefined;
}

function descriptorFault(spec: string): string | undefined {
  if (DESCRIPTORS.has(spec)) return undefined;
  if (!spec.startsWith(EVERY)) return `unrecognized descriptor: ${spec}`;
  const duration = spec.slice(EVERY.length);
  if (duration === "0" || DURATION.test(duration)) return undefined;
  return `failed to parse duration ${spec}: time: invalid duration ${JSON.stringify(duration)}`;
}

/** "*", "5", "1-5", and each with a step: "0-30/5". */
function rangeFault(text: string, field: Field): string | undefined {
  const [range = "", ...steps] = text.split("/");
  const ends = range.split("-");
  let [start, end] = [field.low, field.high];
  if (ends[0] !== "*" && ends[0] !== "?") {
    const first = number(ends[0] ?? "", field);
    if (typeof first === "string") return first;
    if (ends.length > 2) return `too many hyphens: ${text}`;
    const last = ends.length === 2 ? number(ends[1] ?? "", field) : first;
    if (typeof last === "string") return last;
    [start, end] = [first, last];
  }
  if (steps.length > 1) return `too many slashes: ${text}`;
  const step = steps.length === 1 ? number(steps[0] ?? "", { ...field, names: [] }) : 1;
  if (typeof step === "string") return step;
  if (steps.length === 1 && ends.length === 1) end = field.high;
  if (start < field.low) return `beginning of range (${start}) below minimum (${field.low}): ${text}`;
  if (end > field.high) return `end of range (${end}) above maximum (${field.high}): ${text}`;
  if (start > end) return `beginning of range (${start}) beyond end of range (${end}): ${text}`;
  return step === 0 ? `step of range should be a positive number: ${text}` : undefined;
}

/** The number, or what is wrong with it. */
function number(text: string, { names }: Field): number | string {
  const named = text === "" ? -1 : (names?.indexOf(text.toLowerCase()) ?? -1);
  if (named >= 0) return named;
  if (!/^[+-]?\d+$/.test(text)) {
    return `failed to parse int from ${text}: strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`;
  }
  const value = Number(text);
  return value < 0 ? `negative number (${value}) not allowed: ${text}` : value;
}
