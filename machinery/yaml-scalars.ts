/**
 * YAML scalars: what a plain word means, by YAML 1.1 as Kubernetes reads it.
 *
 * The reader (yaml.ts) resolves by it, the writer (yaml-writer.ts) quotes by it: they cannot disagree.
 * Octal numbers are read; times and dates never are.
 */
import type { Scalar } from "yaml";
import { integerOf, isBigInteger } from "./objects/json.ts";

const words = new Map<string, boolean | null>();
for (const [value, forms] of [
  [true, "y Y yes Yes YES true True TRUE on On ON"],
  [false, "n N no No NO false False FALSE off Off OFF"],
  [null, "~ null Null NULL"],
] as const) {
  for (const form of forms.split(" ")) words.set(form, value);
}
words.set("", null);

const INTEGER = /^([-+]?)(0x[0-9a-fA-F]+|0o?[0-7]+|0b[01]+|[1-9]\d*|0)$/;
const FLOAT = /^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$/;
const SPECIAL_FLOAT = /^([-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$/;

/** The value of an unquoted, untagged word. Integers beyond 2^53 come as BigIntegers. */
export function resolvePlain(text: string): unknown {
  const word = words.get(text);
  if (word !== undefined) return word;
  if (!/^[-+.0-9]/.test(text)) return text;
  const plain = text.replaceAll("_", "");
  const integer = INTEGER.exec(plain);
  if (integer) return wholeNumber(integer[1] === "-", integer[2]!) ?? Number(plain);
  if (FLOAT.test(plain)) return Number(plain);
  return SPECIAL_FLOAT.test(text) ? Number.NaN : text;
}

/** Beyond 64 bits there are no integers: undefined, and the float reading counts. */
function wholeNumber(negative: boolean, digits: string): unknown {
  const octal = /^0o?([0-7]+)$/.exec(digits);
  const size = BigInt(octal ? `0o${octal[1]}` : digits);
  const value = negative ? -size : size;
  if (value >= 2n ** 64n || value < -(2n ** 63n)) return undefined;
  return integerOf(value);
}

/** A scalar node's value: quoted ones are strings, tags decide where given. */
export function resolveScalar(node: Scalar, fail: (message: string) => never): unknown {
  const text = typeof node.value === "string" ? node.value : (node.source ?? "");
  const plain = node.type === "PLAIN" || node.type === undefined;
  const tag = node.tag?.replace("tag:yaml.org,2002:", "!!");
  if (tag === "!!binary") return Buffer.from(text, "base64").toString();
  if (tag === "!!str" || tag === "!" || (!plain && tag === undefined)) return text;
  const value = resolvePlain(text);
  if (typeof value === "number" && !Number.isFinite(value)) fail(`${text} cannot be written in JSON`);
  if (tag !== undefined && !(TAGGED[tag] ?? (() => true))(value)) {
    fail(`cannot decode ${JSON.stringify(text)} as a ${tag}`);
  }
  if (tag === "!!float" && isBigInteger(value)) return Number(text);
  return value;
}

const isNumber = (value: unknown): boolean => typeof value === "number" || isBigInteger(value);
const TAGGED: Readonly<Record<string, (value: unknown) => boolean>> = {
  "!!int": isNumber,
  "!!float": isNumber,
  "!!bool": (value) => typeof value === "boolean",
  "!!null": (value) => value === null,
};
