/**
 * Preemption: a Pod makes room only for one of higher priority that waits.
 */
import type { Pod } from "../../../machinery/objects/kinds.ts";
import type { Invariant } from "./invariants.ts";

const REASON = "PreemptionByScheduler";

const isPreempted = (pod: Pod | undefined): boolean =>
  pod?.status?.conditions?.some(
    ({ type, reason, status }) => type === "DisruptionTarget" && reason === REASON && status === "True",
  ) ?? false;

const priorityOf = ({ spec }: Pod): number => spec?.priority ?? 0;

export function preemption(): Invariant {
  /** The highest priority of those that ever waited: a view may be old, and who waited may have been deleted. */
  let highest = Number.NEGATIVE_INFINITY;
  return {
    onWrite({ resource, before, after }) {
      if (resource !== "pods" || !after) return undefined;
      const pod = after as Pod;
      if (!before) highest = Math.max(highest, priorityOf(pod));
      if (isPreempted(before as Pod | undefined) || !isPreempted(pod) || priorityOf(pod) < highest) return undefined;
      return `Pod ${pod.metadata.name} of priority ${priorityOf(pod)} makes room for none of a higher one`;
    },
  };
}
