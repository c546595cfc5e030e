/**
 * Probes: liveness, readiness and startup.
 *
 * What a probe does is in handler.ts; this is how often, how long and how many times.
 */
import type { Probe } from "../../machinery/objects/kinds.ts";
import { notNegative } from "./checks.ts";
import type { FieldErrors } from "./field-errors.ts";
import { defaultHandler, validateHandler } from "./handler.ts";

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
  path: string,
  errors: FieldErrors,
): void {
  validateHandler(probe, grace, path, errors);
  for (const field of COUNTS) notNegative(probe[field], `${path}.${field}`, errors);
  const own = probe.terminationGracePeriodSeconds;
  if (name === "readinessProbe") {
    if (own !== undefined) {
      errors.invalid(`${path}.terminationGracePeriodSeconds`, own, "must not be set for readinessProbes");
    }
    return;
  }
  if (probe.successThreshold !== 1) errors.invalid(`${path}.successThreshold`, probe.successThreshold, "must be 1");
  if (own !== undefined && own <= 0) {
    errors.invalid(`${path}.terminationGracePeriodSeconds`, own, "must be greater than 0");
  }
}
