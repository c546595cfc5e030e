/**
 * Probes: liveness, readiness and startup.
 *
 * What a probe does is in handler.ts; this is how often, how long and how many times.
 */
import type { Probe } from "../../machinery/objects/kinds.ts";
import { NOT_NEGATIVE } from "./checks.ts";
import type { FieldErrors } from "./field-errors.ts";
import { defaultHandler, validateHandler } from "./handler.ts";
import { type At, child } from "./path.ts";

export type ProbeName = "livenessProbe" | "readinessProbe" | "startupProbe";

export function defaultProbe(probe: Probe): void {
  probe.timeoutSeconds ||= 1;
  probe.periodSeconds ||= 10;
  probe.successThreshold ||= 1;
  probe.failureThreshold ||= 3;
  defaultHandler(probe);
}

const COUNTS = [
  "initialDelaySeconds",
  "timeoutSeconds",
  "periodSeconds",
  "successThreshold",
  "failureThreshold",
] as const satisfies readonly (keyof Probe)[];

export function validateProbe(
  probe: Probe,
  name: ProbeName,
  grace: number | undefined,
  path: At,
  errors: FieldErrors,
): void {
  validateHandler(probe, grace, path, errors);
  for (const field of COUNTS) {
    const value = probe[field];
    if (value !== undefined && value < 0) errors.invalid(child(path, field), value, NOT_NEGATIVE);
  }
  const own = probe.terminationGracePeriodSeconds;
  const graceAt = child(path, "terminationGracePeriodSeconds");
  if (own !== undefined && own <= 0) errors.invalid(graceAt, own, "must be greater than 0");
  if (name === "readinessProbe") {
    if (own !== undefined) errors.invalid(graceAt, own, "must not be set for readinessProbes");
  } else if (probe.successThreshold !== 1) {
    errors.invalid(child(path, "successThreshold"), probe.successThreshold, "must be 1");
  }
}
