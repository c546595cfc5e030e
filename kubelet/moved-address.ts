/**
 * Moved address: notices that this machine's address is another one, as after a new lease of DHCP.
 *
 * A node's address stands in its status, in its Pods' environment and in the ways of other nodes to its Pods, so the agent
 * begins anew when it changes; containers live on. A machine that has no default route for a while has not moved.
 */
import type { Clock } from "../machinery/process/clock.ts";
import { routedAddress } from "./node-facts.ts";

const LOOK_MS = 10_000;

export interface MovedOptions {
  readonly address: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** The address of the default route; undefined where there is none. */
  readonly look?: () => string | undefined;
}

/** Rejects when the machine has another address, twice in a row; resolves when the signal aborts. */
export async function untilMoved({ address, clock, signal, look = routedAddress }: MovedOptions): Promise<void> {
  for (let before = address; !signal.aborted; ) {
    await clock.sleep(LOOK_MS, signal).catch(() => undefined); // aborted: the loop's condition ends it
    const now = look() ?? address;
    if (now !== address && now === before && !signal.aborted)
      throw new Error(`this machine's address was ${address} and is ${now} now: the agent begins anew`);
    before = now;
  }
}
