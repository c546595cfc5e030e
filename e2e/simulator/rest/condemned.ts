/**
 * Condemned: claims that have to go, for their StatefulSet does not keep them and took their Pods as surplus.
 *
 * As in Kubernetes, a claim is made before its Pod, and belongs to the Pod from when that is surplus: where there was
 * no Pod then (a quota refused it, somebody else deleted it), the claim stays for as long as the set.
 */
import type { Pod, StatefulSet } from "../../../machinery/objects/kinds.ts";
import { controllerOf } from "../../../machinery/objects/owners.ts";
import { claimNames } from "../../../machinery/objects/volume-claims.ts";
import type { Ledger, Write } from "../ledger.ts";
import { START } from "../virtual-time.ts";

/** A younger claim may not have been seen by who took its Pod: see faults.ts. */
const SEEN_MS = 20_000;

export interface Condemned {
  has(claim: string): boolean;
}

interface Place {
  readonly set: string;
  readonly ordinal: number;
}

export function watchCondemned({ onWrite, objects }: Pick<Ledger, "onWrite" | "objects">): Condemned {
  const claims = new Map<string, Place>();
  onWrite((write) => {
    if (write.resource === "statefulsets" && write.after) {
      const set = write.after as StatefulSet;
      for (const [uid, place] of claims)
        if (place.set === set.metadata.uid && isInRange(set, place.ordinal)) claims.delete(uid);
    }
    const pod = takenBySet(write);
    const set = pod && (objects.byUid(controllerOf(pod)?.uid ?? "") as StatefulSet | undefined);
    if (!set) return;
    const ordinal = Number(pod.metadata.name.slice(pod.metadata.name.lastIndexOf("-") + 1));
    if (isInRange(set, ordinal)) return;
    for (const { name } of claimNames(pod)) {
      const claim = objects.get("persistentvolumeclaims", pod.metadata.namespace, name);
      if (!claim || claim.metadata.deletionTimestamp) continue;
      const age = START + write.at - Date.parse(claim.metadata.creationTimestamp ?? "");
      if (age >= SEEN_MS) claims.set(claim.metadata.uid, { set: set.metadata.uid, ordinal });
    }
  });
  return claims;
}

/** The Pod, where this is the write by which its StatefulSet's controller begins to delete it. */
function takenBySet({ resource, before, after, cause }: Write): Pod | undefined {
  if (resource !== "pods" || !before || before.metadata.deletionTimestamp) return undefined;
  if (after && !after.metadata.deletionTimestamp) return undefined;
  return cause.controller === "statefulset-controller" ? (before as Pod) : undefined;
}

export function isInRange({ spec }: StatefulSet, ordinal: number): boolean {
  const first = spec?.ordinals?.start ?? 0;
  return ordinal >= first && ordinal < first + (spec?.replicas ?? 1);
}
