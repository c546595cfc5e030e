/**
 * Paths: simple JSON paths in dot notation, as definitions name fields: ".spec.replicas", ".spec['a.b']".
 */
import { isObject } from "../schema/compile-decoder.ts";

const STEP = /\.([^.[\]]+)|\['((?:[^'\\]|\\.)*)'\]|\["((?:[^"\\]|\\.)*)"\]/y;

/** The keys on the way; undefined for what is no such path. */
export function parsePath(path: string): readonly string[] | undefined {
  const keys: string[] = [];
  STEP.lastIndex = 0;
  while (STEP.lastIndex < path.length) {
    const step = STEP.exec(path);
    if (!step) return undefined;
    keys.push(step[1] ?? (step[2] ?? step[3] ?? "").replace(/\\(.)/g, "$1"));
  }
  return keys.length > 0 ? keys : undefined;
}

export const pathKeys = (path: string): readonly string[] => parsePath(path) ?? [];

export function valueAt(object: unknown, keys: readonly string[]): unknown {
  let value: unknown = object;
  for (const key of keys) {
    if (!isObject(value) || !Object.hasOwn(value, key)) return undefined;
    value = value[key];
  }
  return value;
}
