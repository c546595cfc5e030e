/**
 * Volumes: no claim goes while something runs with it, no volume while it has its claim, and none serves two; what
 * a StatefulSet keeps is not deleted by controllers; a Pod starts where its volumes are.
 */
import type { PersistentVolume, PersistentVolumeClaim, StatefulSet } from "../../../machinery/objects/kinds.ts";
import { ON_NODE } from "../../../machinery/objects/local-volumes.ts";
import { claimNames } from "../../../machinery/objects/volume-claims.ts";
import type { StoredObject } from "../../../machinery/objects/wire.ts";
import type { Ground } from "../ground.ts";
import type { Write } from "../ledger.ts";
import type { Objects } from "../objects.ts";
import type { Circumstances, Invariant } from "./invariants.ts";

export function volumes(_: Circumstances, ground: Ground): Invariant {
  /** "namespace/name" of StatefulSets that want claims deleted, or did. */
  const deleting = new Set<string>();
  return {
    onWrite(write, objects) {
      const { resource } = write;
      if (resource === "statefulsets" && write.after) {
        const { metadata, spec } = write.after as StatefulSet;
        const { whenDeleted, whenScaled } = spec?.persistentVolumeClaimRetentionPolicy ?? {};
        if (whenDeleted === "Delete" || whenScaled === "Delete") deleting.add(`${metadata.namespace}/${metadata.name}`);
      }
      if (resource === "persistentvolumeclaims") return ofClaim(write, ground, deleting);
      return resource === "persistentvolumes" ? ofVolume(write, objects) : undefined;
    },
    onStart({ pod, node, volumes: mounted }, _all, objects) {
      for (const name of mounted) {
        const place = objects.get("persistentvolumes", undefined, name)?.metadata.annotations?.[ON_NODE];
        if (place !== node) return `Pod ${pod.metadata.name} runs on ${node}, its volume is on ${place ?? "no node"}`;
      }
      return undefined;
    },
  };
}

/** The write is the one by which it begins to go, or goes at once. */
const begins = (before: StoredObject | undefined, after: StoredObject | undefined): boolean =>
  before !== undefined &&
  !before.metadata.deletionTimestamp &&
  (!after || after.metadata.deletionTimestamp !== undefined);

function ofClaim(write: Write, ground: Ground, deleting: ReadonlySet<string>): string | undefined {
  const before = write.before as PersistentVolumeClaim | undefined;
  const after = write.after as PersistentVolumeClaim | undefined;
  const { namespace, name, cause } = write;
  const former = before?.spec?.volumeName;
  if (after && former && after.spec?.volumeName !== former) return `claim ${name} lost its volume ${former}`;
  if (before && !after)
    for (const { pod, node } of ground.all())
      if (pod.metadata.namespace === namespace && claimNames(pod).some((one) => one.name === name))
        return `claim ${name} is gone while ${pod.metadata.name} runs with it on ${node}`;
  const set = name.replace(/^data-/, "").replace(/-\d+$/, "");
  if (
    begins(before, after) &&
    cause.controller &&
    cause.controller !== "namespace-controller" &&
    !deleting.has(`${namespace}/${set}`)
  )
    return `${cause.controller} deletes claim ${name}, which its StatefulSet keeps`;
  return undefined;
}

function ofVolume(write: Write, objects: Objects): string | undefined {
  const before = write.before as PersistentVolume | undefined;
  const after = write.after as PersistentVolume | undefined;
  const claim = objects.byUid((after ?? before)?.spec?.claimRef?.uid ?? "") as PersistentVolumeClaim | undefined;
  if (begins(before, after) && claim && !claim.metadata.deletionTimestamp)
    return `volume ${write.name} is deleted, claim ${claim.metadata.name} has it`;
  const other = after?.spec?.claimRef?.uid
    ? objects
        .of("persistentvolumes")
        .find((one) => one.metadata.name !== write.name && one.spec?.claimRef?.uid === after.spec?.claimRef?.uid)
    : undefined;
  return other && `claim ${claim?.metadata.name} has two volumes, ${write.name} and ${other.metadata.name}`;
}
