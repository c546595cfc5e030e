/** Pod claims: the PersistentVolumeClaims that a Pod's volumes name, and what is known of them. */
import type { PersistentVolume, PersistentVolumeClaim, Pod } from "../../machinery/objects/kinds.ts";
import { controllerOf } from "../../machinery/objects/owners.ts";
import type { Cluster } from "../cluster.ts";

export interface ClaimName {
  readonly name: string;
  /** Made for this Pod alone, by a controller. */
  readonly ephemeral: boolean;
}

export interface PodClaim extends ClaimName {
  readonly claim: PersistentVolumeClaim | undefined;
}

export function claimsOf(pod: Pod, { listers }: Cluster): readonly PodClaim[] {
  return claimNames(pod).map(({ name, ephemeral }) => ({
    name,
    ephemeral,
    claim: listers.persistentvolumeclaims.get(`${pod.metadata.namespace}/${name}`),
  }));
}

export function claimNames({ metadata, spec }: Pod): readonly ClaimName[] {
  return (spec?.volumes ?? []).flatMap(({ name, persistentVolumeClaim, ephemeral }): ClaimName[] => {
    if (persistentVolumeClaim) return [{ name: persistentVolumeClaim.claimName, ephemeral: false }];
    return ephemeral ? [{ name: `${metadata.name}-${name}`, ephemeral: true }] : [];
  });
}

/** Why a claim cannot be used by the Pod at all, in Kubernetes' words. */
export function unusable({ metadata }: Pod, { name, ephemeral, claim }: PodClaim): string | undefined {
  if (!claim) {
    return ephemeral
      ? `waiting for ephemeral volume controller to create the persistentvolumeclaim "${name}"`
      : `persistentvolumeclaim "${name}" not found`;
  }
  if (claim.status?.phase === "Lost")
    return `persistentvolumeclaim "${name}" bound to non-existent persistentvolume "${claim.spec?.volumeName ?? ""}"`;
  if (claim.metadata.deletionTimestamp) return `persistentvolumeclaim "${name}" is being deleted`;
  if (ephemeral && controllerOf(claim)?.uid !== metadata.uid) {
    const { namespace } = metadata;
    return `PVC ${namespace}/${name} was not created for pod ${namespace}/${metadata.name} (pod is not owner)`;
  }
  return undefined;
}

const BIND_COMPLETED = "pv.kubernetes.io/bind-completed";

/** A claim that names a volume is bound only when the volume's side is settled too. */
export const isBound = ({ metadata, spec }: PersistentVolumeClaim): boolean =>
  Boolean(spec?.volumeName) && metadata.annotations?.[BIND_COMPLETED] !== undefined;

const CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class";

/** Whether the claim is to be bound only when a Pod that uses it has a node. */
export function waitsForConsumer({ metadata, spec }: PersistentVolumeClaim, { listers }: Cluster): boolean {
  const name = metadata.annotations?.[CLASS_ANNOTATION] ?? spec?.storageClassName;
  return Boolean(name) && listers.storageclasses.get(name as string)?.volumeBindingMode === "WaitForFirstConsumer";
}

/** The volumes of the claims that are bound; undefined among them: a volume that is not there. */
export function boundVolumes(
  claims: readonly PodClaim[],
  { listers }: Cluster,
): readonly (PersistentVolume | undefined)[] {
  return claims.flatMap(({ claim }) =>
    claim && isBound(claim) ? [listers.persistentvolumes.get(claim.spec?.volumeName ?? "")] : [],
  );
}
