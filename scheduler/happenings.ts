/**
 * Happenings: what may change a scheduling plugin's mind about a Pod that it refused. Pure.
 *
 * Each plugin names those that may help, and may look at the change itself (`Hint` in framework.ts); a Pod is
 * tried again only when one of them comes (queue.ts). When in doubt a change counts: a try too many is cheap,
 * one too few leaves a Pod waiting for minutes.
 */
import type { Node, Pod } from "../machinery/objects/kinds.ts";
import type { StoredObject } from "../machinery/objects/wire.ts";
import type { LookedUp } from "./cluster.ts";
import { holdsTheSame } from "./held.ts";
import { resourceList } from "./pod-info.ts";
import { sameStrings, sameTaints } from "./same.ts";

export type Happening =
  | "node-added"
  | "node-gone"
  | "node-labels"
  | "node-taints"
  /** More of some resource than before. */
  | "node-room"
  | "pod-placed"
  | "pod-gone"
  /** Other labels, or on its way out. */
  | "pod-changed"
  /** Asks for less than before. */
  | "pod-smaller"
  /** Any change, deletions too, of what else is looked up. */
  | LookedUp
  /** Something that only plugins know of (`Handle.happened`). */
  | "told";

/** One happening with the object that it befell. */
export interface Happened {
  readonly what: Happening;
  /** The object as it is now, or was before it went; absent for what the API does not show. */
  readonly object?: StoredObject;
  readonly old?: StoredObject;
  readonly deleted?: boolean;
}

/** What a change of a node may help. A heartbeat is nothing. */
export function nodeHappenings(before: Node | undefined, after: Node): readonly Happening[] {
  if (!before) return ["node-added"];
  const happened: Happening[] = [];
  if (!sameStrings(before.metadata.labels, after.metadata.labels)) happened.push("node-labels");
  if (!sameTaints(before, after)) happened.push("node-taints");
  if (hasMore(before, after)) happened.push("node-room");
  return happened;
}

/** What a change of a Pod that has a node may help. */
export function podHappenings(before: Pod | undefined, after: Pod): readonly Happening[] {
  if (!before?.spec?.nodeName) return ["pod-placed"];
  const happened: Happening[] = [];
  const same =
    before.metadata.deletionTimestamp === after.metadata.deletionTimestamp &&
    sameStrings(before.metadata.labels, after.metadata.labels);
  if (!same) happened.push("pod-changed");
  const sized = before.metadata.generation === after.metadata.generation && holdsTheSame(before, after);
  if (!sized) happened.push("pod-smaller");
  return happened;
}

function hasMore(before: Node, after: Node): boolean {
  if (sameStrings(before.status?.allocatable, after.status?.allocatable)) return false;
  const had = resourceList(before.status?.allocatable);
  return [...resourceList(after.status?.allocatable)].some(([name, amount]) => amount > (had.get(name) ?? 0));
}
