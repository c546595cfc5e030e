/**
 * Plan of a StatefulSet: which Pods are made, repaired or deleted next. Pure.
 *
 * In order, nothing is done to a Pod before all of lower ordinals are available, and nothing is deleted while one
 * of a higher ordinal is on its way out; in parallel, nobody waits. Either way a rollout deletes no available Pod
 * beyond maxUnavailable. Replacements come by the next plan, once the Pod is gone.
 */
import { type IntOrString, resolvePercent } from "../machinery/objects/int-or-string.ts";
import type { ControllerRevision, Pod, StatefulSet } from "../machinery/objects/kinds.ts";
import { isAvailable, isTerminal } from "./pod-state.ts";
import { firstOrdinal, isInRange, ordinalOf, repaired, replicasOf, revisionOfPod } from "./statefulset-pods.ts";

export type Step =
  | { readonly do: "create"; readonly ordinal: number; readonly revision: ControllerRevision }
  /** Makes claims that a Pod waits for. */
  | { readonly do: "claims"; readonly ordinal: number; readonly pod: Pod }
  | { readonly do: "repair"; readonly ordinal: number; readonly pod: Pod }
  /** What goes because it is broken goes only as it was seen: it may just have got well. */
  | { readonly do: "delete"; readonly pod: Pod; readonly broken?: true };

export interface View {
  readonly set: StatefulSet;
  readonly pods: readonly Pod[];
  /** What Pods were of before the rollout, and what they become. */
  readonly current: ControllerRevision;
  readonly update: ControllerRevision;
  readonly now: number;
}

export const isParallel = ({ spec }: StatefulSet): boolean => spec?.podManagementPolicy === "Parallel";

/** What to do now: one after the other, or, in parallel, all at once. */
export function planOf(view: View): readonly Step[] {
  const slots = slotsOf(view);
  const surplus = surplusOf(view);
  if (isParallel(view.set)) {
    return [
      ...slots.flatMap((slot) => stepsFor(slot, view)),
      ...surplus.filter((pod) => !isLeaving(pod)).map((pod): Step => ({ do: "delete", pod })),
      ...rollout(slots, view),
    ];
  }
  const steps: Step[] = [];
  for (const slot of slots) {
    steps.push(...stepsFor(slot, view));
    if (!slot.pod || isUnavailable(slot.pod, view)) return steps;
  }
  if (surplus.length > 0) return [...steps, ...shrinkInOrder(surplus, view)];
  return [...steps, ...rollout(slots, view)];
}

interface Slot {
  readonly ordinal: number;
  /** Undefined where it has to be made. */
  readonly pod: Pod | undefined;
}

/** One for each replica, by ordinal. */
function slotsOf({ set, pods }: View): readonly Slot[] {
  const first = firstOrdinal(set);
  const byOrdinal = new Map(pods.map((pod) => [ordinalOf(set, pod), pod]));
  return Array.from({ length: replicasOf(set) }, (_, i) => ({ ordinal: first + i, pod: byOrdinal.get(first + i) }));
}

/** Pods beyond the replicas, highest ordinal first. */
function surplusOf({ set, pods }: View): readonly Pod[] {
  return pods
    .filter((pod) => !isInRange(set, ordinalOf(set, pod)!))
    .sort((a, b) => ordinalOf(set, b)! - ordinalOf(set, a)!);
}

const isLeaving = ({ metadata }: Pod) => metadata.deletionTimestamp !== undefined;

const isUnavailable = (pod: Pod, { set, now }: View): boolean =>
  isLeaving(pod) || pod.status?.phase !== "Running" || !isAvailable(pod, set.spec?.minReadySeconds ?? 0, now);

/** What a replica needs for itself. An ended Pod makes room for its successor, however it ended. */
function stepsFor({ ordinal, pod }: Slot, view: View): readonly Step[] {
  if (!pod) return [{ do: "create", ordinal, revision: revisionFor(ordinal, view) }];
  if (isTerminal(pod)) return isLeaving(pod) ? [] : [{ do: "delete", pod }];
  if (isLeaving(pod)) return [];
  const steps: Step[] = pod.status?.phase === "Pending" ? [{ do: "claims", ordinal, pod }] : [];
  const settled = isParallel(view.set) || !isUnavailable(pod, view);
  return settled && repaired(view.set, pod, ordinal) ? [...steps, { do: "repair", ordinal, pod }] : steps;
}

/** Below the partition Pods stay what they were. */
function revisionFor(ordinal: number, { set, current, update }: View): ControllerRevision {
  const strategy = set.spec?.updateStrategy;
  if (strategy?.type === "OnDelete") return update;
  const kept = strategy?.rollingUpdate ? partitionOf(set) : (set.status?.currentReplicas ?? 0);
  return ordinal < firstOrdinal(set) + kept ? current : update;
}

const partitionOf = ({ spec }: StatefulSet): number => spec?.updateStrategy?.rollingUpdate?.partition ?? 0;

/** The highest goes first, unless another one, lower and unhealthy, has to recover before. */
function shrinkInOrder(surplus: readonly Pod[], view: View): readonly Step[] {
  const [highest] = surplus;
  const lowestUnavailable = surplus.findLast((pod) => isUnavailable(pod, view));
  if (!highest || isLeaving(highest)) return [];
  const mayGo = !isUnavailable(highest, view) || highest === lowestUnavailable;
  return mayGo ? [{ do: "delete", pod: highest }] : [];
}

/**
 * Pods of another revision that are deleted now, highest ordinal first. What is broken anyway goes before what
 * works, so that a revision that never worked can be left behind; below the partition, where the rollout
 * cannot mend anything, what is broken holds up nobody.
 */
function rollout(slots: readonly Slot[], view: View): readonly Step[] {
  const { set, update } = view;
  if (set.spec?.updateStrategy?.type === "OnDelete") return [];
  const allowed = maxUnavailable(set);
  const isOld = (pod: Pod) => revisionOfPod(pod) !== update.metadata.name && !isLeaving(pod) && !isTerminal(pod);
  const down = slots.filter(({ pod }) => !pod || isUnavailable(pod, view));
  const broken = down.filter(({ pod }) => pod && isOld(pod));
  const candidates = slots.slice(partitionOf(set)).filter(({ pod }) => pod && isOld(pod));
  const brokenCandidates = candidates.filter((slot) => broken.includes(slot)).reverse();
  const working = candidates.filter((slot) => !broken.includes(slot)).reverse();

  const recovering = down.length - broken.length;
  const first = brokenCandidates.slice(0, Math.max(0, allowed - recovering));
  const then = working.slice(0, Math.max(0, allowed - recovering - brokenCandidates.length));
  return [
    ...first.map(({ pod }): Step => ({ do: "delete", pod: pod!, broken: true })),
    ...then.map(({ pod }): Step => ({ do: "delete", pod: pod! })),
  ];
}

function maxUnavailable(set: StatefulSet): number {
  const value = (set.spec?.updateStrategy?.rollingUpdate?.maxUnavailable as IntOrString | undefined) ?? 1;
  return Math.max(1, resolvePercent(value, replicasOf(set), "down"));
}
