/**
 * Renewed keys: looks from time to time whether certificates of this home end soon, and serves with the new ones.
 *
 * A server runs for longer than its certificates are good. Open connections go on with what they began with; components
 * on this machine read their kubeconfig again by themselves. When something is due: machinery/pki.
 */
import type { Pki } from "../machinery/pki/pki.ts";
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

/** Two months are left when a certificate is due: a look that fails does not matter. */
const LOOK_MS = 12 * 3_600_000;

/** Resolves when the signal aborted. */
export async function keepKeysGood({ first, load, listening, clock, log, signal }: RenewedKeysOptions): Promise<void> {
  let serving = first.serving;
  for (;;) {
    await clock.sleep(LOOK_MS, signal).catch(() => undefined); // aborted: it ends below
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
