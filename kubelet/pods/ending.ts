/**
 * Ending: whether a Pod must stop for good, and how much time it has. Pure.
 *
 * Deletion shortens what is under way, never lengthens it. A Pod that failed keeps its reason even
 * when it is deleted afterwards.
 */
import type { Pod } from "../../machinery/objects/kinds.ts";
import type { Ending } from "./plan-draft.ts";
import { isTerminal } from "./pod-spec.ts";

export interface EndingInput {
  readonly pod: Pod;
  /** No longer in the API. */
  readonly removed: boolean;
  readonly before: Ending | undefined;
  readonly startTime: string | undefined;
  readonly now: number;
}

export function endingOf(input: EndingInput): Ending | undefined {
  const { pod, removed, before, now } = input;
  if (removed || pod.metadata.deletionTimestamp) return deleted(pod, before, now);
  if (before) return before;
  if (isTerminal(pod)) return { kind: "finished", since: now, graceSeconds: ownGrace(pod) };
  const deadline = deadlineOf(pod, input.startTime);
  if (deadline === undefined || deadline > now) return undefined;
  return {
    kind: "failed",
    reason: "DeadlineExceeded",
    message: "Pod was active on the node longer than the specified deadline",
    since: now,
    graceSeconds: ownGrace(pod),
  };
}

function deleted(pod: Pod, before: Ending | undefined, now: number): Ending {
  const { deletionTimestamp, deletionGracePeriodSeconds } = pod.metadata;
  const grace = Math.max(1, deletionGracePeriodSeconds ?? ownGrace(pod));
  const asked = deletionTimestamp ? Date.parse(deletionTimestamp) - (deletionGracePeriodSeconds ?? 0) * 1000 : now;
  const since = Math.min(asked, now);
  if (before && before.since + before.graceSeconds * 1000 <= since + grace * 1000) {
    return before.kind === "finished" ? { ...before, kind: "deleted" } : before;
  }
  return { ...(before?.kind === "failed" ? before : { kind: "deleted" as const }), since, graceSeconds: grace };
}

/** It makes way for a critical Pod. */
export function preempted(pod: Pod): Omit<Ending, "kind" | "since"> {
  return {
    reason: "Preempting",
    message: "Preempted in order to admit critical pod",
    graceSeconds: ownGrace(pod),
    condition: {
      type: "DisruptionTarget",
      reason: "TerminationByKubelet",
      message: "Pod was preempted by Kubelet to accommodate a critical pod.",
    },
  };
}

/** When activeDeadlineSeconds is over. */
export function deadlineOf(pod: Pod, startTime: string | undefined): number | undefined {
  const seconds = pod.spec?.activeDeadlineSeconds;
  return seconds === undefined || startTime === undefined ? undefined : Date.parse(startTime) + seconds * 1000;
}

export function ownGrace(pod: Pod): number {
  return pod.spec?.terminationGracePeriodSeconds ?? 30;
}
