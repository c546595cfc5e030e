/**
 * Claims of a StatefulSet: who owns the volume claims of its Pods, by its retention policy. Pure.
 *
 * A claim goes with its owners: with the set where they are not to outlive it, with the Pod where a Pod that is
 * scaled away takes them along; so the Pod must own it before it is deleted. A claim that belongs to another
 * controller, or to a former set or Pod of the same name, is left alone.
 * https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#persistentvolumeclaim-retention
 */
import {
  type KindInfo,
  kinds,
  type PersistentVolumeClaim,
  type Pod,
  type StatefulSet,
} from "../machinery/objects/kinds.ts";
import { ownerReferenceTo } from "../machinery/objects/owners.ts";
import type { OwnerReference, StoredMeta } from "../machinery/objects/wire.ts";
import { isInRange } from "./statefulset-pods.ts";

interface Owner {
  readonly metadata: Pick<StoredMeta, "name" | "uid">;
}

export interface Ownership {
  /** The owners that the claim should have; undefined where those it has are right, or none of ours to change. */
  readonly owners?: readonly OwnerReference[];
  /** Somebody else controls it, although it should go with the set or the Pod. */
  readonly conflicting?: true;
}

export function ownershipOf(claim: PersistentVolumeClaim, set: StatefulSet, pod: Pod, ordinal: number): Ownership {
  const references = claim.metadata.ownerReferences ?? [];
  if (references.some((one) => isFormer(one, set, SET) || isFormer(one, pod, POD))) return {};
  const others = references.filter((one) => !isNamed(one, set, SET) && !isNamed(one, pod, POD));
  const ours = references.filter((one) => !others.includes(one));
  const wanted = wantedOwner(set, pod, ordinal);
  if (keepsAll(set) || !others.some(({ controller }) => controller)) {
    const right = wanted
      ? ours.length === 1 && ours[0]?.uid === wanted.uid && ours[0].controller === true
      : ours.length === 0;
    return right ? {} : { owners: wanted ? [...others, wanted] : others };
  }
  return { conflicting: true, ...(ours.length > 0 ? { owners: others } : {}) };
}

/** The set's reference, for a claim that is made. */
export function firstOwners(set: StatefulSet): OwnerReference[] {
  return policyOf(set).whenDeleted === "Delete" ? [ownerReferenceTo(set, SET)] : [];
}

/** It belongs to a former set of this name, and goes with that one as soon as this is noticed. */
export const isOfFormer = ({ metadata }: PersistentVolumeClaim, set: StatefulSet): boolean =>
  (metadata.ownerReferences ?? []).some((one) => isFormer(one, set, SET));

/** A Pod that is to be made must not find the claim of a former one, which goes with that one. */
export function isStale(claim: PersistentVolumeClaim, set: StatefulSet, podName: string): boolean {
  if (policyOf(set).whenScaled !== "Delete") return false;
  return (claim.metadata.ownerReferences ?? []).some(({ kind, name }) => kind === POD.kind && name === podName);
}

const SET = kinds.statefulsets;
const POD = kinds.pods;

function policyOf({ spec }: StatefulSet): { readonly whenDeleted?: string; readonly whenScaled?: string } {
  return spec?.persistentVolumeClaimRetentionPolicy ?? {};
}

function keepsAll(set: StatefulSet): boolean {
  const { whenDeleted, whenScaled } = policyOf(set);
  return whenDeleted !== "Delete" && whenScaled !== "Delete";
}

function wantedOwner(set: StatefulSet, pod: Pod, ordinal: number): OwnerReference | undefined {
  const { whenDeleted, whenScaled } = policyOf(set);
  if (whenScaled === "Delete" && !isInRange(set, ordinal)) return ownerReferenceTo(pod, POD);
  return whenDeleted === "Delete" ? ownerReferenceTo(set, SET) : undefined;
}

const groupOf = (apiVersion: string) => (apiVersion.includes("/") ? apiVersion.slice(0, apiVersion.indexOf("/")) : "");

const isNamed = ({ apiVersion, kind, name }: OwnerReference, owner: Owner, info: KindInfo): boolean =>
  groupOf(apiVersion) === info.group && kind === info.kind && name === owner.metadata.name;

const isFormer = (reference: OwnerReference, owner: Owner, info: KindInfo): boolean =>
  isNamed(reference, owner, info) && reference.uid !== owner.metadata.uid;
