/**
 * Autoscaling: an autoscaler never sets a size outside its bounds.
 */
import type { Deployment } from "../../../machinery/objects/kinds.ts";
import type { Invariant } from "./invariants.ts";

export function autoscaling(): Invariant {
  return {
    onWrite({ resource, before, after, cause, namespace, name }, objects) {
      if (resource !== "deployments" || !after || cause.controller !== "horizontal-pod-autoscaler") return undefined;
      const size = (after as Deployment).spec?.replicas ?? 1;
      if (size === (before as Deployment | undefined)?.spec?.replicas) return undefined;
      const autoscaler = objects.get("horizontalpodautoscalers", namespace, name);
      const { minReplicas = 1, maxReplicas = 1 } = autoscaler?.spec ?? {};
      if (!autoscaler || (size >= minReplicas && size <= maxReplicas)) return undefined;
      return `autoscaler ${name} sets ${size} Pods, it may set ${minReplicas} to ${maxReplicas}`;
    },
  };
}
