/** VolumeRestrictions: a ReadWriteOncePod claim serves one Pod at a time in the whole cluster. */
import type { FilterPlugin } from "../framework.ts";
import { claimNames, claimsOf } from "./pod-claims.ts";

const IN_USE = ["node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode"];

export const volumeRestrictions: FilterPlugin = {
  name: "VolumeRestrictions",
  helpedBy: ["pod-gone", "volumes"],
  preFilter({ pod }, cluster) {
    const exclusive = new Set(
      claimsOf(pod, cluster)
        .filter(({ claim }) => claim?.spec?.accessModes?.includes("ReadWriteOncePod"))
        .map(({ name }) => name),
    );
    if (exclusive.size === 0) return undefined;
    const inUse = cluster.nodes.some(({ pods }) =>
      [...pods.values()].some(
        (other) =>
          other.pod.metadata.namespace === pod.metadata.namespace &&
          claimNames(other.pod).some(({ name }) => exclusive.has(name)),
      ),
    );
    return () => (inUse ? IN_USE : []);
  },
};
