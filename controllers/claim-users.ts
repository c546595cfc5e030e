/**
 * Claim users: which Pods use which PersistentVolumeClaims, kept up to date from the changes of Pods.
 *
 * An index over the cache, so that a claim need not look at every Pod. Ended Pods still stand in it.
 */
import { type Change, type ObjectKey, splitKey } from "../machinery/client/informer.ts";
import type { Pod } from "../machinery/objects/kinds.ts";
import { claimNames } from "../machinery/objects/volume-claims.ts";

export interface ClaimUsers {
  /** Notes what the Pod names; returns the keys of those claims. */
  note(change: Change<Pod>): readonly ObjectKey[];
  /** Keys of the Pods that name the claim. */
  of(claim: ObjectKey): Iterable<ObjectKey>;
}

export function createClaimUsers(): ClaimUsers {
  const users = new Map<ObjectKey, Set<ObjectKey>>();
  return {
    note({ type, key, object }) {
      const { namespace } = splitKey(key);
      const claims = claimNames(object).map(({ name }) => `${namespace}/${name}`);
      for (const claim of claims) {
        const pods = users.get(claim) ?? new Set();
        if (type === "deleted") pods.delete(key);
        else pods.add(key);
        if (pods.size > 0) users.set(claim, pods);
        else users.delete(claim);
      }
      return claims;
    },
    of: (claim) => users.get(claim) ?? [],
  };
}
