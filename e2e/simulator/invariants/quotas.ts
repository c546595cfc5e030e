/**
 * Quotas: no Pod is created beyond what its namespace may have.
 */

import { isEnded } from "../pod-report.ts";
import type { Invariant } from "./invariants.ts";

export function quotas(): Invariant {
  return {
    onWrite({ resource, namespace, before, after }, objects) {
      if (resource !== "pods" || before || !after) return undefined;
      for (const quota of objects.of("resourcequotas")) {
        if (quota.metadata.namespace !== namespace) continue;
        const hard = quota.spec?.hard?.["pods"];
        const used = objects.of("pods").filter((pod) => pod.metadata.namespace === namespace && !isEnded(pod)).length;
        if (hard !== undefined && used > Number(hard)) return `${used} Pods in ${namespace}, the quota is ${hard}`;
      }
      return undefined;
    },
  };
}
