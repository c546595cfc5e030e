/**
 * VolumeBinding: a Pod runs only where its claims' volumes can be used.
 *
 * Nothing here binds a claim: one that waits for its first consumer and has no volume finds none
 * on any node. Which claims a Pod has is said in pod-claims.ts.
 * https://kubernetes.io/docs/concepts/storage/storage-classes/#volume-binding-mode
 */
import type { PersistentVolume } from "../../machinery/objects/kinds.ts";
import { matchesNodeSelector } from "../../machinery/objects/node-selector.ts";
import type { FilterPlugin } from "../framework.ts";
import { boundVolumes, claimsOf, isBound, unusable, waitsForConsumer } from "./pod-claims.ts";

const NO_VOLUME = "node(s) didn't find available persistent volumes to bind";
const ELSEWHERE = "node(s) didn't match PersistentVolume's node affinity";
const VOLUME_GONE = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)";

export const volumeBinding: FilterPlugin = {
  name: "VolumeBinding",
  helpedBy: ["volumes", "node-added", "node-labels"],
  preFilter({ pod }, cluster) {
    const claims = claimsOf(pod, cluster);
    if (claims.length === 0) return undefined;
    for (const one of claims) {
      const nowhere = unusable(pod, one);
      if (nowhere) return { nowhere };
    }
    const unbound = claims.flatMap(({ claim }) => (claim && !isBound(claim) ? [claim] : []));
    const waiting = unbound.filter((claim) => !claim.spec?.volumeName && waitsForConsumer(claim, cluster));
    if (waiting.length < unbound.length) return { nowhere: "pod has unbound immediate PersistentVolumeClaims" };

    const volumes = boundVolumes(claims, cluster);
    const gone = volumes.includes(undefined);
    return ({ node }) => {
      const reasons: string[] = [];
      if (gone) reasons.push(VOLUME_GONE);
      else if (!volumes.every((volume) => volume && reaches(volume, node))) reasons.push(ELSEWHERE);
      if (waiting.length) reasons.push(NO_VOLUME);
      return reasons;
    };
  },
};

function reaches({ spec }: PersistentVolume, node: Parameters<typeof matchesNodeSelector>[1]): boolean {
  const required = spec?.nodeAffinity?.required;
  return !required || matchesNodeSelector(required, node);
}
