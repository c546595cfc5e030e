/**
 * Leadership: leads for as long as the process lives, again after each time that it was lost.
 *
 * What ran under a lost leadership is over: `lead` begins anew with fresh caches and no memory.
 * How a leader is agreed on: leader-election.ts.
 */
import { hostname } from "node:os";
import type { Client } from "../client/client.ts";
import type { Clock } from "../process/clock.ts";
import type { Logger } from "../process/logging.ts";
import { createBackoff } from "./backoff.ts";
import { electLeader, type Leadership, LeadershipLost } from "./leader-election.ts";
import { processIdentity } from "./process-identity.ts";

/**
 * "renew": one of several processes. "hold": alone with its API server: takes the lease once, writes nothing while
 * idle, and yields when another takes it. "none": no lease at all.
 */
export type LeadershipMode = "renew" | "hold" | "none";

export interface LeadershipOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly leadership: LeadershipMode;
  /** The Lease's name. */
  readonly lease: string;
  /** Who holds it; must be the same at each start where it is held without renewing. */
  readonly identity?: string | undefined;
}

/** Resolves when the signal aborts and `lead` has ended. */
export async function keepLeading(
  options: LeadershipOptions,
  lead: (leading: Leadership) => Promise<void>,
): Promise<void> {
  const { client, clock, log, signal, leadership, lease } = options;
  if (leadership === "none") return lead({ client, signal });
  const own = leadership === "hold" ? `${hostname().toLowerCase()}_server` : processIdentity(clock);
  const identity = options.identity ?? own;
  const backoff = createBackoff(clock, 100, 5_000);
  while (!signal.aborted) {
    try {
      await electLeader({ client, clock, log, signal, name: lease, identity, renew: leadership === "renew" }, lead);
    } catch (error) {
      if (signal.aborted) return;
      log.warn("does not lead any more", { lease, error });
      if (error instanceof LeadershipLost) continue;
      await clock.sleep(backoff.next(), signal).catch(() => undefined); // only the signal ends it early
    }
  }
}
