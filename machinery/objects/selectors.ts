/**
 * Selectors: label selectors (text and objects) and field selectors: parsed, matched, written back.
 *
 * A selector never changes once parsed. Errors are SelectorErrors in Kubernetes' words
 * (k8s.io/apimachinery/pkg/labels and fields); the API server turns them into 400.
 * The text is cut into tokens by selector-lexer.ts.
 */
import { labelValue, qualifiedName } from "./names.ts";
import { SelectorError, type Token, tokenize } from "./selector-lexer.ts";
import type { LabelSelector } from "./wire.ts";

export { SelectorError };

export type Operator = "=" | "==" | "!=" | "in" | "notin" | "exists" | "!" | "gt" | "lt";

export interface Requirement {
  readonly key: string;
  readonly operator: Operator;
  /** Sorted, without repeats. */
  readonly values: readonly string[];
}

/** All requirements must hold. `nothing` matches no object at all. */
export interface Selector {
  readonly requirements: readonly Requirement[];
  readonly nothing?: boolean;
}

export type Labels = Readonly<Record<string, string>>;

export const everything: Selector = Object.freeze({ requirements: Object.freeze([]) });
export const nothing: Selector = Object.freeze({ requirements: Object.freeze([]), nothing: true });

/** Which values a requirement wants of a label; the label may be absent. */
const holds: Record<Operator, (value: string | undefined, values: readonly string[]) => boolean> = {
  "=": (value, [wanted]) => value === wanted,
  "==": (value, [wanted]) => value === wanted,
  "!=": (value, [wanted]) => value !== wanted,
  in: (value, values) => value !== undefined && values.includes(value),
  notin: (value, values) => value === undefined || !values.includes(value),
  exists: (value) => value !== undefined,
  "!": (value) => value === undefined,
  gt: (value, [bound]) => integer(value) !== undefined && integer(value)! > integer(bound)!,
  lt: (value, [bound]) => integer(value) !== undefined && integer(value)! < integer(bound)!,
};

export function matches(selector: Selector, labels: Labels | undefined): boolean {
  if (selector.nothing) return false;
  for (const { key, operator, values } of selector.requirements) {
    const value = labels !== undefined && Object.hasOwn(labels, key) ? labels[key] : undefined;
    if (!holds[operator](value, values)) return false;
  }
  return true;
}

export const isEverything = (selector: Selector): boolean => !selector.nothing && selector.requirements.length === 0;

/** "a=b,c in (d,e),!f" ► Selector. */
export function parseLabelSelector(text: string): Selector {
  const tokens = tokenize(text);
  const requirements: Requirement[] = [];
  let at = 0;
  const peek = (): Token => tokens[at] ?? END;
  const take = (): Token => tokens[at++] ?? END;

  while (peek().kind !== "end") {
    if (!startsRequirement(peek())) {
      throw new SelectorError(`found '${peek().text}', expected: !, identifier, or 'end of string'`);
    }
    try {
      requirements.push(parseRequirement(peek, take));
    } catch (error) {
      throw error instanceof SelectorError ? new SelectorError(`unable to parse requirement: ${error.message}`) : error;
    }
    const next = take();
    if (next.kind === "end") break;
    if (next.text !== ",") throw new SelectorError(`found '${next.text}', expected: ',' or 'end of string'`);
    if (!startsRequirement(peek())) {
      throw new SelectorError(`found '${peek().text}', expected: identifier after ','`);
    }
  }
  return { requirements: requirements.sort(byKey) };
}

const END: Token = { kind: "end", text: "" };
const OPERATORS: Readonly<Record<string, Operator>> = {
  in: "in",
  notin: "notin",
  "=": "=",
  "==": "==",
  "!=": "!=",
  ">": "gt",
  "<": "lt",
};

const startsRequirement = (token: Token): boolean => token.kind === "word" || token.text === "!";

function parseRequirement(peek: () => Token, take: () => Token): Requirement {
  const negated = peek().kind === "symbol" && peek().text === "!";
  if (negated) take();
  const key = take();
  if (key.kind !== "word") throw new SelectorError(`found '${key.text}', expected: identifier`);
  const wrong = qualifiedName(key.text);
  if (wrong.length > 0) throw invalid("<nil>", key.text, wrong.join("; "));
  const after = peek();
  if (negated) return { key: key.text, operator: "!", values: [] };
  if (after.kind === "end" || after.text === ",") return { key: key.text, operator: "exists", values: [] };

  take();
  const operator = OPERATORS[after.text];
  if (!operator) throw new SelectorError(`found '${after.text}', expected: in, notin, =, ==, !=, gt, lt`);
  const values = operator === "in" || operator === "notin" ? parseSet(peek, take) : [parseValue(peek, take)];
  return requirement(key.text, operator, values);
}

function parseValue(peek: () => Token, take: () => Token): string {
  if (peek().kind === "end" || peek().text === ",") return "";
  const value = take();
  if (value.kind !== "word") throw new SelectorError(`found '${value.text}', expected: identifier`);
  return value.text;
}

/** "(a,b)"; an empty place between commas is the empty value. */
function parseSet(peek: () => Token, take: () => Token): string[] {
  const open = take();
  if (open.text !== "(") throw new SelectorError(`found '${open.text}' expected: '('`);
  const values: string[] = [];
  for (;;) {
    values.push(peek().kind === "word" ? take().text : "");
    const next = take();
    if (next.text === ")") return values;
    if (next.text !== ",") throw new SelectorError(`found '${next.text}', expected: ',' or ')'`);
  }
}

/** A checked requirement; the values come out sorted. */
export function requirement(key: string, operator: Operator, values: readonly string[]): Requirement {
  const wrong = qualifiedName(key);
  if (wrong.length > 0) throw invalid("key", key, wrong.join("; "));
  if ((operator === "in" || operator === "notin") && values.length === 0) {
    throw invalid("values", [], "for 'in', 'notin' operators, values set can't be empty");
  }
  const sorted = [...new Set(values)].sort();
  for (const [index, value] of sorted.entries()) {
    if ((operator === "gt" || operator === "lt") && integer(value) === undefined) {
      throw invalid(`values[${index}]`, value, "for 'Gt', 'Lt' operators, the value must be an integer");
    }
    const bad = labelValue(value);
    if (bad.length > 0) throw invalid(`values[${index}][${key}]`, value, bad.join("; "));
  }
  return { key, operator, values: sorted };
}

const EXPRESSION_OPERATORS: Readonly<Record<string, Operator>> = {
  In: "in",
  NotIn: "notin",
  Exists: "exists",
  DoesNotExist: "!",
};

/** A LabelSelector object ► Selector. An absent one selects nothing, an empty one everything. */
export function fromLabelSelector(selector: LabelSelector | undefined | null): Selector {
  if (!selector) return nothing;
  const requirements = Object.entries(selector.matchLabels ?? {}).map(([key, value]) => requirement(key, "=", [value]));
  for (const { key, operator, values } of selector.matchExpressions ?? []) {
    const known = EXPRESSION_OPERATORS[operator];
    if (!known) throw new SelectorError(`${JSON.stringify(operator)} is not a valid label selector operator`);
    requirements.push(requirement(key, known, values ?? []));
  }
  return requirements.length === 0 ? everything : { requirements: requirements.sort(byKey) };
}

/** The selector of a Service or a ReplicationController: a plain map; an empty one selects nothing. */
export function fromMap(labels: Labels | undefined): Selector {
  const entries = Object.entries(labels ?? {});
  if (entries.length === 0) return nothing;
  return {
    requirements: entries.map(([key, value]) => ({ key, operator: "=" as const, values: [value] })).sort(byKey),
  };
}

/** A LabelSelector as `kubectl` and the scale subresource show it. */
export function formatLabelSelector(selector: LabelSelector | undefined | null): string {
  return formatSelector(fromLabelSelector(selector)) || "<none>";
}

const WRITTEN: Record<Operator, (key: string, values: readonly string[]) => string> = {
  "=": (key, [value]) => `${key}=${value}`,
  "==": (key, [value]) => `${key}==${value}`,
  "!=": (key, [value]) => `${key}!=${value}`,
  in: (key, values) => `${key} in (${values.join(",")})`,
  notin: (key, values) => `${key} notin (${values.join(",")})`,
  exists: (key) => key,
  "!": (key) => `!${key}`,
  gt: (key, [value]) => `${key}>${value}`,
  lt: (key, [value]) => `${key}<${value}`,
};

export function formatSelector(selector: Selector): string {
  return selector.requirements.map(({ key, operator, values }) => WRITTEN[operator](key, values)).join(",");
}

function byKey(a: Requirement, b: Requirement): number {
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
}

function integer(text: string | undefined): bigint | undefined {
  return text !== undefined && /^[+-]?\d{1,19}$/.test(text) ? BigInt(text.replace("+", "")) : undefined;
}

function invalid(path: string, value: unknown, detail: string): SelectorError {
  return new SelectorError(`${path}: Invalid value: ${JSON.stringify(value)}: ${detail}`);
}
