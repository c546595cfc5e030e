/**
 * Semver: semantic versions, compared by their precedence.
 */
import { CelRuntimeError } from "../contract.ts";
import { fixed, walks } from "../costing.ts";
import { global, member, type Overload, opaque, types } from "../declarations.ts";
import { Opaque } from "../values.ts";

const { bool, int, string } = types;
const semverType = opaque("kubernetes.Semver");

const number = "(?:0|[1-9]\\d*)";
const label = "(?:0|[1-9]\\d*|\\d*[A-Za-z-][0-9A-Za-z-]*)";
const pattern = new RegExp(
  `^(${number})\\.(${number})\\.(${number})(?:-(${label}(?:\\.${label})*))?(?:\\+[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*)?$`,
);

class Semver extends Opaque {
  readonly typeName = "kubernetes.Semver";
  readonly numbers: readonly bigint[];
  readonly labels: readonly string[];
  constructor(numbers: readonly bigint[], labels: readonly string[]) {
    super();
    this.numbers = numbers;
    this.labels = labels;
  }
  equals(other: Opaque): boolean {
    return other instanceof Semver && compare(this, other) === 0;
  }
}

const sign = (a: bigint | string | number, b: bigint | string | number): number => (a < b ? -1 : a > b ? 1 : 0);

function compare(a: Semver, b: Semver): number {
  for (let index = 0; index < 3; index++) {
    const order = sign(a.numbers[index] as bigint, b.numbers[index] as bigint);
    if (order !== 0) return order;
  }
  if (a.labels.length === 0 || b.labels.length === 0) return sign(b.labels.length, a.labels.length);
  for (let index = 0; index < Math.min(a.labels.length, b.labels.length); index++) {
    const order = compareLabels(a.labels[index] as string, b.labels[index] as string);
    if (order !== 0) return order;
  }
  return sign(a.labels.length, b.labels.length);
}

/** Numbers come before words. */
function compareLabels(a: string, b: string): number {
  const [x, y] = [/^\d+$/.test(a), /^\d+$/.test(b)];
  if (x && y) return sign(BigInt(a), BigInt(b));
  if (x !== y) return x ? -1 : 1;
  return sign(a, b);
}

/** Without "v", leading zeros and with the parts that are missing; undefined where nothing can be made of it. */
function normalized(text: string): string | undefined {
  const [major = "", minor, ...more] = text.replace(/^v/, "").split(".");
  const parts = [major, ...(minor === undefined ? [] : [minor]), ...(more.length === 0 ? [] : [more.join(".")])];
  const trimmed = parts.map((part) =>
    part.length > 1 ? part.replace(/^0+(?=\d)/, "").replace(/^0+(?=\D)/, "0") : part,
  );
  if (trimmed.length < 3 && /[+-]/.test(trimmed.at(-1) ?? "")) return undefined;
  while (trimmed.length < 3) trimmed.push("0");
  return trimmed.join(".");
}

function parsed(text: string, normalize = false): Semver | undefined {
  const match = pattern.exec(normalize ? (normalized(text) ?? "") : text);
  if (!match) return undefined;
  const [, major = "", minor = "", patch = "", labels = ""] = match;
  return new Semver([major, minor, patch].map(BigInt), labels === "" ? [] : labels.split("."));
}

function toSemver(text: string, normalize = false): Semver {
  const version = parsed(text, normalize);
  if (version) return version;
  throw new CelRuntimeError(text === "" ? "Version string empty" : explain(text));
}

function explain(text: string): string {
  const parts = text.split(".");
  if (parts.length < 3) return "No Major.Minor.Patch elements found";
  const bad = parts.slice(0, 2).find((part) => !/^\d+$/.test(part));
  if (bad !== undefined) return `Invalid character(s) found in ${bad === parts[0] ? "major" : "minor"} number "${bad}"`;
  const zero = parts.slice(0, 2).find((part) => /^0\d/.test(part));
  if (zero !== undefined)
    return `${zero === parts[0] ? "Major" : "Minor"} number must not contain leading zeroes "${zero}"`;
  return `Invalid character(s) found in patch number "${parts.slice(2).join(".")}"`;
}

const one = fixed(1);
const two = [semverType, semverType];
const part = (name: string, index: number): Overload =>
  member(name, `semver_${name}`, [semverType], int, ({ numbers }: Semver) => numbers[index] as bigint, one);

export const semvers: readonly Overload[] = [
  global("semver", "string_to_semver", [string], semverType, toSemver, walks(0)),
  global("semver", "string_bool_to_semver", [string, bool], semverType, toSemver, walks(0)),
  global("isSemver", "is_semver_string", [string], bool, (text: string) => parsed(text) !== undefined, walks(0)),
  global(
    "isSemver",
    "is_semver_string_bool",
    [string, bool],
    bool,
    (text: string, normalize: boolean) => parsed(text, normalize) !== undefined,
    walks(0),
  ),
  member("isGreaterThan", "semver_is_greater_than", two, bool, (a: Semver, b: Semver) => compare(a, b) > 0, one),
  member("isLessThan", "semver_is_less_than", two, bool, (a: Semver, b: Semver) => compare(a, b) < 0, one),
  member("compareTo", "semver_compare_to", two, int, (a: Semver, b: Semver) => BigInt(compare(a, b)), one),
  part("major", 0),
  part("minor", 1),
  part("patch", 2),
];

export const semverTypes = { "kubernetes.Semver": semverType } as const;
