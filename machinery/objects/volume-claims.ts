/**
 * Volume claims: how Pods, PersistentVolumeClaims and PersistentVolumes name each other. Pure.
 *
 * The binder, the provisioner, the scheduler and the kubelet agree by these names alone: a claim is
 * bound when both sides name each other (by uid) and the binder's annotation says that it is done.
 * Which volume serves a claim: volume-match.ts.
 * https://kubernetes.io/docs/reference/labels-annotations-taints/
 */
import type { PersistentVolume, PersistentVolumeClaim, Pod, StorageClass } from "./kinds.ts";
import { controllerOf } from "./owners.ts";

export const annotations = {
  /** On a claim: both sides are written. */
  bindCompleted: "pv.kubernetes.io/bind-completed",
  /** On either side: a component chose the other one, nobody asked for it by name. */
  boundByController: "pv.kubernetes.io/bound-by-controller",
  /** On a volume: who made it. */
  provisionedBy: "pv.kubernetes.io/provisioned-by",
  /** On a claim: who is to make a volume for it; the older name is written too. */
  provisioner: "volume.kubernetes.io/storage-provisioner",
  olderProvisioner: "volume.beta.kubernetes.io/storage-provisioner",
  /** On a claim that waits for its first consumer: where that one will run. */
  selectedNode: "volume.kubernetes.io/selected-node",
  /** On a claim: who is to make its volume larger. */
  resizer: "volume.kubernetes.io/storage-resizer",
  olderClass: "volume.beta.kubernetes.io/storage-class",
} as const;

export const finalizers = {
  claim: "kubernetes.io/pvc-protection",
  volume: "kubernetes.io/pv-protection",
} as const;

/** What a class says that has volumes, but makes none. */
export const NO_PROVISIONER = "kubernetes.io/no-provisioner";

type Classed = Pick<PersistentVolumeClaim, "metadata"> & { readonly spec?: { readonly storageClassName?: string } };

/** The class of a claim or a volume; "" for none. */
export const classOf = ({ metadata, spec }: Classed): string =>
  metadata.annotations?.[annotations.olderClass] ?? spec?.storageClassName ?? "";

export const hasAnnotation = ({ metadata }: Classed, name: string): boolean =>
  metadata.annotations?.[name] !== undefined;

export interface ClaimName {
  readonly name: string;
  /** The name of the Pod's volume. */
  readonly volume: string;
  /** Made for this Pod alone, by a controller. */
  readonly ephemeral: boolean;
}

/** The claims that a Pod's volumes name. */
export function claimNames({ metadata, spec }: Pod): readonly ClaimName[] {
  return (spec?.volumes ?? []).flatMap(({ name, persistentVolumeClaim, ephemeral }): ClaimName[] => {
    if (persistentVolumeClaim) return [{ name: persistentVolumeClaim.claimName, volume: name, ephemeral: false }];
    return ephemeral ? [{ name: ephemeralClaimName(metadata.name, name), volume: name, ephemeral: true }] : [];
  });
}

export const ephemeralClaimName = (pod: string, volume: string): string => `${pod}-${volume}`;

/** Why an ephemeral volume's claim may not serve the Pod, in Kubernetes' words; undefined when it may. */
export function notMadeFor({ metadata }: Pod, claim: PersistentVolumeClaim): string | undefined {
  const { namespace, name } = claim.metadata;
  if (namespace === metadata.namespace && controllerOf(claim)?.uid === metadata.uid) return undefined;
  return `PVC ${namespace}/${name} was not created for pod ${metadata.namespace}/${metadata.name} (pod is not owner)`;
}

/** A claim that names a volume is bound only when the volume's side is settled too. */
export const isFullyBound = (claim: PersistentVolumeClaim): boolean =>
  Boolean(claim.spec?.volumeName) && hasAnnotation(claim, annotations.bindCompleted);

/** Whether the volume is this claim's: bound to it, or kept for it by name. */
export function isKeptFor({ spec }: PersistentVolume, { metadata }: PersistentVolumeClaim): boolean {
  const kept = spec?.claimRef;
  if (!kept || kept.name !== metadata.name || kept.namespace !== metadata.namespace) return false;
  return !kept.uid || kept.uid === metadata.uid;
}

/** Whether claims of the class are bound only when a Pod that uses them is to get a node. */
export const waitsForConsumer = (storageClass: StorageClass | undefined): boolean =>
  storageClass?.volumeBindingMode === "WaitForFirstConsumer";

/** What the volume says of the claim that it serves. */
export const referenceTo = ({ metadata }: PersistentVolumeClaim) => ({
  kind: "PersistentVolumeClaim",
  namespace: metadata.namespace ?? "",
  name: metadata.name,
  uid: metadata.uid,
  apiVersion: "v1",
  resourceVersion: metadata.resourceVersion,
});

/** The volume as it says that it serves the claim; the same object where it says so already. */
export function claimedBy(volume: PersistentVolume, claim: PersistentVolumeClaim): PersistentVolume {
  const kept = isKeptFor(volume, claim);
  if (kept && volume.spec?.claimRef?.uid === claim.metadata.uid) return volume;
  const chosen = kept ? {} : { [annotations.boundByController]: "yes" };
  return {
    ...volume,
    metadata: annotated(volume.metadata, chosen),
    spec: { ...volume.spec, claimRef: referenceTo(claim) },
  };
}

/** What is there already stays as it is. */
export function annotated<M extends { annotations?: Record<string, string> }>(
  metadata: M,
  more: Readonly<Record<string, string>>,
): M {
  if (Object.keys(more).length === 0) return metadata;
  return { ...metadata, annotations: { ...more, ...metadata.annotations } };
}

/** The name of the volume that is made for a claim: the same at each attempt, so that there is never a second one. */
export const provisionedName = ({ metadata }: Pick<PersistentVolumeClaim, "metadata">): string => `pvc-${metadata.uid}`;
