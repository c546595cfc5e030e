/**
 * Three-way JSON merge: for types that have no strategy of their own (custom resources).
 *
 * Lists are replaced as a whole. For built-in types see strategic.ts.
 */

import type { ThreeWay } from "./strategic.ts";
import { equal, isMap, type Json } from "./values.ts";

/** An empty object when nothing is to be changed. */
export function mergePatch({ original, modified, current }: ThreeWay): Json {
  const patch: Json = {};
  for (const key of Object.keys(original ?? {})) if (modified[key] === undefined) patch[key] = null;
  for (const [key, value] of Object.entries(modified)) {
    const there = current[key];
    if (isMap(value) && isMap(there)) {
      const before = original?.[key];
      const inner = mergePatch({ original: isMap(before) ? before : undefined, modified: value, current: there });
      if (Object.keys(inner).length > 0) patch[key] = inner;
    } else if (value === null ? there !== undefined : !equal(there, value)) patch[key] = value;
  }
  return patch;
}
