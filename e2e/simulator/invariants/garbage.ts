/**
 * Garbage: the garbage collector takes nothing that an owner still holds.
 */
import type { Invariant } from "./invariants.ts";

export function garbage(): Invariant {
  return {
    onWrite({ resource, before, after, cause, name }, objects) {
      if (cause.controller !== "generic-garbage-collector" || !before) return undefined;
      const asked = before.metadata.deletionTimestamp === undefined && after?.metadata.deletionTimestamp !== undefined;
      const taken = before.metadata.deletionTimestamp === undefined && after === undefined;
      if (!asked && !taken) return undefined;
      const holding = (before.metadata.ownerReferences ?? []).filter(({ uid }) => {
        const owner = objects.byUid(uid);
        return owner && !owner.metadata.deletionTimestamp;
      });
      if (holding.length === 0) return undefined;
      return `the garbage collector takes ${resource}/${name}, which ${holding[0]?.kind} ${holding[0]?.name} holds`;
    },
  };
}
