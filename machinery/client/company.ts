/**
 * Company: informers of one server that wait for it together.
 *
 * The first that is answered again wakes the others, so a server that was away is not waited for after it
 * came back. Only what waits for the server itself is woken, not what the server refuses.
 */
import type { Clock } from "../process/clock.ts";

export interface Company {
  /** Resolves after `ms`, or when another was answered again; rejects when the signal aborts. */
  wait(ms: number, signal: AbortSignal): Promise<void>;
  /** The server answers again. */
  answered(): void;
}

export function createCompany(clock: Pick<Clock, "sleep">): Company {
  let awake = new AbortController();
  return {
    async wait(ms, signal) {
      const { signal: woken } = awake;
      await clock.sleep(ms, AbortSignal.any([signal, woken])).catch(() => signal.throwIfAborted());
    },
    answered() {
      awake.abort();
      awake = new AbortController();
    },
  };
}
