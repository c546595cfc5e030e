/**
 * Renewed keys: looks from time to time whether certificates of this home end soon, and serves with the new ones.
 *
 * A server runs for longer than its certificates are good. Open connections go on with what they began with; components
 * on this machine read their kubeconfig again by themselves. When something is due: machinery/pki. The authority with
 * which this process began is its own until it ends: a renewed one needs a restart, and this says so long before.
 */
import { endsSoon, isOwnAuthority, lifetimeOf } from "../machinery/pki/certificates.ts";
import { AUTHORITY, type Pki } from "../machinery/pki/pki.ts";
import type { Clock } from "../machinery/process/clock.ts";
import type { Logger } from "../machinery/process/logging.ts";
import type { Listening } from "./request/http.ts";

export interface RenewedKeysOptions {
  readonly first: Pki;
  /** Makes what is missing or ends soon. */
  readonly load: () => Promise<Pki>;
  readonly listening: readonly Pick<Listening, "serveWith">[];
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Two months are left of a year when a certificate is due: a look that fails does not matter. */
const LOOK_MS = 12 * 3_600_000;
/** Of certificates that are good for a short time only. */
const LOOK_SHARE = 1 / 60;

/** Resolves when the signal aborted. */
export async function keepKeysGood({ first, load, listening, clock, log, signal }: RenewedKeysOptions): Promise<void> {
  let serving = first.serving;
  const { from, until } = lifetimeOf(serving.certificate) ?? { from: 0, until: LOOK_MS / LOOK_SHARE };
  const pause = Math.min(LOOK_MS, (until - from) * LOOK_SHARE);
  for (;;) {
    if (endsSoon(clock, first.authority.certificate)) warn(first, log);
    await clock.sleep(pause, signal).catch(() => undefined); // aborted: it ends below
    if (signal.aborted) return;
    try {
      const next = (await load()).serving;
      if (next.certificate === serving.certificate) continue;
      for (const one of listening) one.serveWith?.(next);
      serving = next;
      log.info("serving with a renewed certificate");
    } catch (error) {
      log.error("the certificates could not be looked after", { error });
    }
  }
}

/** A start makes another certificate for the same key; nodes and what runs on them take it up by themselves. */
function warn({ authority }: Pki, log: Logger): void {
  const ends = new Date(lifetimeOf(authority.certificate)?.until ?? 0).toISOString();
  const todo = isOwnAuthority(authority.certificate, AUTHORITY)
    ? "restart it before, to go on with a renewed one"
    : "it was not made here: put a renewed certificate for its key into pki/ca.crt before, and restart";
  log.warn(`the authority with which this server began ends at ${ends}: ${todo}`);
}
