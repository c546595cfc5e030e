/**
 * Elements: the steps of a path in FieldsV1, as text: "f:spec", `k:{"name":"a"}`, `v:"x"`, "i:0".
 *
 * Text that means the same is the same: keys are sorted, JSON is compact. Sets of them: field-sets.ts.
 */

/** The place itself, among the elements below it. */
export const HERE = ".";

export const fieldElement = (name: string): string => `f:${name}`;

export const valueElement = (value: unknown): string => `v:${JSON.stringify(value)}`;

/** `keys` are sorted. */
export function keyElement(keys: readonly string[], values: readonly unknown[]): string {
  let text = "k:{";
  for (let at = 0; at < keys.length; at++) {
    if (at > 0) text += ",";
    text += `${JSON.stringify(keys[at])}:${JSON.stringify(values[at] ?? null)}`;
  }
  return `${text}}`;
}

/** The element as this file would write it; undefined for what is no element. */
export function canonicalElement(element: string): string | undefined {
  const rest = element.slice(2);
  try {
    if (element.startsWith("f:")) return element;
    if (element.startsWith("i:")) return /^-?\d+$/.test(rest) ? element : undefined;
    if (element.startsWith("v:")) return valueElement(JSON.parse(rest));
    if (!element.startsWith("k:")) return undefined;
    const key = JSON.parse(rest) as unknown;
    if (typeof key !== "object" || key === null || Array.isArray(key)) return undefined;
    const names = Object.keys(key).sort();
    return keyElement(
      names,
      names.map((name) => (key as Record<string, unknown>)[name]),
    );
  } catch {
    return undefined;
  }
}

const RANKS = "fkvi";

/** Kubernetes' order: fields, keys, values, indexes; each by content. */
export function compareElements(a: string, b: string): number {
  if (a === b) return 0;
  const rank = RANKS.indexOf(a.charAt(0)) - RANKS.indexOf(b.charAt(0));
  if (rank !== 0) return rank;
  if (a.startsWith("f:")) return a < b ? -1 : 1;
  const [left, right] = [a, b].map((one) => JSON.parse(one.slice(2)) as unknown) as [unknown, unknown];
  return compareValues(left, right) || (a < b ? -1 : 1);
}

/** A total order: by type, then by content; keys of other names by these. */
function compareValues(a: unknown, b: unknown): number {
  if (typeof a === "number" && typeof b === "number") return a - b;
  if (!isRecord(a) || !isRecord(b)) return byText(`${typeof a} ${String(a)}`, `${typeof b} ${String(b)}`);
  const order = byText(Object.keys(a).join(), Object.keys(b).join());
  if (order !== 0) return order;
  return Object.keys(a).reduce((found, key) => found || compareValues(a[key], b[key]), 0);
}

const byText = (a: string, b: string): number => (a === b ? 0 : a < b ? -1 : 1);

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;

/** ".spec", `[name="a"]`, `[="x"]`, "[0]": as paths stand in messages. */
export function elementText(element: string): string {
  const rest = element.slice(2);
  if (element.startsWith("f:")) return `.${rest}`;
  if (element.startsWith("v:")) return `[=${rest}]`;
  if (element.startsWith("i:")) return `[${rest}]`;
  const key = JSON.parse(rest) as Record<string, unknown>;
  return `[${Object.entries(key)
    .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
    .join(",")}]`;
}
