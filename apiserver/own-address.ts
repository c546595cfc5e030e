/**
 * Own address: follows the address under which others find this server, as it changes with a new lease of DHCP.
 *
 * Nothing is interrupted: new connections are shown a certificate that has the new address too, and others are told where
 * the server is. A machine without a default route for a while has not moved. One that was told its address keeps it.
 */
import type { Clock } from "../machinery/process/clock.ts";
import type { Logger } from "../machinery/process/logging.ts";
import { routedAddress } from "./advertise-address.ts";

const LOOK_MS = 10_000;

export interface OwnAddressOptions {
  readonly first: string;
  /** Tried again at the next look when it rejects. */
  readonly onMoved: (address: string) => Promise<void>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Undefined where there is none now. */
  readonly look?: () => Promise<string | undefined>;
}

/** Resolves when the signal aborts. */
export async function followOwnAddress(options: OwnAddressOptions): Promise<void> {
  const { first, onMoved, clock, log, signal, look = routedAddress } = options;
  let known = first;
  for (let before = first; !signal.aborted; ) {
    await clock.sleep(LOOK_MS, signal).catch(() => undefined); // aborted: it ends below
    if (signal.aborted) return;
    let now = known;
    try {
      now = (await look()) ?? known;
      if (now === known || now !== before) continue;
      await onMoved(now);
      log.warn("this machine has another address: others are told", { before: known, now });
      known = now;
    } catch (error) {
      if (!signal.aborted) log.error("others could not be told of this machine's new address", { now, error });
    } finally {
      before = now;
    }
  }
}
