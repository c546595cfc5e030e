/**
 * Owners: the entries of metadata.managedFields: read, checked, told apart, bounded and sorted.
 *
 * One entry for each manager, operation, apiVersion and subresource; of an applier one whatever its apiVersion.
 * Entries are never changed: what differs is a new one.
 */
import { limits } from "../../machinery/process/limits.ts";
import type { Fields, ManagedFieldsEntry } from "./contract.ts";
import { type FieldSets, isEmpty, MalformedFields } from "./field-sets.ts";
import { LEAF } from "./intern.ts";

/** An entry that is as it should be. */
export interface Owner extends ManagedFieldsEntry {
  readonly manager: string;
  readonly operation: "Apply" | "Update";
  readonly apiVersion: string;
  readonly fieldsV1: Fields;
}

export const FIELDS_TYPE = "FieldsV1";
/** Owns what the oldest of too many updaters owned. */
const ANCIENT = "ancient-changes";

/** Throws MalformedFields for what Kubernetes would not read either. */
export function ownersOf(sets: FieldSets, entries: unknown): Owner[] {
  if (!Array.isArray(entries)) return [];
  const owners = entries.map((entry: unknown) => ownerOf(sets, entry));
  if (!hasTwins(owners)) return owners;
  return [...new Map(owners.map((owner) => [identity(owner), owner])).values()];
}

function hasTwins(owners: readonly Owner[]): boolean {
  for (let at = 1; at < owners.length; at++)
    for (let before = 0; before < at; before++)
      if (sameOwner(owners[before] as Owner, owners[at] as Owner)) return true;
  return false;
}

function ownerOf(sets: FieldSets, entry: unknown): Owner {
  const { manager, operation, apiVersion, fieldsType, fieldsV1 } = (entry ?? {}) as ManagedFieldsEntry;
  if (operation !== "Apply" && operation !== "Update")
    throw new MalformedFields("operation must be `Apply` or `Update`");
  if (!apiVersion) throw new MalformedFields("apiVersion must not be empty");
  if (fieldsType !== FIELDS_TYPE) throw new MalformedFields(`invalid fieldsType ${JSON.stringify(fieldsType ?? "")}`);
  const fields = sets.adopt(fieldsV1 ?? LEAF);
  if (fields === fieldsV1 && manager !== undefined) return entry as Owner;
  return { ...(entry as Owner), manager: manager ?? "", fieldsV1: fields };
}

/** The same text for entries that are one. */
export function identity({ manager, operation, apiVersion, subresource = "" }: Owner): string {
  return JSON.stringify([manager, operation, operation === "Apply" ? "" : apiVersion, subresource]);
}

export function sameOwner(a: Owner, b: Owner): boolean {
  return (
    a.manager === b.manager &&
    a.operation === b.operation &&
    (a.subresource ?? "") === (b.subresource ?? "") &&
    (a.operation === "Apply" || a.apiVersion === b.apiVersion)
  );
}

export function owner(
  operation: Owner["operation"],
  manager: string,
  apiVersion: string,
  subresource: string,
  time: string,
  fieldsV1: Fields,
): Owner {
  const entry = { manager, operation, apiVersion, time, fieldsType: FIELDS_TYPE, fieldsV1 };
  return subresource ? { ...entry, subresource } : entry;
}

export const withFields = (entry: Owner, fieldsV1: Fields | undefined): Owner =>
  entry.fieldsV1 === fieldsV1 ? entry : { ...entry, fieldsV1: fieldsV1 ?? LEAF };

/** Without those who own nothing, the oldest updaters as one where there are too many, in Kubernetes' order. */
export function settled(sets: FieldSets, owners: readonly Owner[]): Owner[] {
  const left = owners.filter(({ fieldsV1 }) => !isEmpty(fieldsV1));
  if (left.length <= 1) return left;
  const kept = left.length <= limits.updateManagers ? left : capped(sets, left);
  return isInOrder(kept) ? kept : kept.sort(inOrder);
}

function isInOrder(owners: readonly Owner[]): boolean {
  for (let at = 1; at < owners.length; at++)
    if (inOrder(owners[at - 1] as Owner, owners[at] as Owner) > 0) return false;
  return true;
}

function inOrder(a: Owner, b: Owner): number {
  return (
    byText(a.operation, b.operation) ||
    seconds(a) - seconds(b) ||
    byText(a.manager, b.manager) ||
    byText(a.apiVersion, b.apiVersion) ||
    byText(a.subresource ?? "", b.subresource ?? "")
  );
}

const byText = (a: string, b: string): number => (a === b ? 0 : a < b ? -1 : 1);

function seconds({ time }: Owner): number {
  return time ? Math.floor(Date.parse(time) / 1000) || 0 : 0;
}

/** The first of each apiVersion becomes the bucket into which the next oldest go, until there are few enough. */
function capped(sets: FieldSets, owners: Owner[]): Owner[] {
  const updaters = owners.filter(({ operation }) => operation === "Update").sort(inOrder);
  if (updaters.length <= limits.updateManagers) return owners;
  const kept = new Set(owners);
  const buckets = new Map<string, Owner>();
  let count = updaters.length;
  for (const updater of updaters) {
    if (count <= limits.updateManagers) break;
    const bucket = buckets.get(updater.apiVersion);
    if (bucket) {
      kept.delete(bucket);
      kept.delete(updater);
      const fields = sets.union(bucket.fieldsV1, updater.fieldsV1) ?? LEAF;
      const merged = owner("Update", ANCIENT, updater.apiVersion, "", updater.time ?? "", fields);
      kept.add(merged);
      buckets.set(updater.apiVersion, merged);
      count--;
    } else buckets.set(updater.apiVersion, updater);
  }
  return [...kept];
}
