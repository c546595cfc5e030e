/**
 * Back-off of crashing containers: 10 s, doubled with each restart up to 5 min, forgotten after 10 min of running.
 *
 * Pure: an entry is replaced, never changed. The first restart is immediate.
 * Image pulls back off with the same curve: see image-pulls.ts.
 */

export interface Backoff {
  readonly delayMs: number;
  /** When this delay was chosen. */
  readonly since: number;
}

export const INITIAL_BACKOFF_MS = 10_000;
export const MAX_BACKOFF_MS = 300_000;

/** Time after which it may start again, or undefined when it may at once. `endedAt`: when it last finished. */
export function backedOffUntil(entry: Backoff | undefined, endedAt: number, now: number): number | undefined {
  if (!entry || expired(entry, endedAt)) return undefined;
  const until = endedAt + entry.delayMs;
  return until > now ? until : undefined;
}

/** The entry after one more start. */
export function nextBackoff(entry: Backoff | undefined, endedAt: number, now: number): Backoff {
  if (!entry || expired(entry, endedAt)) return { delayMs: INITIAL_BACKOFF_MS, since: now };
  return { delayMs: Math.min(entry.delayMs * 2, MAX_BACKOFF_MS), since: now };
}

/** It ran long enough since the last start to count as healthy again. */
function expired(entry: Backoff, endedAt: number): boolean {
  return endedAt - entry.since > MAX_BACKOFF_MS * 2;
}

/** "10s", "2m40s", "5m0s": a duration as Go prints it. */
export function goDuration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  const rest = `${seconds % 60}s`;
  if (hours > 0) return `${hours}h${minutes}m${rest}`;
  return minutes > 0 ? `${minutes}m${rest}` : rest;
}

/** "345ms", "1.234s", "1m2.345s": with milliseconds. */
export function preciseGoDuration(ms: number): string {
  const whole = Math.trunc(ms);
  if (whole < 1000) return `${whole}ms`;
  const minutes = Math.floor(whole / 60_000);
  const seconds = `${(whole % 60_000) / 1000}s`;
  return minutes > 0 ? `${minutes}m${seconds}` : seconds;
}
