/**
 * Volume index: which volumes are nobody's, and which are kept for a claim, from the changes of volumes.
 *
 * An index over the cache, so that a claim need not look at every volume. It only narrows the search: what a
 * volume says itself decides.
 */
import type { Change, ObjectKey } from "../machinery/client/informer.ts";
import type { PersistentVolume } from "../machinery/objects/kinds.ts";

export interface VolumeIndex {
  note(change: Change<PersistentVolume>): void;
  /** Names of the volumes that the claim may have. */
  for(claim: ObjectKey): Iterable<string>;
  /** Names of the volumes that say that they are kept for the claim. */
  keptFor(claim: ObjectKey): Iterable<string>;
}

/** Stands for the claim of volumes that have none. */
const NOBODY = "";

export function createVolumeIndex(): VolumeIndex {
  const byClaim = new Map<ObjectKey, Set<string>>();
  const claimOf = new Map<string, ObjectKey>();
  const keptFor = (claim: ObjectKey): Iterable<string> => byClaim.get(claim) ?? [];

  return {
    note({ type, key, object }) {
      const before = claimOf.get(key);
      const ref = object.spec?.claimRef;
      const now = type === "deleted" ? undefined : ref ? `${ref.namespace}/${ref.name}` : NOBODY;
      if (now === before) return;
      if (before !== undefined) {
        const names = byClaim.get(before);
        names?.delete(key);
        if (names?.size === 0) byClaim.delete(before);
        claimOf.delete(key);
      }
      if (now === undefined) return;
      byClaim.set(now, (byClaim.get(now) ?? new Set()).add(key));
      claimOf.set(key, now);
    },
    for: (claim) => [...keptFor(claim), ...keptFor(NOBODY)],
    keptFor,
  };
}
