/**
 * Quality of service: which Pods go first when a node runs out of memory.
 *
 * Guaranteed: every container's cpu and memory limits are set and equal to its requests. BestEffort: none
 * asks for anything. Burstable: the rest. Written into the status at creation, never changed after.
 * https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/
 */
import type { PodSpec } from "./kinds.ts";
import { compareQuantities, parseQuantity } from "./quantity.ts";

export type QosClass = "Guaranteed" | "Burstable" | "BestEffort";

const COUNTED = ["cpu", "memory"] as const;

export function qosClass(spec: PodSpec): QosClass {
  const asking = spec.resources
    ? [spec.resources]
    : [...(spec.containers ?? []), ...(spec.initContainers ?? [])].map(({ resources }) => resources ?? {});
  let any = false;
  let guaranteed = true;
  for (const { requests, limits } of asking) {
    for (const name of COUNTED) {
      const limit = positive(limits?.[name]);
      const request = positive(requests?.[name]);
      if (limit || request) any = true;
      if (!limit || (request && compareQuantities(parseQuantity(request), parseQuantity(limit)) !== 0)) {
        guaranteed = false;
      }
    }
  }
  return !any ? "BestEffort" : guaranteed ? "Guaranteed" : "Burstable";
}

const positive = (amount: string | undefined): string | undefined =>
  amount !== undefined && parseQuantity(amount).nanos > 0n ? amount : undefined;
