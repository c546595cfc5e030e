/**
 * Taints of a node: what its conditions ask for. Pure.
 *
 * https://kubernetes.io/docs/reference/labels-annotations-taints/
 */
import { findCondition } from "../machinery/objects/conditions.ts";
import type { Node, Taint } from "../machinery/objects/kinds.ts";

export const NOT_READY = "node.kubernetes.io/not-ready";
export const UNREACHABLE = "node.kubernetes.io/unreachable";
const UNSCHEDULABLE = "node.kubernetes.io/unschedulable";

/** Condition ► status ► taint. */
const BY_CONDITION: readonly (readonly [string, string, string])[] = [
  ["Ready", "False", NOT_READY],
  ["Ready", "Unknown", UNREACHABLE],
  ["MemoryPressure", "True", "node.kubernetes.io/memory-pressure"],
  ["DiskPressure", "True", "node.kubernetes.io/disk-pressure"],
  ["PIDPressure", "True", "node.kubernetes.io/pid-pressure"],
  ["NetworkUnavailable", "True", "node.kubernetes.io/network-unavailable"],
];

const OWN: ReadonlySet<string> = new Set([...BY_CONDITION.map(([, , key]) => key), UNSCHEDULABLE]);

/** Keys that keep new Pods away. */
export function noScheduleKeys({ spec, status }: Node): string[] {
  const keys = BY_CONDITION.filter(([type, state]) => findCondition(status?.conditions, type)?.status === state).map(
    ([, , key]) => key,
  );
  return spec?.unschedulable ? [...keys, UNSCHEDULABLE] : keys;
}

/** The key that drives Pods away, where the node is not ready. */
export function noExecuteKey({ status }: Node): string | undefined {
  const ready = findCondition(status?.conditions, "Ready")?.status;
  return ready === "False" ? NOT_READY : ready === "Unknown" ? UNREACHABLE : undefined;
}

/** The node's taints as they should be; those that others set stay as they are. */
export function taintsOf(node: Node, noExecute: string | undefined, now: string): Taint[] {
  const wanted: Taint[] = noScheduleKeys(node).map((key) => ({ key, effect: "NoSchedule" }));
  if (noExecute) wanted.push({ key: noExecute, effect: "NoExecute" });
  const before = node.spec?.taints ?? [];
  const same = (a: Taint, b: Taint) => a.key === b.key && a.effect === b.effect;
  const kept = before.filter((taint) => !isOwn(taint) || wanted.some((one) => same(one, taint)));
  const added = wanted
    .filter((taint) => !before.some((one) => same(one, taint)))
    .map((taint) => ({ ...taint, timeAdded: now }));
  return [...kept, ...added];
}

/** True where one of our taints drives Pods away already; which of the two may be changed at once. */
export const drivesAway = ({ spec }: Node): boolean =>
  spec?.taints?.some((taint) => taint.effect === "NoExecute" && isOwn(taint)) ?? false;

/** Set by this controller: other effects under the same keys belong to whoever set them. */
function isOwn({ key, effect }: Taint): boolean {
  return effect === "NoSchedule" ? OWN.has(key) : effect === "NoExecute" && (key === NOT_READY || key === UNREACHABLE);
}
