/**
 * Formats: named rules for text, each telling what is wrong: `format.dns1123Label().validate(name)`.
 */
import {
  asPrefix,
  dns1035Label,
  dns1123Label,
  dns1123Subdomain,
  labelValue,
  qualifiedName,
  type Rule,
} from "../../../machinery/objects/names.ts";
import { fixed, patternCost, patternEstimate, UNKNOWN } from "../costing.ts";
import { type Costing, global, list, member, type Overload, opaque, optional, types } from "../declarations.ts";
import { ArrayList, none, Opaque, Optional, sizeOf, type Value } from "../values.ts";
import { parseUrl } from "./urls.ts";

const { string } = types;
const formatType = opaque("kubernetes.NamedFormat");

class Format extends Opaque {
  readonly typeName = "kubernetes.NamedFormat";
  readonly label: string;
  readonly rule: Rule;
  readonly patternSize: number;
  constructor(label: string, patternSize: number, rule: Rule) {
    super();
    this.label = label;
    this.rule = rule;
    this.patternSize = patternSize;
  }
  equals(other: Opaque): boolean {
    return other instanceof Format && other.label === this.label;
  }
}

/** One message where a test fails. */
const rule =
  (holds: (text: string) => boolean, message: string): Rule =>
  (text) =>
    holds(text) ? [] : [message];

const uuid = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i;
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})$/;
const dateTime = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/;

function isDate(text: string): boolean {
  if (!/^\d{4}-\d\d-\d\d$/.test(text)) return false;
  const time = Date.parse(`${text}T00:00:00Z`);
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(text);
}

const uri: Rule = (text) => {
  const parts = parseUrl(text);
  return typeof parts === "string" ? [parts] : [];
};

const formats: Readonly<Record<string, Format>> = {
  dns1123Label: new Format("DNS1123Label", 30, dns1123Label),
  dns1123Subdomain: new Format("DNS1123Subdomain", 60, dns1123Subdomain),
  dns1035Label: new Format("DNS1035Label", 30, dns1035Label),
  qualifiedName: new Format("QualifiedName", 60, qualifiedName),
  dns1123LabelPrefix: new Format("DNS1123LabelPrefix", 30, asPrefix(dns1123Label)),
  dns1123SubdomainPrefix: new Format("DNS1123SubdomainPrefix", 60, asPrefix(dns1123Subdomain)),
  dns1035LabelPrefix: new Format("DNS1035LabelPrefix", 30, asPrefix(dns1035Label)),
  labelValue: new Format("LabelValue", 40, labelValue),
  uri: new Format("URI", 2000, uri),
  uuid: new Format(
    "uuid",
    92,
    rule((text) => uuid.test(text), "does not match the UUID format"),
  ),
  byte: new Format(
    "byte",
    80,
    rule((text) => base64.test(text), "invalid base64"),
  ),
  date: new Format("date", 210, rule(isDate, "invalid date")),
  datetime: new Format(
    "datetime",
    210,
    rule((text) => dateTime.test(text) && isDate(text.slice(0, 10)), "invalid datetime"),
  ),
};

function validate(format: Format, text: string): Value {
  const wrong = format.rule(text);
  return wrong.length === 0 ? none : new Optional(new ArrayList([...wrong]));
}

const LONGEST = 2000;
const validating: Costing = {
  cost: ([format, text]) => patternCost(sizeOf(text), (format as Format).patternSize),
  estimate: (args) => ({ cost: patternEstimate(args[1]?.size ?? UNKNOWN, { min: 0, max: LONGEST }) }),
};

export const namedFormats: readonly Overload[] = [
  ...Object.entries(formats).map(([name, format]) =>
    global(`format.${name}`, `format.${name}`, [], formatType, () => format),
  ),
  global(
    "format.named",
    "format-named",
    [string],
    optional(formatType),
    (name: string) => (Object.hasOwn(formats, name) ? new Optional(formats[name]) : none),
    fixed(1),
  ),
  member("validate", "format-validate", [formatType, string], optional(list(string)), validate, validating),
];

export const formatTypes = { "kubernetes.NamedFormat": formatType } as const;
