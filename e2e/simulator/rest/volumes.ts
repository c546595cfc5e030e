/**
 * Volumes at rest: what Pods use is bound, what nobody wants any more is gone, and each volume has its claim.
 */
import type { StatefulSet } from "../../../machinery/objects/kinds.ts";
import { claimNames } from "../../../machinery/objects/volume-claims.ts";
import { isEnded } from "../pod-report.ts";
import { isInRange } from "./condemned.ts";
import type { Scene } from "./scene.ts";

export function claims({ objects, condemned }: Scene): string | undefined {
  for (const pod of objects.of("pods")) {
    const { namespace, name } = pod.metadata;
    if (isEnded(pod)) continue;
    for (const { name: claimName } of claimNames(pod)) {
      const claim = objects.get("persistentvolumeclaims", namespace, claimName);
      if (claim?.status?.phase !== "Bound")
        return `claim ${claimName} of Pod ${name} is ${claim?.status?.phase ?? "gone"}`;
      const volume = objects.get("persistentvolumes", undefined, claim.spec?.volumeName ?? "");
      if (volume?.spec?.claimRef?.uid !== claim.metadata.uid || volume.status?.phase !== "Bound")
        return `claim ${claimName} of Pod ${name} has the volume ${claim.spec?.volumeName}, which does not serve it`;
    }
  }
  for (const set of objects.of("statefulsets")) {
    const why = surplus(set, { objects, condemned });
    if (why) return why;
  }
  return undefined;
}

/** Claims of ordinals that a set has no more, where it should not keep them. */
function surplus(set: StatefulSet, { objects, condemned }: Pick<Scene, "objects" | "condemned">): string | undefined {
  const { metadata, spec } = set;
  if (spec?.persistentVolumeClaimRetentionPolicy?.whenScaled !== "Delete") return undefined;
  const over = objects.of("persistentvolumeclaims").find((claim) => {
    const { name, namespace, uid, ownerReferences = [] } = claim.metadata;
    const [, ordinal] = new RegExp(`^data-${metadata.name}-(\\d+)$`).exec(name) ?? [];
    if (ordinal === undefined || namespace !== metadata.namespace || isInRange(set, Number(ordinal))) return false;
    return condemned.has(uid) || ownerReferences.some(({ kind }) => kind === "Pod");
  });
  return over && `StatefulSet ${metadata.name} keeps ${over.metadata.name}, which it should delete`;
}

export function volumes({ objects }: Scene): string | undefined {
  for (const { metadata, spec, status } of objects.of("persistentvolumes")) {
    const claim = objects.byUid(spec?.claimRef?.uid ?? "");
    if (!claim) return `volume ${metadata.name} is ${status?.phase}, its claim is gone`;
  }
  const asked = objects
    .of("nodes")
    .find(({ metadata }) => Object.keys(metadata.annotations ?? {}).some((key) => key.startsWith("remove.local-path")));
  return asked && `${asked.metadata.name} still has notes of volumes that were removed`;
}
