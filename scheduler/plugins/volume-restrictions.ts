/**
 * VolumeRestrictions: a ReadWriteOncePod claim serves one Pod at a time in the whole cluster, and a disk that a
 * Pod names itself serves one Pod at a time on its node, unless all of them only read it.
 */
import type { Pod, Volume } from "../../machinery/objects/kinds.ts";
import type { Cluster } from "../cluster.ts";
import { type NodeFilter, type Plugin, refused } from "../framework.ts";
import type { PodInfo } from "../pod-info.ts";
import type { NodeInfo } from "../snapshot.ts";
import { claimsOf } from "./pod-claims.ts";

const IN_USE = refused("node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode");
const DISK_IN_USE = refused("node(s) had no available disk");

export const volumeRestrictions: Plugin = {
  name: "VolumeRestrictions",
  hints: [
    "pod-gone",
    {
      on: "persistentvolumeclaims",
      helps: ({ claims }, { object }) =>
        !object || claims.includes(`${object.metadata.namespace}/${object.metadata.name}`),
    },
  ],
  preFilter(info, cluster) {
    const claims = exclusiveClaims(info, cluster);
    const disks = disksOf(info.pod);
    if (!claims && disks.length === 0) return undefined;
    return {
      ...claims,
      check: (node) => claims?.check(node) ?? (isTaken(disks, node) ? DISK_IN_USE : undefined),
    };
  },
};

function exclusiveClaims({ pod, claims: named }: PodInfo, cluster: Cluster): NodeFilter | undefined {
  if (named.length === 0) return undefined;
  const exclusive = claimsOf(pod, cluster).filter(({ claim }) =>
    claim?.spec?.accessModes?.includes("ReadWriteOncePod"),
  );
  if (exclusive.length === 0) return undefined;
  const claims = new Set(exclusive.map(({ name }) => `${pod.metadata.namespace}/${name}`));
  let users = 0;
  for (const claim of claims) users += cluster.usersOf(claim);
  const move = (other: { readonly claims: readonly string[] }, by: number) => {
    users += by * other.claims.filter((claim) => claims.has(claim)).length;
  };
  return {
    check: () => (users > 0 ? IN_USE : undefined),
    add: (other) => move(other, 1),
    remove: (other) => move(other, -1),
  };
}

/** A disk that a Pod names itself; two of the same name exclude each other unless both are shared. */
interface Disk {
  readonly name: string;
  readonly shared: boolean;
}

/** One row a kind of disk. */
const DISKS: readonly ((volume: Volume) => readonly Disk[] | undefined)[] = [
  ({ gcePersistentDisk: disk }) => disk && [{ name: `gce/${disk.pdName}`, shared: disk.readOnly === true }],
  ({ awsElasticBlockStore: disk }) => disk && [{ name: `aws/${disk.volumeID}`, shared: false }],
  ({ iscsi: disk }) => disk && [{ name: `iscsi/${disk.iqn}`, shared: disk.readOnly === true }],
  ({ rbd: disk }) =>
    disk?.monitors.map((monitor) => ({
      name: `rbd/${monitor}/${disk.pool ?? ""}/${disk.image}`,
      shared: disk.readOnly === true,
    })),
];

const disksOf = ({ spec }: Pod): readonly Disk[] =>
  (spec?.volumes ?? []).flatMap((volume) => DISKS.flatMap((read) => read(volume) ?? []));

function isTaken(disks: readonly Disk[], { pods }: NodeInfo): boolean {
  if (disks.length === 0) return false;
  for (const { pod } of pods.values())
    for (const used of disksOf(pod))
      if (disks.some(({ name, shared }) => name === used.name && !(shared && used.shared))) return true;
  return false;
}
