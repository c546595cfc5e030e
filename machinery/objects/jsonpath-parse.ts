/**
 * JSONPath templates, parsed: kubectl's dialect. Evaluation is in jsonpath.ts.
 *
 * Text stands outside of braces; inside are paths, quoted text, `range` and `end`.
 * https://kubernetes.io/docs/reference/kubectl/jsonpath/
 */
export class JsonPathError extends Error {
  override readonly name = "JsonPathError";
}

export type Step =
  | { readonly kind: "field"; readonly name: string }
  | { readonly kind: "wildcard" }
  | { readonly kind: "recursive" }
  | { readonly kind: "slice"; readonly from?: number; readonly to?: number; readonly step?: number }
  | { readonly kind: "union"; readonly members: readonly (readonly Step[])[] }
  | { readonly kind: "filter"; readonly left: Operand; readonly operator: string; readonly right?: Operand };

export type Operand =
  | { readonly kind: "path"; readonly path: Path }
  | { readonly kind: "literal"; readonly value: string | number | boolean };

export interface Path {
  /** `$` starts at the whole object, anything else at the current one. */
  readonly root: boolean;
  readonly steps: readonly Step[];
}

export type Node =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "path"; readonly path: Path }
  | { readonly kind: "range"; readonly path: Path; readonly body: readonly Node[] };

export function parseTemplate(template: string): readonly Node[] {
  try {
    return parseNodes(template);
  } catch (error) {
    throw new JsonPathError(`error parsing jsonpath ${template}, ${(error as Error).message}`);
  }
}

function parseNodes(template: string): readonly Node[] {
  const stack: { path?: Path; body: Node[] }[] = [{ body: [] }];
  const top = () => stack.at(-1)!.body;
  let at = 0;
  while (at < template.length) {
    const open = template.indexOf("{", at);
    if (open < 0 || open > at) top().push({ kind: "text", text: template.slice(at, open < 0 ? undefined : open) });
    if (open < 0) break;
    const close = closing(template, open);
    const inside = template.slice(open + 1, close).trim();
    at = close + 1;
    if (inside === "end") {
      const range = stack.pop();
      if (!range?.path) throw fault("not in range, nothing to end");
      top().push({ kind: "range", path: range.path, body: range.body });
    } else if (/^range\b/.test(inside)) stack.push({ path: parsePath(inside.slice(5).trim()), body: [] });
    else top().push(...parseInside(inside));
  }
  if (stack.length > 1) throw fault("unterminated range");
  return stack[0]!.body;
}

const fault = (message: string) => new JsonPathError(message);

/** Index of the brace that closes the one at `open`, quotes skipped. */
function closing(template: string, open: number): number {
  let quote = "";
  for (let at = open + 1; at < template.length; at++) {
    const sign = template[at]!;
    if (quote !== "") {
      if (sign === "\\") at++;
      else if (sign === quote) quote = "";
    } else if (sign === '"' || sign === "'") quote = sign;
    else if (sign === "}") return at;
  }
  throw fault("unclosed action");
}

function parseInside(inside: string): Node[] {
  const nodes: Node[] = [];
  let rest = inside;
  while (rest !== "") {
    const quoted = /^"((?:[^"\\]|\\.)*)"|^'((?:[^'\\]|\\.)*)'/.exec(rest);
    if (quoted) {
      nodes.push({ kind: "text", text: plain(quoted[1] ?? quoted[2] ?? "") });
      rest = rest.slice(quoted[0].length).trim();
      continue;
    }
    const end = pathEnd(rest);
    nodes.push({ kind: "path", path: parsePath(rest.slice(0, end)) });
    rest = rest.slice(end).trim();
  }
  return nodes;
}

/** Where a path ends: at a space outside of brackets. */
function pathEnd(text: string): number {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === "[") depth++;
    else if (text[at] === "]") depth--;
    else if (depth === 0 && /\s/.test(text[at]!)) return at;
  }
  return text.length;
}

const ESCAPES: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r" };
const plain = (text: string) => text.replace(/\\(.)/g, (_all, sign: string) => ESCAPES[sign] ?? sign);

export function parsePath(text: string): Path {
  let rest = text;
  const root = rest.startsWith("$");
  if (rest.startsWith("$") || rest.startsWith("@")) rest = rest.slice(1);
  const steps: Step[] = [];
  while (rest !== "") {
    const { step, length } = parseStep(rest);
    steps.push(...step);
    rest = rest.slice(length);
  }
  return { root, steps };
}

function parseStep(rest: string): { step: Step[]; length: number } {
  if (rest.startsWith("..")) return { step: [{ kind: "recursive" }], length: rest[2] === "[" ? 2 : 1 };
  if (rest === ".") return { step: [], length: 1 };
  if (rest.startsWith(".*")) return { step: [{ kind: "wildcard" }], length: 2 };
  if (rest.startsWith("*")) return { step: [{ kind: "wildcard" }], length: 1 };
  if (rest.startsWith(".[")) return { step: [], length: 1 };
  if (rest.startsWith("[")) {
    const end = bracketEnd(rest);
    return { step: parseBracket(rest.slice(1, end)), length: end + 1 };
  }
  const field = /^\.?((?:[^.[\]\\\s]|\\.)+)/.exec(rest);
  if (!field) throw fault(`unrecognized character in action: ${JSON.stringify(rest[0])}`);
  return { step: [{ kind: "field", name: field[1]!.replace(/\\(.)/g, "$1") }], length: field[0].length };
}

function bracketEnd(text: string): number {
  let depth = 0;
  let quote = "";
  for (let at = 0; at < text.length; at++) {
    const sign = text[at]!;
    if (quote !== "") {
      if (sign === "\\") at++;
      else if (sign === quote) quote = "";
    } else if (sign === '"' || sign === "'") quote = sign;
    else if (sign === "[") depth++;
    else if (sign === "]" && --depth === 0) return at;
  }
  throw fault("unterminated array");
}

function parseBracket(inside: string): Step[] {
  const text = inside.trim();
  const filter = /^\?\((.*)\)$/s.exec(text);
  if (filter) return [parseFilter(filter[1]!.trim())];
  if (text === "*") return [{ kind: "wildcard" }];
  const members = splitOutside(text, ",").map(parseMember);
  return members.length === 1 ? members[0]! : [{ kind: "union", members }];
}

/** A quoted member is a path of its own: `['metadata.name']` goes down two fields, dots in a key are escaped. */
function parseMember(text: string): Step[] {
  const member = text.trim();
  const quoted = /^'([^']*)'$|^"([^"]*)"$/.exec(member);
  if (quoted) return [...parsePath(`.${quoted[1] ?? quoted[2] ?? ""}`).steps];
  return [parseIndex(member)];
}

function parseIndex(member: string): Step {
  const slice = /^(-?\d*)(?::(-?\d*))?(?::(-?\d*))?$/.exec(member);
  if (!slice || member === "") throw fault(`invalid array index ${member}`);
  const number = (part: string | undefined) => (part === undefined || part === "" ? undefined : Number(part));
  const from = number(slice[1]);
  if (!member.includes(":") && from !== undefined) {
    return { kind: "slice", from, ...(from === -1 ? {} : { to: from + 1 }), step: 1 };
  }
  const to = number(slice[2]);
  const step = number(slice[3]);
  return {
    kind: "slice",
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
    ...(step === undefined ? {} : { step }),
  };
}

const OPERATORS = ["==", "!=", "<=", ">=", "<", ">"];

function parseFilter(text: string): Step {
  for (const operator of OPERATORS) {
    const parts = splitOutside(text, operator);
    if (parts.length === 2) {
      return { kind: "filter", left: parseOperand(parts[0]!), operator, right: parseOperand(parts[1]!) };
    }
  }
  return { kind: "filter", left: parseOperand(text), operator: "exists" };
}

function parseOperand(text: string): Operand {
  const operand = text.trim();
  const quoted = /^'((?:[^'\\]|\\.)*)'$|^"((?:[^"\\]|\\.)*)"$/.exec(operand);
  if (quoted) return { kind: "literal", value: plain(quoted[1] ?? quoted[2] ?? "") };
  if (/^-?\d+(\.\d+)?$/.test(operand)) return { kind: "literal", value: Number(operand) };
  if (operand === "true" || operand === "false") return { kind: "literal", value: operand === "true" };
  return { kind: "path", path: parsePath(operand) };
}

/** Splits where `by` stands outside of quotes and brackets. */
function splitOutside(text: string, by: string): string[] {
  const parts: string[] = [];
  let quote = "";
  let depth = 0;
  let start = 0;
  for (let at = 0; at < text.length; at++) {
    const sign = text[at]!;
    if (quote !== "") {
      if (sign === "\\") at++;
      else if (sign === quote) quote = "";
    } else if (sign === '"' || sign === "'") quote = sign;
    else if (sign === "[" || sign === "(") depth++;
    else if (sign === "]" || sign === ")") depth--;
    else if (depth === 0 && text.startsWith(by, at)) {
      parts.push(text.slice(start, at));
      start = at + by.length;
      at = start - 1;
    }
  }
  return [...parts, text.slice(start)];
}
