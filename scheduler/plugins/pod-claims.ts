/** Pod claims: the PersistentVolumeClaims that a Pod's volumes name, and what is known of them. */
import type { PersistentVolume, PersistentVolumeClaim, Pod } from "../../machinery/objects/kinds.ts";
import {
  type ClaimName,
  claimNames,
  classOf,
  isFullyBound,
  notMadeFor,
  waitsForConsumer as waits,
} from "../../machinery/objects/volume-claims.ts";
import type { Cluster } from "../cluster.ts";

type Known = Pick<Cluster, "listers">;

export interface PodClaim extends ClaimName {
  readonly claim: PersistentVolumeClaim | undefined;
}

export function claimsOf(pod: Pod, { listers }: Known): readonly PodClaim[] {
  return claimNames(pod).map((named) => ({
    ...named,
    claim: listers.persistentvolumeclaims.get(`${pod.metadata.namespace}/${named.name}`),
  }));
}

/** Why a claim cannot be used by the Pod at all, in Kubernetes' words. */
export function unusable(pod: Pod, { name, ephemeral, claim }: PodClaim): string | undefined {
  if (!claim) {
    return ephemeral
      ? `waiting for ephemeral volume controller to create the persistentvolumeclaim "${name}"`
      : `persistentvolumeclaim "${name}" not found`;
  }
  if (claim.status?.phase === "Lost")
    return `persistentvolumeclaim "${name}" bound to non-existent persistentvolume "${claim.spec?.volumeName ?? ""}"`;
  if (claim.metadata.deletionTimestamp) return `persistentvolumeclaim "${name}" is being deleted`;
  return ephemeral ? notMadeFor(pod, claim) : undefined;
}

/** Whether the claim is to be bound only when a Pod that uses it has a node. */
export const waitsForConsumer = (claim: PersistentVolumeClaim, { listers }: Known): boolean =>
  waits(listers.storageclasses.get(classOf(claim)));

/** The volumes of the claims that are bound; undefined among them: a volume that is not there. */
export function boundVolumes(
  claims: readonly PodClaim[],
  { listers }: Known,
): readonly (PersistentVolume | undefined)[] {
  return claims.flatMap(({ claim }) =>
    claim && isFullyBound(claim) ? [listers.persistentvolumes.get(claim.spec?.volumeName ?? "")] : [],
  );
}
