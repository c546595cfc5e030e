/**
 * Volume plan: which volumes the claims of a Pod would have on a node, and which would be made there.
 *
 * Decided at once and for one node after the other; nothing is kept here. What was promised to Pods that are
 * on their way to a node counts as taken (`Promises`). Larger claims choose last, so that small ones do not
 * take what only large ones need.
 */
import type { Node, PersistentVolume, PersistentVolumeClaim } from "../../machinery/objects/kinds.ts";
import { compareQuantities, parseQuantity } from "../../machinery/objects/quantity.ts";
import { fromLabelSelector, matches } from "../../machinery/objects/selectors.ts";
import { annotations, classOf, isKeptFor, NO_PROVISIONER } from "../../machinery/objects/volume-claims.ts";
import { allowsNode, askedOf, bestVolume, reaches } from "../../machinery/objects/volume-match.ts";
import type { Cluster } from "../cluster.ts";

export interface Binding {
  readonly claim: PersistentVolumeClaim;
  readonly volume: PersistentVolume;
}

export interface VolumePlan {
  readonly bind: readonly Binding[];
  /** Claims for which a volume is to be made on the node. */
  readonly make: readonly PersistentVolumeClaim[];
}

/** Why there is no plan: a volume elsewhere, none to be had, no room to make one, or one that is gone. */
export type Obstacle = "elsewhere" | "none" | "space" | "gone";

/** What was promised to Pods that are not bound yet. */
export interface Promises {
  /** Key of the claim to which the volume was promised. */
  claimOf(volume: string): string | undefined;
  /** The node on which a volume is to be made for the claim. */
  nodeOf(claim: string): string | undefined;
}

export interface PodVolumes {
  /** Of claims that are bound; undefined: not there. */
  readonly bound: readonly (PersistentVolume | undefined)[];
  /** Claims that wait for this Pod. */
  readonly waiting: readonly PersistentVolumeClaim[];
}

export const claimKey = ({ metadata }: PersistentVolumeClaim): string => `${metadata.namespace}/${metadata.name}`;

export type Planning = (node: Node) => VolumePlan | readonly Obstacle[];

export function volumePlanning({ bound, waiting }: PodVolumes, cluster: Pick<Cluster, "listers">, promises: Promises) {
  const claims = waiting.toSorted((a, b) => compareQuantities(askedOf(a), askedOf(b)));
  const free = new Map(claims.map((claim) => [claim, freeVolumes(claim, cluster, promises)]));
  const gone = bound.includes(undefined);

  const planning: Planning = (node) => {
    const obstacles = new Set<Obstacle>();
    if (!bound.every((volume) => !volume || reaches(volume, node))) obstacles.add("elsewhere");
    const bind: Binding[] = [];
    const make: PersistentVolumeClaim[] = [];
    const taken = new Set<string>();
    for (const claim of claims) {
      const selected = promises.nodeOf(claimKey(claim)) ?? claim.metadata.annotations?.[annotations.selectedNode];
      const volume = selected
        ? undefined
        : bestVolume(claim, free.get(claim)?.(node) ?? [], { node, taken, waits: true });
      if (volume) {
        taken.add(volume.metadata.name);
        bind.push({ claim, volume });
        continue;
      }
      const obstacle = selected
        ? selected === node.metadata.name
          ? undefined
          : "none"
        : unmakeable(claim, node, cluster);
      if (obstacle) obstacles.add(obstacle);
      else make.push(claim);
    }
    if (gone) obstacles.add("gone");
    return obstacles.size > 0 ? [...obstacles] : { bind, make };
  };
  return planning;
}

/** Volumes that the claim may have, those of one host found by its name. */
function freeVolumes(claim: PersistentVolumeClaim, { listers }: Pick<Cluster, "listers">, promises: Promises) {
  const anywhere: PersistentVolume[] = [];
  const onHost = new Map<string, PersistentVolume[]>();
  const [className, key] = [classOf(claim), claimKey(claim)];
  for (const volume of listers.persistentvolumes.list()) {
    if (volume.spec?.claimRef ? !isKeptFor(volume, claim) : classOf(volume) !== className) continue;
    if ((promises.claimOf(volume.metadata.name) ?? key) !== key) continue;
    // one that is kept for the claim is seen from every node: where it cannot be reached, no other may take its place
    const host = volume.spec?.claimRef ? undefined : hostOf(volume);
    const list = host === undefined ? anywhere : (onHost.get(host) ?? []);
    if (host !== undefined) onHost.set(host, list);
    list.push(volume);
  }
  return ({ metadata }: Node): readonly PersistentVolume[] => {
    const here = onHost.get(metadata.labels?.[HOSTNAME] ?? "") ?? [];
    return anywhere.length > 0 ? [...anywhere, ...here] : here;
  };
}

const HOSTNAME = "kubernetes.io/hostname";

/** Where a volume's node affinity names one host and nothing else. */
export function hostOf({ spec }: PersistentVolume): string | undefined {
  const terms = spec?.nodeAffinity?.required?.nodeSelectorTerms ?? [];
  const [one, ...more] = terms[0]?.matchExpressions ?? [];
  if (terms.length !== 1 || more.length > 0 || terms[0]?.matchFields?.length) return undefined;
  if (one?.key !== HOSTNAME || one.operator !== "In" || one.values?.length !== 1) return undefined;
  return one.values[0];
}

/** Why no volume can be made for the claim on the node. */
function unmakeable(
  claim: PersistentVolumeClaim,
  node: Node,
  { listers }: Pick<Cluster, "listers">,
): Obstacle | undefined {
  const storageClass = listers.storageclasses.get(classOf(claim));
  if (!storageClass || storageClass.provisioner === NO_PROVISIONER) return "none";
  if (!allowsNode(storageClass.allowedTopologies, node)) return "none";
  if (!listers.csidrivers.get(storageClass.provisioner)?.spec?.storageCapacity) return undefined;
  const asked = askedOf(claim);
  const enough = listers.csistoragecapacities
    .list()
    .some(({ storageClassName, capacity, maximumVolumeSize, nodeTopology }) => {
      const most = maximumVolumeSize ?? capacity;
      return (
        storageClassName === storageClass.metadata.name &&
        most !== undefined &&
        nodeTopology !== undefined &&
        compareQuantities(parseQuantity(most), asked) >= 0 &&
        matches(fromLabelSelector(nodeTopology), node.metadata.labels)
      );
    });
  return enough ? undefined : "space";
}
