/**
 * Changes: says in lines which fields differ between two versions of an object, for error messages.
 */

const LINES = 20;

/** "- spec.nodeName: null" and "+ spec.nodeName: …" for each difference; the first ones when there are many. */
export function changes(old: unknown, next: unknown, path: string): string[] {
  const lines: string[] = [];
  collect(old, next, path, lines);
  return lines.length > LINES ? [...lines.slice(0, LINES), "..."] : lines;
}

function collect(old: unknown, next: unknown, path: string, lines: string[]): void {
  if (lines.length > LINES) return;
  if (isObject(old) && isObject(next) && Array.isArray(old) === Array.isArray(next)) {
    for (const key of new Set([...Object.keys(old), ...Object.keys(next)])) {
      collect(old[key], next[key], Array.isArray(next) ? `${path}[${key}]` : `${path}.${key}`, lines);
    }
    return;
  }
  if (Object.is(old, next)) return;
  lines.push(`- ${path}: ${shown(old)}`, `+ ${path}: ${shown(next)}`);
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;
const shown = (value: unknown): string => (value === undefined ? "null" : JSON.stringify(value));
