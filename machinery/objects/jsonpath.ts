/**
 * JSONPath, evaluated: templates to text, paths to values. The syntax is in jsonpath-parse.ts.
 *
 * Fields that are missing yield nothing, an index out of bounds is an error, as in kubectl. Throws a JsonPathError.
 */
import { isBigInteger } from "./json.ts";
import {
  JsonPathError,
  type Node,
  type Operand,
  type Path,
  parsePath,
  parseTemplate,
  type Step,
} from "./jsonpath-parse.ts";

/** Prints an object by a template. */
export function compileTemplate(template: string): (object: unknown) => string {
  const nodes = parseTemplate(template);
  return (object) => render(nodes, object, object);
}

/** All values that a path finds. Takes `{.a.b}`, `.a.b` and `a.b` alike. */
export function compilePath(text: string): (object: unknown) => readonly unknown[] {
  const bare = text
    .trim()
    .replace(/^\{\s*/, "")
    .replace(/\s*\}$/, "");
  const path = parsePath(/^[.$@[]/.test(bare) ? bare : `.${bare}`);
  return (object) => valuesOf(path, object, object);
}

function render(nodes: readonly Node[], root: unknown, current: unknown): string {
  return nodes
    .map((node) => {
      if (node.kind === "text") return node.text;
      const values = valuesOf(node.path, root, current);
      if (node.kind === "path") return values.map(textOf).join(" ");
      return items(values)
        .map((value) => render(node.body, root, value))
        .join("");
    })
    .join("");
}

/** `range .items` walks over the list itself as `range .items[*]` does. */
function items(values: readonly unknown[]): readonly unknown[] {
  return values.flatMap((value) => (Array.isArray(value) ? value : [value]));
}

export function textOf(value: unknown): string {
  if (value === null || value === undefined) return "";
  if (isBigInteger(value)) return value.rawJSON;
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function valuesOf({ root: fromRoot, steps }: Path, root: unknown, current: unknown): readonly unknown[] {
  return follow(steps, [fromRoot ? root : current], root);
}

function follow(steps: readonly Step[], from: readonly unknown[], root: unknown): readonly unknown[] {
  let values = from;
  for (const step of steps) {
    // A union gives all values of its first member before those of its second.
    values =
      step.kind === "union"
        ? step.members.flatMap((member) => follow(member, values, root))
        : values.flatMap((value) => walk(step, value, root));
  }
  return values;
}

type Single = Exclude<Step["kind"], "union">;
type Walk<K extends Single> = (step: Extract<Step, { kind: K }>, value: unknown, root: unknown) => readonly unknown[];

const walks: { readonly [K in Single]: Walk<K> } = {
  field: ({ name }, value) => {
    if (Array.isArray(value) || typeof value !== "object" || value === null) return [];
    return Object.hasOwn(value, name) ? [(value as Record<string, unknown>)[name]] : [];
  },
  wildcard: (_step, value) => children(value),
  recursive: (_step, value) => descendants(value),
  slice: (step, value) => sliced(step, value),
  filter: ({ left, operator, right }, value, root) =>
    (Array.isArray(value) ? value : []).filter((item) => holds(left, operator, right, item, root)),
};

function walk(step: Extract<Step, { kind: Single }>, value: unknown, root: unknown): readonly unknown[] {
  return (walks[step.kind] as Walk<Single>)(step, value, root);
}

function children(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  return typeof value === "object" && value !== null && !isBigInteger(value) ? Object.values(value) : [];
}

function descendants(value: unknown): readonly unknown[] {
  return [value, ...children(value).flatMap(descendants)].filter((one) => typeof one === "object" && one !== null);
}

function sliced({ from, to, step = 1 }: Extract<Step, { kind: "slice" }>, value: unknown): readonly unknown[] {
  if (value === null || value === undefined) return [];
  if (!Array.isArray(value)) throw new JsonPathError(`error executing jsonpath: ${typeof value} is not array or slice`);
  const place = (index: number) => (index < 0 ? index + value.length : index);
  const begin = place(from ?? 0);
  const end = Math.min(place(to ?? value.length), value.length);
  const single = from !== undefined && to === from + 1;
  if (begin < 0 || (begin >= value.length && (single || value.length > 0))) {
    throw new JsonPathError(
      `error executing jsonpath: array index out of bounds: index ${begin}, length ${value.length}`,
    );
  }
  if (step < 1) throw new JsonPathError("error executing jsonpath: step must be > 0");
  const found: unknown[] = [];
  for (let at = begin; at < end; at += step) found.push(value[at]);
  return found;
}

function holds(left: Operand, operator: string, right: Operand | undefined, item: unknown, root: unknown): boolean {
  const one = operand(left, item, root);
  if (operator === "exists") return one.length > 0 && one[0] !== false;
  const other = right ? operand(right, item, root) : [];
  if (one.length === 0 || other.length === 0) return false;
  return comparisons[operator]?.(one[0], other[0]) ?? false;
}

const operand = (side: Operand, item: unknown, root: unknown) =>
  side.kind === "literal" ? [side.value] : valuesOf(side.path, root, item);

/** Numbers compare as numbers, everything else as text. */
const compare = (a: unknown, b: unknown): number => {
  if (typeof a === "number" && typeof b === "number") return a - b;
  const [one, other] = [textOf(a), textOf(b)];
  return one < other ? -1 : one > other ? 1 : 0;
};

const comparisons: Readonly<Record<string, (a: unknown, b: unknown) => boolean>> = {
  "==": (a, b) => compare(a, b) === 0,
  "!=": (a, b) => compare(a, b) !== 0,
  "<": (a, b) => compare(a, b) < 0,
  "<=": (a, b) => compare(a, b) <= 0,
  ">": (a, b) => compare(a, b) > 0,
  ">=": (a, b) => compare(a, b) >= 0,
};
