/**
 * Formats: which texts have the format that a schema asks for. Unknown formats are ignored, as in Kubernetes.
 *
 * The list is that of OpenAPI v3 as Kubernetes supports it for structural schemas.
 * https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation
 */
import { isIPv4, isIPv6 } from "node:net";
import { dns1123Label, qualifiedName } from "../../machinery/objects/names.ts";

type Check = (text: string) => boolean;

const matches =
  (pattern: RegExp): Check =>
  (text) =>
    pattern.test(text);

const UUID = "[0-9a-f]{8}-?[0-9a-f]{4}-?";
const uuid = (version: string) => matches(new RegExp(`^${UUID}${version}[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$`, "i"));
/** Versions 4 and 5 also have the variant's bits. */
const strictUuid = (version: string) =>
  matches(new RegExp(`^${UUID}${version}[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$`, "i"));

const checks: Readonly<Record<string, Check>> = {
  bsonobjectid: matches(/^[0-9a-f]{24}$/i),
  uri: (text) => URL.canParse(text) || /^\/[^\s]*$/.test(text),
  email: matches(/^(?:[^\s@<>]+|[^<>]*<[^\s@<>]+)@[^\s@<>]+>?$/),
  hostname: (text) => text.length <= 255 && text.replace(/\.$/, "").split(".").every(isHostLabel),
  ipv4: isIPv4,
  ipv6: isIPv6,
  cidr: isCidr,
  mac: matches(
    /^(?:(?:[0-9a-f]{2}[:-]){5}(?:(?:[0-9a-f]{2}[:-]){2})?[0-9a-f]{2}|(?:[0-9a-f]{4}\.){2}[0-9a-f]{4}(?:\.[0-9a-f]{4})?)$/i,
  ),
  uuid: uuid("[0-9a-f]"),
  uuid3: uuid("3"),
  uuid4: strictUuid("4"),
  uuid5: strictUuid("5"),
  isbn: (text) => isIsbn10(text) || isIsbn13(text),
  isbn10: isIsbn10,
  isbn13: isIsbn13,
  creditcard: isCreditCard,
  ssn: matches(/^\d{3}[- ]?\d{2}[- ]?\d{4}$/),
  hexcolor: matches(/^#?(?:[0-9a-f]{3}|[0-9a-f]{6})$/i),
  rgbcolor: isRgbColor,
  byte: matches(/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/),
  password: () => true,
  date: isDate,
  datetime: isDateTime,
  duration: isDuration,
  "k8s-short-name": (text) => dns1123Label(text).length === 0,
  "k8s-long-name": (text) => text.length <= 253 && text.split(".").every((part) => dns1123Label(part).length === 0),
  "k8s-label-key": (text) => qualifiedName(text).length === 0,
};

/** Dashes in names do not count, except in those of Kubernetes' own. */
const checkOf = (format: string): Check | undefined => {
  const name = format.startsWith("k8s-") ? format : format.replaceAll("-", "");
  return Object.hasOwn(checks, name) ? checks[name] : undefined;
};

/** True for formats that nobody knows. */
export const hasFormat = (text: string, format: string): boolean => checkOf(format)?.(text) ?? true;

const isHostLabel = (label: string): boolean => /^[a-zA-Z0-9](?:[-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?$/.test(label);

function isCidr(text: string): boolean {
  const [address = "", length = "", more] = text.split("/");
  if (more !== undefined || !/^(?:0|[1-9]\d{0,2})$/.test(length)) return false;
  return (isIPv4(address) && Number(length) <= 32) || (isIPv6(address) && Number(length) <= 128);
}

function isIsbn10(text: string): boolean {
  const digits = text.replace(/[- ]/g, "");
  if (!/^\d{9}[\dXx]$/.test(digits)) return false;
  const sum = [...digits].reduce((total, sign, at) => total + (10 - at) * (/x/i.test(sign) ? 10 : Number(sign)), 0);
  return sum % 11 === 0;
}

function isIsbn13(text: string): boolean {
  const digits = text.replace(/[- ]/g, "");
  if (!/^\d{13}$/.test(digits)) return false;
  return [...digits].reduce((total, sign, at) => total + Number(sign) * (at % 2 === 0 ? 1 : 3), 0) % 10 === 0;
}

function isCreditCard(text: string): boolean {
  const digits = text.replace(/[- ]/g, "");
  if (!/^\d{13,19}$/.test(digits)) return false;
  const sum = [...digits].reverse().reduce((total, sign, at) => {
    const value = Number(sign) * (at % 2 === 0 ? 1 : 2);
    return total + (value > 9 ? value - 9 : value);
  }, 0);
  return sum % 10 === 0;
}

function isRgbColor(text: string): boolean {
  const parts = /^rgb\(\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*\)$/.exec(text);
  return parts?.slice(1).every((part) => Number(part) <= 255) ?? false;
}

function isDate(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false;
  const time = Date.parse(`${text}T00:00:00Z`);
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(text);
}

function isDateTime(text: string): boolean {
  const parts = /^(\d{4}-\d{2}-\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})(?:\.\d+)?(?:[Zz]|[+-]\d{2}:\d{2})$/.exec(text);
  if (!parts || !isDate(parts[1]!)) return false;
  return Number(parts[2]) < 24 && Number(parts[3]) < 60 && Number(parts[4]) <= 60;
}

/** Go's durations, and in addition days and weeks in words: "22 ns", "2 days". */
function isDuration(text: string): boolean {
  if (/^[-+]?(?:0|(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.test(text)) return /^[-+]?0$|[a-zµμ]$/.test(text);
  return /^(?:\d+\s*(?:ns|nano|us|µs|μs|micro|ms|milli|s|sec|m|min|h|hr|hour|d|day|w|wk|week)s?\s*)+$/.test(text);
}
