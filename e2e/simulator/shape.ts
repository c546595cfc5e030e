/**
 * Shape: how large a simulated cluster is, and how long it storms.
 */
export interface Shape {
  readonly nodes: number;
  /** Processes of each kind that stand by for leadership; 1 works without a lease. */
  readonly candidates: number;
  readonly quota: boolean;
  /** Nodes are so small that Pods may have to wait for room. */
  readonly tight: boolean;
  /** Pods differ in priority. */
  readonly priorities: boolean;
  /** Events are written too: they cost much, and nothing is decided by them. */
  readonly events: boolean;
}

/** Users act and things go wrong until then; afterwards everything has to come to rest. */
export const STORM_MS = 90_000;
