/**
 * Measured: what one round of load brought.
 */

export interface Measured {
  readonly count: number;
  readonly seconds: number;
  readonly bytes: number;
  /** Milliseconds of each request. */
  readonly latencies: readonly number[];
}

export const rateOf = ({ count, seconds }: Measured): number => count / seconds;

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
