/**
 * Names: the rules that names, label keys and values, port names and the like must keep.
 *
 * Each rule answers a list of messages, empty when the value is good, worded as
 * k8s.io/apimachinery/pkg/util/validation. Which field must keep which rule stands in apiserver/resources.
 */

/** Checks a value; the messages say what is wrong with it. One that is absent in an object counts as empty, as in Go. */
export type Rule = (value: string) => readonly string[];

const GOOD: readonly string[] = Object.freeze([]);

export const emptyError = "must be non-empty";
export const maxLengthError = (limit: number): string => `must be no more than ${limit} bytes`;
export const rangeError = (low: number, high: number): string => `must be between ${low} and ${high}, inclusive`;

export function patternError(message: string, pattern: string, ...examples: string[]): string {
  const shown = examples.map((one) => `'${one}', `).join(" or ");
  return `${message} (${shown ? `e.g. ${shown}` : ""}regex used for validation is '${pattern}')`;
}

interface Pattern {
  readonly pattern: string;
  readonly max: number;
  readonly message: string;
  readonly examples: readonly string[];
}

const LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const SUBDOMAIN = `${LABEL}(\\.${LABEL})*`;
const QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";

/** The rules that are one pattern and one length. */
const patterns = {
  dns1123Label: {
    pattern: LABEL,
    max: 63,
    message:
      "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
    examples: ["my-name", "123-abc"],
  },
  dns1123Subdomain: {
    pattern: SUBDOMAIN,
    max: 253,
    message:
      "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
    examples: ["example.com"],
  },
  subdomainWithUnderscores: {
    pattern: "[a-z0-9_]([-_a-z0-9]*[a-z0-9_])?(\\.[a-z0-9_]([-_a-z0-9]*[a-z0-9_])?)*",
    max: 253,
    message:
      "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
    examples: ["example.com"],
  },
  dns1035Label: {
    pattern: "[a-z]([-a-z0-9]*[a-z0-9])?",
    max: 63,
    message:
      "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
    examples: ["my-name", "abc-123"],
  },
  wildcardDns1123Subdomain: {
    pattern: `\\*\\.${SUBDOMAIN}`,
    max: 253,
    message:
      "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
    examples: ["*.example.com"],
  },
  labelValue: {
    pattern: `(${QUALIFIED})?`,
    max: 63,
    message:
      "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
    examples: ["MyValue", "my_value", "12345"],
  },
  cIdentifier: {
    pattern: "[A-Za-z_][A-Za-z0-9_]*",
    max: Number.POSITIVE_INFINITY,
    message:
      "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_'",
    examples: ["my_name", "MY_NAME", "MyName"],
  },
  httpHeaderName: {
    pattern: "[-A-Za-z0-9]+",
    max: Number.POSITIVE_INFINITY,
    message: "a valid HTTP header must consist of alphanumeric characters or '-'",
    examples: ["X-Header-Name"],
  },
  percent: {
    pattern: "[0-9]+%",
    max: Number.POSITIVE_INFINITY,
    message: "a valid percent string must be a numeric string followed by an ending '%'",
    examples: ["1%", "93%"],
  },
} as const satisfies Record<string, Pattern>;

function ruleOf({ pattern, max, message, examples }: Pattern): Rule {
  const regexp = new RegExp(`^(?:${pattern})$`);
  const mismatch = patternError(message, pattern, ...examples);
  return (value = "") => {
    if (value.length <= max && regexp.test(value)) return GOOD;
    const found: string[] = [];
    if (value.length > max) found.push(maxLengthError(max));
    if (!regexp.test(value)) found.push(mismatch);
    return found;
  };
}

export const dns1123Subdomain: Rule = ruleOf(patterns.dns1123Subdomain);
/** Names of SRV records have underscores, and search paths may lead to them. */
export const subdomainWithUnderscores: Rule = ruleOf(patterns.subdomainWithUnderscores);
export const dns1035Label: Rule = ruleOf(patterns.dns1035Label);
export const wildcardDns1123Subdomain: Rule = ruleOf(patterns.wildcardDns1123Subdomain);
export const labelValue: Rule = ruleOf(patterns.labelValue);
export const cIdentifier: Rule = ruleOf(patterns.cIdentifier);
export const httpHeaderName: Rule = ruleOf(patterns.httpHeaderName);
export const percent: Rule = ruleOf(patterns.percent);

const plainDns1123Label = ruleOf(patterns.dns1123Label);
const LABEL_MISMATCH = patternError(
  patterns.dns1123Label.message,
  patterns.dns1123Label.pattern,
  ...patterns.dns1123Label.examples,
);

/** A value that would be a subdomain is told that dots are its only fault. */
export const dns1123Label: Rule = (value = "") => {
  const found = plainDns1123Label(value);
  if (!found.includes(LABEL_MISMATCH) || !value.includes(".") || dns1123Subdomain(value).length > 0) return found;
  return found.map((message) => (message === LABEL_MISMATCH ? "must not contain dots" : message));
};

const QUALIFIED_REGEXP = new RegExp(`^${QUALIFIED}$`);
const QUALIFIED_MISMATCH = patternError(
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
  QUALIFIED,
  "MyName",
  "my.name",
  "123-abc",
);

/** Label keys, annotation keys, resource names: an optional DNS prefix, a slash, a name. */
export const qualifiedName: Rule = (value = "") => {
  const slash = value.indexOf("/");
  const name = slash < 0 ? value : value.slice(slash + 1);
  if (slash < 0 && name.length <= 63 && QUALIFIED_REGEXP.test(name)) return GOOD;
  if (name.includes("/")) {
    return [
      `a qualified name ${QUALIFIED_MISMATCH} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
    ];
  }
  const found: string[] = [];
  if (slash === 0) found.push(`prefix part ${emptyError}`);
  if (slash > 0) found.push(...dns1123Subdomain(value.slice(0, slash)).map((message) => `prefix part ${message}`));
  if (name.length === 0) found.push(`name part ${emptyError}`);
  else if (name.length > 63) found.push(`name part ${maxLengthError(63)}`);
  if (!QUALIFIED_REGEXP.test(name)) found.push(`name part ${QUALIFIED_MISMATCH}`);
  return found;
};

/** Names that only have to fit into a path: RBAC roles and the like. */
export const pathSegment: Rule = (value = "") => {
  if (value === "." || value === "..") return [`may not be '${value}'`];
  return ["/", "%"].filter((bad) => value.includes(bad)).map((bad) => `may not contain '${bad}'`);
};

const CONFIG_KEY = "[-._a-zA-Z0-9]+";
const CONFIG_KEY_REGEXP = new RegExp(`^${CONFIG_KEY}$`);

/** Keys of a ConfigMap or Secret: they become file names. */
export const configMapKey: Rule = (value = "") => {
  const found: string[] = [];
  if (value.length > 253) found.push(maxLengthError(253));
  if (!CONFIG_KEY_REGEXP.test(value)) {
    found.push(
      patternError(
        "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
        CONFIG_KEY,
        "key.name",
        "KEY_NAME",
        "key-name",
      ),
    );
  }
  if (value === "." || value === "..") found.push(`must not be '${value}'`);
  else if (value.startsWith("..")) found.push("must not start with '..'");
  return found;
};

/** Names of environment variables: printable ASCII without "=". */
export const envName: Rule = (value = "") => {
  if (value === "") return [`environment variable name ${emptyError}`];
  if (/^[ -<>-~]+$/.test(value)) return GOOD;
  return ["a valid environment variable name must consist only of printable ASCII characters other than '='"];
};

/** Names of ports, as IANA allows them. */
export const portName: Rule = (value = "") => {
  if (value.length <= 15 && /^[a-z0-9]+$/.test(value) && /[a-z]/.test(value)) return GOOD;
  const found: string[] = [];
  if (value.length > 15) found.push(maxLengthError(15));
  if (!/^[-a-z0-9]+$/.test(value)) {
    found.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
  }
  if (!/[a-z]/.test(value)) found.push("must contain at least one letter (a-z)");
  if (value.includes("--")) found.push("must not contain consecutive hyphens");
  if (value.startsWith("-") || value.endsWith("-")) found.push("must not begin or end with a hyphen");
  return found;
};

export const portNumber = (value: number): readonly string[] =>
  Number.isInteger(value) && value >= 1 && value <= 65535 ? GOOD : [rangeError(1, 65535)];

/** A rule for generateName: a trailing dash is fine, since more characters will follow. */
export const asPrefix =
  (rule: Rule): Rule =>
  (value) =>
    rule(value.length > 1 && value.endsWith("-") ? `${value.slice(0, -1)}a` : value);
