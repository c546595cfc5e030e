/**
 * Volume match: which PersistentVolume serves a claim best. Pure.
 *
 * A volume that is kept for the claim by name comes first; else the smallest that is large enough,
 * and among those the one with the fewest access modes beyond what was asked. A claim that waits for
 * its first consumer takes any other volume only where the consumer's node is known.
 */
import type { Node, PersistentVolume, PersistentVolumeClaim, StorageClass } from "./kinds.ts";
import { matchesNodeSelector } from "./node-selector.ts";
import { compareQuantities, parseQuantity, type Quantity, zeroQuantity } from "./quantity.ts";
import { fromLabelSelector, isEverything, matches } from "./selectors.ts";
import { classOf, isKeptFor } from "./volume-claims.ts";

export interface MatchOptions {
  /** Where the consumer is to run. */
  readonly node?: Pick<Node, "metadata">;
  /** Volumes that other claims of the same Pod take, by name. */
  readonly taken?: ReadonlySet<string>;
  /** The claim waits for its first consumer. */
  readonly waits: boolean;
}

export function bestVolume(
  claim: PersistentVolumeClaim,
  volumes: readonly PersistentVolume[],
  { node, taken, waits }: MatchOptions,
): PersistentVolume | undefined {
  const asked = askedOf(claim);
  const className = classOf(claim);
  const selector = fromLabelSelector(claim.spec?.selector ?? {});
  let best: PersistentVolume | undefined;
  for (const volume of volumes) {
    if (taken?.has(volume.metadata.name) || volume.metadata.deletionTimestamp) continue;
    if (modeOf(volume) !== modeOf(claim) || attributesOf(volume) !== attributesOf(claim)) continue;
    const reached = !node || reaches(volume, node);
    if (isKeptFor(volume, claim)) {
      if (compareQuantities(capacityOf(volume), asked) < 0 || !allows(volume, claim)) continue;
      // kept by name for a claim whose consumer cannot reach it: no other volume may take its place
      return reached ? volume : undefined;
    }
    if ((waits && !node) || !reached || volume.spec?.claimRef || volume.status?.phase !== "Available") continue;
    if (!isEverything(selector) && !matches(selector, volume.metadata.labels)) continue;
    if (classOf(volume) !== className || !allows(volume, claim)) continue;
    if (compareQuantities(capacityOf(volume), asked) < 0) continue;
    if (!best || better(volume, best)) best = volume;
  }
  return best;
}

/** Why a volume that the claim asks for by name cannot serve it, in Kubernetes' words. */
export function unsuitable(volume: PersistentVolume, claim: PersistentVolumeClaim): string | undefined {
  if (compareQuantities(capacityOf(volume), askedOf(claim)) < 0) return "requested PV is too small";
  if (classOf(volume) !== classOf(claim)) return "storageClassName does not match";
  if (attributesOf(volume) !== attributesOf(claim)) return "volumeAttributesClassName does not match";
  if (modeOf(volume) !== modeOf(claim)) return "incompatible volumeMode";
  return allows(volume, claim) ? undefined : "incompatible accessMode";
}

export const askedOf = ({ spec }: PersistentVolumeClaim): Quantity => storageIn(spec?.resources?.requests);
export const capacityOf = ({ spec }: PersistentVolume): Quantity => storageIn(spec?.capacity);

/** Whether Pods on the node can use the volume. */
export function reaches({ spec }: PersistentVolume, node: Pick<Node, "metadata">): boolean {
  const required = spec?.nodeAffinity?.required;
  return !required || matchesNodeSelector(required, node);
}

/** Whether volumes of a class with such topologies may be made for the node; none: everywhere. */
export function allowsNode(terms: StorageClass["allowedTopologies"], { metadata }: Pick<Node, "metadata">): boolean {
  if (!terms?.length) return true;
  return terms.some(({ matchLabelExpressions = [] }) =>
    matchLabelExpressions.every(({ key, values }) => values.includes(metadata.labels?.[key] ?? "")),
  );
}

/** Filesystem unless said otherwise. */
export const modeOf = ({ spec }: { readonly spec?: { readonly volumeMode?: string } }): string =>
  spec?.volumeMode || "Filesystem";

const attributesOf = ({ spec }: { readonly spec?: { readonly volumeAttributesClassName?: string } }): string =>
  spec?.volumeAttributesClassName ?? "";

function storageIn(amounts: Readonly<Record<string, string>> | undefined): Quantity {
  const storage = amounts?.["storage"];
  return storage === undefined ? zeroQuantity : parseQuantity(storage);
}

const allows = (volume: PersistentVolume, claim: PersistentVolumeClaim): boolean =>
  (claim.spec?.accessModes ?? []).every((mode) => volume.spec?.accessModes?.includes(mode));

function better(one: PersistentVolume, other: PersistentVolume): boolean {
  const modes = (one.spec?.accessModes?.length ?? 0) - (other.spec?.accessModes?.length ?? 0);
  return modes < 0 || (modes === 0 && compareQuantities(capacityOf(one), capacityOf(other)) < 0);
}
