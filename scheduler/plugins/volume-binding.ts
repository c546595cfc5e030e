/**
 * VolumeBinding: a Pod runs only where its claims' volumes can be used, and binds those that waited for it.
 *
 * Which volumes those are on a node: volume-plan.ts. The plan is promised as soon as the node is chosen,
 * written before the Pod is bound, and waited for until the binder has done its part (volume-writes.ts):
 * no Pod is bound whose claims are not. What was written stays when the Pod then runs elsewhere after all:
 * a later plan finds it.
 * https://kubernetes.io/docs/concepts/storage/storage-classes/#volume-binding-mode
 */
import type { PersistentVolume, PersistentVolumeClaim } from "../../machinery/objects/kinds.ts";
import { isFullyBound } from "../../machinery/objects/volume-claims.ts";
import type { Cluster } from "../cluster.ts";
import { type Hint, type Plugin, type PluginFactory, type Refused, refusedForGood } from "../framework.ts";
import type { Happened } from "../happenings.ts";
import type { PodInfo } from "../pod-info.ts";
import { boundVolumes, claimsOf, unusable, waitsForConsumer } from "./pod-claims.ts";
import { hostOf, type Obstacle, type PodVolumes, volumePlanning } from "./volume-plan.ts";
import { createVolumePromises } from "./volume-promises.ts";
import { writePlan } from "./volume-writes.ts";

export interface VolumeBindingArgs {
  readonly bindTimeoutSeconds?: number;
}

/** In the order in which they are told. */
const REASONS: readonly (readonly [Obstacle, string])[] = [
  ["elsewhere", "node(s) didn't match PersistentVolume's node affinity"],
  ["none", "node(s) didn't find available persistent volumes to bind"],
  ["space", "node(s) did not have enough free storage"],
  ["gone", "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"],
];

const UNBOUND = "pod has unbound immediate PersistentVolumeClaims";
const BIND_SECONDS = 600;

export const volumeBinding: PluginFactory = (args, handle): Plugin => {
  const { bindTimeoutSeconds = BIND_SECONDS } = args as VolumeBindingArgs;
  const promises = createVolumePromises();
  const refusal = createRefusals();

  return {
    name: "VolumeBinding",
    hints: HINTS,

    preFilter(info, cluster) {
      const volumes = volumesOf(info, cluster);
      if (!volumes || isRefused(volumes)) return volumes;
      const planning = volumePlanning(volumes, cluster, promises);
      const only = nodesOf(volumes.bound, cluster);
      return {
        check({ node }) {
          const plan = planning(node);
          return "bind" in plan ? undefined : refusal(plan);
        },
        ...(only && { only }),
      };
    },

    reserve(info, { node }, cluster) {
      const volumes = volumesOf(info, cluster);
      if (!volumes || isRefused(volumes)) return volumes;
      if (volumes.waiting.length === 0) return undefined;
      const plan = volumePlanning(volumes, cluster, promises)(node);
      if (!("bind" in plan)) return refusal(plan);
      const release = promises.promise(plan, node.metadata.name);
      return {
        preBind: async (signal) => {
          await writePlan(plan, { info, node, handle, signal, timeoutMs: bindTimeoutSeconds * 1000 });
          return undefined;
        },
        release,
        postBind: release,
      };
    },
  };
};

const isRefused = (found: PodVolumes | Refused): found is Refused => "reasons" in found;

/** Undefined where the Pod has no claims. */
function volumesOf({ pod, claims: named }: PodInfo, cluster: Cluster): PodVolumes | Refused | undefined {
  if (named.length === 0) return undefined;
  const claims = claimsOf(pod, cluster);
  const waiting = new Set<PersistentVolumeClaim>();
  let unbound = 0;
  for (const one of claims) {
    const nowhere = unusable(pod, one);
    if (nowhere || !one.claim) return refusedForGood(nowhere ?? "");
    if (isFullyBound(one.claim)) continue;
    if (!one.claim.spec?.volumeName && waitsForConsumer(one.claim, cluster)) waiting.add(one.claim);
    else unbound++;
  }
  if (unbound > 0) return refusedForGood(UNBOUND);
  return { bound: boundVolumes(claims, cluster), waiting: [...waiting] };
}

/** The nodes that the hosts of bound volumes leave, where nodes are called after their hosts. */
function nodesOf(bound: readonly (PersistentVolume | undefined)[], cluster: Cluster): ReadonlySet<string> | undefined {
  for (const volume of bound) {
    const host = volume && hostOf(volume);
    if (host && cluster.node(host)?.node.metadata.labels?.["kubernetes.io/hostname"] === host) return new Set([host]);
  }
  return undefined;
}

/** Equal refusals are one and the same object. */
function createRefusals(): (obstacles: readonly Obstacle[]) => Refused {
  const made = new Map<string, Refused>();
  return (obstacles) => {
    const reasons = REASONS.flatMap(([obstacle, reason]) => (obstacles.includes(obstacle) ? [reason] : []));
    const key = reasons.join();
    const found = made.get(key) ?? refusedForGood(...reasons);
    made.set(key, found);
    return found;
  };
}

const ownClaim = ({ claims }: PodInfo, { object }: Happened): boolean =>
  !object || claims.includes(`${object.metadata.namespace}/${object.metadata.name}`);

/** A volume that is kept for a claim helps those who use that one. */
function volumeHelps({ claims }: PodInfo, { object }: Happened): boolean {
  const kept = (object as PersistentVolume | undefined)?.spec?.claimRef;
  return !kept || claims.includes(`${kept.namespace}/${kept.name}`);
}

const HINTS: readonly Hint[] = [
  { on: "persistentvolumeclaims", helps: ownClaim },
  { on: "persistentvolumes", helps: volumeHelps },
  "storageclasses",
  "csinodes",
  "csidrivers",
  "csistoragecapacities",
  "node-added",
  "node-labels",
];
