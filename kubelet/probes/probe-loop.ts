/**
 * Probe loop: one probe of one running container, from its start to its end.
 *
 * Waits for the initial delay, then tries every period; the result changes only after as many equal
 * verdicts in a row as the threshold says. Readiness and liveness wait until the container counts as
 * started; startup ends with its first success. Each failed try is an Unhealthy event.
 */
import type { Container, Probe } from "../../machinery/objects/kinds.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import type { ProbeVerdict } from "../pods/probe-results.ts";
import type { Verdict } from "./attempt.ts";

export type ProbeKind = "startup" | "liveness" | "readiness";

/** Before the first verdict. */
export const INITIAL: Readonly<Record<ProbeKind, ProbeVerdict>> = {
  startup: "unknown",
  liveness: "success",
  readiness: "failure",
};

export const PROBE_FIELDS = {
  startup: "startupProbe",
  liveness: "livenessProbe",
  readiness: "readinessProbe",
} as const;

export function probeOf(container: Container, kind: ProbeKind): Probe | undefined {
  return container[PROBE_FIELDS[kind]];
}

export interface ProbeLoop {
  readonly kind: ProbeKind;
  readonly probe: Probe;
  /** When the container started, in wall time. */
  readonly startedAt: number;
  readonly initial: ProbeVerdict;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly attempt: () => Promise<Verdict>;
  readonly isStarted: () => boolean;
  readonly onResult: (result: ProbeVerdict) => void;
  readonly onFailure: (verdict: Verdict) => void;
}

/** Resolves when there is nothing left to find out, or the signal aborted. */
export async function runProbe(loop: ProbeLoop): Promise<void> {
  const { kind, probe, startedAt, clock, signal } = loop;
  const period = (probe.periodSeconds ?? 10) * 1000;
  const begin = startedAt + (probe.initialDelaySeconds ?? 0) * 1000;
  let result = loop.initial;
  let run: { ok: boolean; length: number } = { ok: false, length: 0 };

  if (!(await pause(clock, begin - clock.now(), signal))) return;
  while (!signal.aborted) {
    if (kind !== "startup" && !loop.isStarted()) {
      if (!(await pause(clock, Math.min(period, 1000), signal))) return;
      continue;
    }
    const began = clock.monotonic();
    const verdict = await loop.attempt();
    if (signal.aborted) return;
    if (!verdict.ok) loop.onFailure(verdict);
    if (verdict.unknown) {
      if (!(await pause(clock, period - (clock.monotonic() - began), signal))) return;
      continue;
    }
    run = { ok: verdict.ok, length: verdict.ok === run.ok ? run.length + 1 : 1 };
    const next = verdict.ok ? "success" : "failure";
    if (run.length >= threshold(probe, verdict.ok) && next !== result) {
      result = next;
      loop.onResult(result);
    }
    if (settled(kind, result)) return;
    if (!(await pause(clock, period - (clock.monotonic() - began), signal))) return;
  }
}

/** A container that failed for good is killed, one that started has started: no need to look again. */
function settled(kind: ProbeKind, result: ProbeVerdict): boolean {
  return (kind === "startup" && result !== "unknown") || (kind === "liveness" && result === "failure");
}

function threshold(probe: Probe, ok: boolean): number {
  return ok ? (probe.successThreshold ?? 1) : (probe.failureThreshold ?? 3);
}

/** False when the signal aborted meanwhile. */
async function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return false;
  if (ms <= 0) return true;
  return clock.sleep(ms, signal).then(
    () => true,
    () => false,
  );
}
