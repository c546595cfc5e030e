/**
 * Webhook metrics: how long webhooks take, how often they refuse and fail, under Kubernetes' names.
 */

import type { ApiError } from "../../machinery/objects/status.ts";
import type { Metrics } from "../../machinery/process/metrics.ts";
import { CallingWebhookError, Rejection } from "./webhook-errors.ts";

/** As Kubernetes names the two kinds. */
export type WebhookType = "admit" | "validating";

export interface WebhookMetrics {
  called(name: string, type: WebhookType, operation: string, seconds: number, outcome: unknown, ignored: boolean): void;
  failedOpen(name: string, type: WebhookType): void;
  /** Its conditions said that it is not concerned, or could not be evaluated. */
  excluded(name: string, type: WebhookType, operation: string): void;
  unevaluated(name: string, type: WebhookType, operation: string): void;
}

const SECONDS = [0.005, 0.025, 0.1, 0.5, 1, 2.5, 10, 25];
const LARGEST_CODE = 600;

export function createWebhookMetrics(metrics: Metrics): WebhookMetrics {
  const durations = metrics.histogram(
    "apiserver_admission_webhook_admission_duration_seconds",
    "Time that an admission webhook takes.",
    ["name", "type", "operation", "rejected"],
    SECONDS,
  );
  const requests = metrics.counter("apiserver_admission_webhook_request_total", "Calls of admission webhooks.", [
    "name",
    "type",
    "operation",
    "code",
    "rejected",
  ]);
  const rejections = metrics.counter(
    "apiserver_admission_webhook_rejection_count",
    "Requests that an admission webhook refused, or that were refused because it could not be asked.",
    ["name", "type", "operation", "error_type", "rejection_code"],
  );
  const open = metrics.counter(
    "apiserver_admission_webhook_fail_open_count",
    "Requests that went on although a webhook could not be asked.",
    ["name", "type"],
  );
  const conditions = ["name", "kind", "type", "operation"];
  const exclusions = metrics.counter(
    "apiserver_admission_match_condition_exclusions_total",
    "Requests of which match conditions said that they do not concern.",
    conditions,
  );
  const failures = metrics.counter(
    "apiserver_admission_match_condition_evaluation_errors_total",
    "Match conditions that could not be evaluated.",
    conditions,
  );

  return {
    called(name, type, operation, seconds, outcome, ignored) {
      const { code, error } = kindOf(outcome);
      const rejected = error !== undefined && !ignored;
      durations.of(name, type, operation, String(rejected)).observe(seconds);
      requests.of(name, type, operation, code, String(rejected)).value++;
      if (rejected) rejections.of(name, type, operation, error, code).value++;
    },
    failedOpen: (name, type) => void open.of(name, type).value++,
    excluded: (name, type, operation) => void exclusions.of(name, "webhook", type, operation).value++,
    unevaluated: (name, type, operation) => void failures.of(name, "webhook", type, operation).value++,
  };
}

/** `outcome` is what was thrown, or undefined. */
function kindOf(outcome: unknown): { readonly code: string; readonly error?: string } {
  const text = (code: number): string => String(Math.min(code, LARGEST_CODE));
  if (outcome === undefined) return { code: "200" };
  if (outcome instanceof CallingWebhookError) return { code: text(outcome.code), error: "calling_webhook_error" };
  if (outcome instanceof Rejection) return { code: text((outcome.error as ApiError).code), error: "no_error" };
  return { code: "0", error: "apiserver_internal_error" };
}
