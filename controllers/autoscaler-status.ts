/**
 * Autoscaler status: gathers what one look at an autoscaler finds, and says whether that must be written.
 */
import { type Condition, withCondition } from "../machinery/objects/conditions.ts";
import type { HorizontalPodAutoscaler } from "../machinery/objects/kinds.ts";
import { wireTime } from "../machinery/process/clock.ts";
import type { MetricStatus } from "./autoscaler-proposals.ts";
import { sameJson } from "./canonical-json.ts";

export interface StatusDraft {
  condition(type: string, status: "True" | "False", reason: string, message: string): void;
  /** What the metrics say now; without it nothing was measured. */
  metrics(statuses: readonly MetricStatus[]): void;
  /** `desired`: as before where nobody knows. */
  sizes(current: number, desired: number | undefined): void;
  scaledAt(time: string): void;
  /** A merge patch of what is different; undefined when nothing is. */
  changes(): Record<string, unknown> | undefined;
}

export function createStatus({ status }: HorizontalPodAutoscaler, now: number): StatusDraft {
  let conditions = status?.conditions as Condition[] | undefined;
  let measured: readonly MetricStatus[] | undefined;
  let sized: { readonly currentReplicas: number; readonly desiredReplicas: number } | undefined;
  let lastScaleTime: string | undefined;
  return {
    condition(type, value, reason, message) {
      conditions = withCondition(conditions, { type, status: value, reason, message }, wireTime(now));
    },
    metrics(statuses) {
      measured = statuses;
    },
    sizes(current, desired) {
      sized = { currentReplicas: current, desiredReplicas: desired ?? status?.desiredReplicas ?? 0 };
    },
    scaledAt(time) {
      lastScaleTime = time;
    },
    changes() {
      // Where the target was not found, the sizes and metrics stay what they were.
      const next = {
        ...status,
        ...sized,
        ...(sized && { currentMetrics: measured }),
        ...(lastScaleTime && { lastScaleTime }),
        conditions,
      };
      if (sameJson(next, status)) return undefined;
      return {
        ...sized,
        ...(sized && { currentMetrics: measured ?? null }),
        ...(lastScaleTime && { lastScaleTime }),
        conditions,
      };
    },
  };
}
