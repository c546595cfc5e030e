/**
 * NodeVolumeLimits: a node takes only as many volumes of a CSI driver as its CSINode says.
 *
 * A volume counts once however many Pods of the node use it. Counted are the volumes of the node's Pods and
 * what is attached to it still; a claim without a volume counts as one of its class's driver.
 * https://kubernetes.io/docs/concepts/storage/storage-limits/
 */
import type { Pod, VolumeAttachment } from "../../machinery/objects/kinds.ts";
import { classOf, NO_PROVISIONER } from "../../machinery/objects/volume-claims.ts";
import type { Cluster } from "../cluster.ts";
import { type Plugin, refused } from "../framework.ts";
import type { NodeInfo } from "../snapshot.ts";
import { claimsOf } from "./pod-claims.ts";

const TOO_MANY = refused("node(s) exceed max volume count");

/** One volume, however it is named ► its driver. */
type Volumes = ReadonlyMap<string, string>;
const NO_VOLUMES: Volumes = new Map();

export const nodeVolumeLimits: Plugin = {
  name: "NodeVolumeLimits",
  hints: ["csinodes", "volumeattachments", "persistentvolumeclaims", "pod-gone"],
  preFilter({ pod, claims }, cluster) {
    const wanted = claims.length > 0 ? csiVolumes(pod, cluster) : NO_VOLUMES;
    if (wanted.size === 0) return undefined;
    let attached: ReadonlyMap<string, Volumes> | undefined;
    return {
      check(node) {
        const limits = limitsOf(node.name, cluster);
        const strictest = Math.min(
          ...[...wanted.values()].map((driver) => limits.get(driver) ?? Number.POSITIVE_INFINITY),
        );
        if (strictest === Number.POSITIVE_INFINITY) return undefined;
        attached ??= attachedVolumes(cluster);
        const here = attached.get(node.name) ?? NO_VOLUMES;
        if (wanted.size + here.size + claimsOn(node) <= strictest) return undefined;
        return fits(wanted, volumesOn(node, here, cluster), limits) ? undefined : TOO_MANY;
      },
    };
  },
};

/** Those of the Pod's claims that a CSI driver serves. */
function csiVolumes(pod: Pod, cluster: Cluster): Volumes {
  const { listers } = cluster;
  const found = new Map<string, string>();
  for (const { name, claim } of claimsOf(pod, cluster)) {
    if (!claim) continue;
    const volume = listers.persistentvolumes.get(claim.spec?.volumeName ?? "");
    if (volume?.spec?.csi)
      found.set(`${volume.spec.csi.driver}/${volume.spec.csi.volumeHandle}`, volume.spec.csi.driver);
    else if (!claim.spec?.volumeName) {
      const driver = listers.storageclasses.get(classOf(claim))?.provisioner;
      if (driver && driver !== NO_PROVISIONER) found.set(`${driver}/claim/${claim.metadata.namespace}/${name}`, driver);
    }
  }
  return found;
}

/** Drivers of the node that limit their volumes. */
function limitsOf(node: string, { listers }: Cluster): ReadonlyMap<string, number> {
  const limits = new Map<string, number>();
  for (const { name, allocatable } of listers.csinodes.get(node)?.spec?.drivers ?? [])
    if (allocatable?.count !== undefined) limits.set(name, allocatable.count);
  return limits;
}

/** There cannot be more volumes than that. */
function claimsOn({ pods }: NodeInfo): number {
  let count = 0;
  for (const { claims } of pods.values()) count += claims.length;
  return count;
}

function volumesOn({ pods }: NodeInfo, attached: Volumes, cluster: Cluster): Volumes {
  const found = new Map(attached);
  for (const { pod, claims } of pods.values())
    if (claims.length > 0) for (const [volume, driver] of csiVolumes(pod, cluster)) found.set(volume, driver);
  return found;
}

/** By node: what is attached, whether a Pod still uses it or not. */
function attachedVolumes({ listers }: Cluster): ReadonlyMap<string, Volumes> {
  const nodes = new Map<string, Map<string, string>>();
  const nameOf = ({ spec }: VolumeAttachment): string | undefined => {
    const volume = listers.persistentvolumes.get(spec?.source?.persistentVolumeName ?? "");
    return volume?.spec?.csi && `${volume.spec.csi.driver}/${volume.spec.csi.volumeHandle}`;
  };
  for (const attachment of listers.volumeattachments.list()) {
    const name = nameOf(attachment);
    const { nodeName = "", attacher = "" } = attachment.spec ?? {};
    if (name) nodes.set(nodeName, (nodes.get(nodeName) ?? new Map()).set(name, attacher));
  }
  return nodes;
}

function fits(wanted: Volumes, present: Volumes, limits: ReadonlyMap<string, number>): boolean {
  for (const [driver, limit] of limits) {
    const has = [...present.values()].filter((one) => one === driver).length;
    const more = [...wanted].filter(([volume, one]) => one === driver && !present.has(volume)).length;
    if (more > 0 && has + more > limit) return false;
  }
  return true;
}
