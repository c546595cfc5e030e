/**
 * Happenings: what may change a scheduling plugin's mind about a Pod that it refused. Pure.
 *
 * Each plugin names those that may help (framework.ts); a Pod is tried again only when one of
 * them comes (queue.ts). When in doubt a change counts: a try too many is cheap, one too few
 * leaves a Pod waiting for minutes.
 */
import { isDeepStrictEqual } from "node:util";
import type { Node, Pod } from "../machinery/objects/kinds.ts";
import { resourceList } from "./pod-info.ts";

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
  | "namespaces"
  | "volumes";

/** What a change of a node may help. A heartbeat is nothing. */
export function nodeHappenings(before: Node | undefined, after: Node): readonly Happening[] {
  if (!before) return ["node-added"];
  const happened: Happening[] = [];
  if (!isDeepStrictEqual(before.metadata.labels, after.metadata.labels)) happened.push("node-labels");
  if (!isDeepStrictEqual(taints(before), taints(after))) happened.push("node-taints");
  if (hasMore(before, after)) happened.push("node-room");
  return happened;
}

/** What a change of a Pod that has a node may help. */
export function podHappenings(before: Pod | undefined, after: Pod): readonly Happening[] {
  if (!before?.spec?.nodeName) return ["pod-placed"];
  const same =
    before.metadata.deletionTimestamp === after.metadata.deletionTimestamp &&
    isDeepStrictEqual(before.metadata.labels, after.metadata.labels);
  return same ? [] : ["pod-changed"];
}

const taints = ({ spec }: Node) => [spec?.unschedulable ?? false, spec?.taints ?? []];

function hasMore(before: Node, after: Node): boolean {
  const had = resourceList(before.status?.allocatable);
  return [...resourceList(after.status?.allocatable)].some(([name, amount]) => amount > (had.get(name) ?? 0));
}
