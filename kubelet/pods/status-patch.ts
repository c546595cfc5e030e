/**
 * Status patch: the strategic merge patch from one status to another. Pure.
 *
 * Undefined when they say the same. Lists merged by key (conditions, addresses) get their removals
 * spelled out; of conditions only those of a resize ever go, and those of others are never touched.
 */
import type { PodStatus } from "../../machinery/objects/kinds.ts";
import { RESIZE_CONDITIONS } from "./resize-status.ts";

type Json = Readonly<Record<string, unknown>>;

/** List ► the key that names its items. */
const MERGED: Readonly<Record<string, string>> = { conditions: "type", podIPs: "ip", hostIPs: "ip" };

export function statusPatch(from: PodStatus, to: PodStatus): Json | undefined {
  const patch: Record<string, unknown> = {};
  const before = from as Json;
  const after = to as Json;
  for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
    if (!OWNED.has(name) || same(before[name], after[name])) continue;
    const key = MERGED[name];
    if (!key) patch[name] = after[name] ?? null;
    else {
      const items = listPatch(name, key, (before[name] ?? []) as Json[], (after[name] ?? []) as Json[]);
      if (items.length > 0) patch[name] = items; // else they only stand in another order
    }
  }
  return Object.keys(patch).length > 0 ? patch : undefined;
}

/** What the kubelet says; resourceClaimStatuses, nominatedNodeName and resize are others'. */
const OWNED: ReadonlySet<string> = new Set([
  "observedGeneration",
  "phase",
  "conditions",
  "message",
  "reason",
  "hostIP",
  "hostIPs",
  "podIP",
  "podIPs",
  "startTime",
  "initContainerStatuses",
  "containerStatuses",
  "ephemeralContainerStatuses",
  "qosClass",
  "resources",
  "allocatedResources",
]);

function listPatch(list: string, key: string, before: readonly Json[], after: readonly Json[]): readonly Json[] {
  const changed = after
    .filter((item) => !before.some((old) => old[key] === item[key] && same(old, item)))
    .map((item) =>
      withNulls(
        before.find((old) => old[key] === item[key]),
        item,
      ),
    );
  const gone = before
    .filter((old) => list !== "conditions" || RESIZE_CONDITIONS.includes(old[key] as string))
    .filter((old) => !after.some((item) => item[key] === old[key]));
  return [...changed, ...gone.map((old) => ({ $patch: "delete", [key]: old[key] }))];
}

/** Fields that the item no longer has are set to null, or a merge would keep them. */
function withNulls(old: Json | undefined, item: Json): Json {
  const dropped = Object.keys(old ?? {}).filter((name) => item[name] === undefined);
  return { ...item, ...Object.fromEntries(dropped.map((name) => [name, null])) };
}

/** Equal as JSON, where absent, null, {} and [] are one: a server may leave empty ones out. */
export function same(a: unknown, b: unknown): boolean {
  if (isEmpty(a) || isEmpty(b)) return isEmpty(a) && isEmpty(b);
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return a === b;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...names].every((name) => same((a as Json)[name], (b as Json)[name]));
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null) return true;
  return typeof value === "object" && Object.values(value).every(isEmpty);
}
