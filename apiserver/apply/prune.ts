/**
 * Prune: takes out of a merged object what its applier applied the last time and does not any more.
 *
 * Whatever somebody owns stays, and so does what the applier never owned.
 */
import type { Fields } from "./contract.ts";
import type { FieldSets } from "./field-sets.ts";
import type { Struct } from "./shapes/struct.ts";

export function prune(
  sets: FieldSets,
  shape: Struct,
  merged: unknown,
  last: Fields | undefined,
  owned: readonly Fields[],
): unknown {
  if (!last) return merged;
  const named = (fields: Fields | undefined) => fields && shape.named(fields);
  const lastNamed = shape.named(last);
  const there = named(shape.applied(merged));
  if (!there) return merged;

  const bare = shape.without(merged, lastNamed);
  let kept = named(shape.applied(bare));
  for (const fields of owned) kept = sets.union(kept, shape.named(fields));
  const unowned = sets.difference(there, kept);
  const withOwned = unowned ? shape.without(merged, unowned) : merged;

  const left = named(shape.applied(withOwned));
  const gone = sets.intersection(sets.difference(there, left), lastNamed);
  return gone ? shape.without(merged, gone) : merged;
}
