/**
 * Pressure: from one reading of the signals to the next, which conditions hold and what must be reclaimed. Pure.
 *
 * A condition stays for the transition period after it was last seen, so that it does not flap; a soft threshold
 * acts only when it was crossed for its whole grace period; one that acted is over only when its minimum was won back.
 */
import {
  crossed,
  type Observations,
  type PressureCondition,
  SIGNALS,
  type Signal,
  type Threshold,
} from "./thresholds.ts";

export interface PressureState {
  readonly conditions: ReadonlySet<PressureCondition>;
  /** When each condition was seen last, and each crossed threshold first. */
  readonly lastSeen: ReadonlyMap<PressureCondition, number>;
  readonly firstSeen: ReadonlyMap<Threshold, number>;
  /** Those that have waited long enough. */
  readonly acting: readonly Threshold[];
}

export const atEase: PressureState = {
  conditions: new Set(),
  lastSeen: new Map(),
  firstSeen: new Map(),
  acting: [],
};

export interface PressureInput {
  readonly thresholds: readonly Threshold[];
  readonly observations: Observations;
  readonly transitionMs: number;
  readonly now: number;
}

export function nextPressure(before: PressureState, input: PressureInput): PressureState {
  const { thresholds, observations, transitionMs, now } = input;
  const unresolved = crossed(before.acting, observations, true);
  const met = [...new Set([...crossed(thresholds, observations, false), ...unresolved])];
  const firstSeen = new Map(met.map((threshold) => [threshold, before.firstSeen.get(threshold) ?? now]));
  const seenNow = new Map(met.map(({ signal }) => [SIGNALS[signal].condition, now] as const));
  const lastSeen = new Map([...before.lastSeen, ...seenNow]);
  for (const [condition, at] of lastSeen) if (at < now && now - at >= transitionMs) lastSeen.delete(condition);
  const acting = met.filter((threshold) => now - (firstSeen.get(threshold) ?? now) >= threshold.graceMs);
  return { conditions: new Set(lastSeen.keys()), lastSeen, firstSeen, acting };
}

/** What to reclaim first: memory before all else, for a node without it does nothing any more. */
export function mostUrgent(acting: readonly Threshold[]): Threshold | undefined {
  const urgency = (signal: Signal) => (SIGNALS[signal].resource === "memory" ? 0 : 1);
  return acting.toSorted((a, b) => urgency(a.signal) - urgency(b.signal) || a.graceMs - b.graceMs)[0];
}
