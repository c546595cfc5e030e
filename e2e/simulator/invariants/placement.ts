/**
 * Placement: a Pod is given one node for its life and runs there alone, and no node is promised twice.
 */
import type { Pod } from "../../../machinery/objects/kinds.ts";
import { milliValue } from "../../../machinery/objects/quantity.ts";
import { isEnded } from "../pod-report.ts";
import type { Invariant } from "./invariants.ts";

export function placement(): Invariant {
  return {
    onWrite({ resource, before, after }, objects) {
      if (resource !== "pods" || !after) return undefined;
      const pod = after as Pod;
      const { nodeName } = pod.spec ?? {};
      const former = (before as Pod | undefined)?.spec?.nodeName;
      if (former && former !== nodeName) return `Pod ${pod.metadata.name} moved from ${former} to ${nodeName}`;
      if (!nodeName || former) return undefined;
      const allocatable = objects.get("nodes", undefined, nodeName)?.status?.allocatable;
      if (!allocatable) return undefined;
      const there = objects.podsOn(nodeName).filter((one) => !isEnded(one));
      const cpu = there.reduce((sum, one) => sum + cpuOf(one), 0);
      if (there.length > Number(allocatable["pods"])) return `${nodeName} has ${there.length} Pods, too many`;
      if (cpu > milliValue(allocatable["cpu"])) return `${nodeName} is promised ${cpu}m of ${allocatable["cpu"]} CPUs`;
      return undefined;
    },
    onStart(started, all) {
      const { uid, name } = started.pod.metadata;
      for (const other of all)
        if (other !== started && other.pod.metadata.uid === uid)
          return `Pod ${name} runs on ${other.node} and ${started.node}`;
      return undefined;
    },
  };
}

const cpuOf = ({ spec }: Pod): number =>
  (spec?.containers ?? []).reduce((sum, { resources }) => sum + milliValue(resources?.requests?.["cpu"]), 0);
