/**
 * Probe results: what the probes of one running container say now.
 *
 * Kept by kubelet/probes; plan.ts acts on startup and liveness, the status shows startup and readiness.
 */

export type ProbeVerdict = "success" | "failure" | "unknown";

/** Undefined: the container has no such probe. */
export interface ProbeResults {
  readonly startup: ProbeVerdict | undefined;
  readonly liveness: ProbeVerdict | undefined;
  readonly readiness: ProbeVerdict | undefined;
}

export const noProbes: ProbeResults = { startup: undefined, liveness: undefined, readiness: undefined };

/** A running container counts as started when its startup probe has succeeded, or there is none. */
export function isStarted({ startup }: ProbeResults): boolean {
  return startup === undefined || startup === "success";
}

export function isReady(results: ProbeResults): boolean {
  return isStarted(results) && (results.readiness === undefined || results.readiness === "success");
}
