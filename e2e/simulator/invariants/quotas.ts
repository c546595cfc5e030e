/**
 * Quotas: no Pod is created beyond what its namespace may have, in number and in processors.
 */
import type { Pod } from "../../../machinery/objects/kinds.ts";
import { milliValue } from "../../../machinery/objects/quantity.ts";
import { isEnded } from "../pod-report.ts";
import { START } from "../virtual-time.ts";
import type { Circumstances, Invariant } from "./invariants.ts";
import { createRecent } from "./recent.ts";

export function quotas({ aheadMs }: Circumstances): Invariant {
  const ahead = createRecent();
  /** Pods that came before the quota was first counted: it may have been counted without them (as in Kubernetes). */
  const early = new Set<string>();
  return {
    onWrite({ resource, namespace, before, after, at }, objects) {
      if (resource === "pods" || resource === "resourcequotas") ahead.note(aheadMs(), at);
      if (resource !== "pods" || before || !after) return undefined;
      // who counts does so by its own clock, in Kubernetes too
      const now = at + ahead.most(at);
      for (const quota of objects.of("resourcequotas")) {
        if (quota.metadata.namespace !== namespace) continue;
        const { pods: most, "requests.cpu": cpu } = quota.spec?.hard ?? {};
        if (!quota.status?.hard) early.add((after as Pod).metadata.uid);
        const there = objects
          .of("pods")
          .filter(({ metadata }) => metadata.namespace === namespace && !early.has(metadata.uid))
          .filter((pod) => !isOver(pod, now));
        if (most !== undefined && there.length > Number(most))
          return `${there.length} Pods in ${namespace}, the quota is ${most}`;
        const asked = there.reduce((sum, pod) => sum + requestOf(pod), 0);
        if (cpu !== undefined && asked > milliValue(cpu))
          return `Pods in ${namespace} ask for ${asked}m CPUs, the quota is ${cpu}`;
      }
      return undefined;
    },
  };
}

/** It has ended, or should have long ago: its node is given its grace once more. */
function isOver(pod: Pod, at: number): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds = 0 } = pod.metadata;
  if (isEnded(pod) || !deletionTimestamp) return isEnded(pod);
  return START + at > Date.parse(deletionTimestamp) + deletionGracePeriodSeconds * 1000;
}

const requestOf = ({ spec }: Pod): number =>
  (spec?.containers ?? []).reduce((sum, { resources }) => sum + milliValue(resources?.requests?.["cpu"]), 0);
