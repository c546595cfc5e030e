/**
 * Quality of service: Guaranteed, Burstable or BestEffort, from requests and limits. Pure.
 *
 * https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/
 */
import type { Pod } from "../../machinery/objects/kinds.ts";
import { compareQuantities, parseQuantity } from "../../machinery/objects/quantity.ts";
import { initContainers, regularContainers } from "./pod-spec.ts";

export type QosClass = "Guaranteed" | "Burstable" | "BestEffort";

const COMPUTE = ["cpu", "memory"] as const;

export function qosClass(pod: Pod): QosClass {
  const stored = pod.status?.qosClass as QosClass | undefined;
  if (stored) return stored;
  const pairs = (
    pod.spec?.resources ? [{ resources: pod.spec.resources }] : [...regularContainers(pod), ...initContainers(pod)]
  )
    .map(({ resources }) => resources ?? {})
    .flatMap(({ requests, limits }) =>
      COMPUTE.map((name) => ({ request: positive(requests?.[name]), limit: positive(limits?.[name]) })),
    );
  if (pairs.every(({ request, limit }) => request === undefined && limit === undefined)) return "BestEffort";
  const exact = pairs.every(
    ({ request, limit }) =>
      limit !== undefined &&
      (request === undefined || compareQuantities(parseQuantity(request), parseQuantity(limit)) === 0),
  );
  return exact ? "Guaranteed" : "Burstable";
}

function positive(quantity: string | undefined): string | undefined {
  return quantity !== undefined && parseQuantity(quantity).nanos > 0n ? quantity : undefined;
}
