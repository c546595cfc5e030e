/**
 * Stopwatch: how long a reconcile has waited for the server, so that this is not taken for work.
 *
 * Requests that are under way at the same time count once.
 */
import type { Transport } from "../client/transport/contract.ts";
import type { Clock } from "../process/clock.ts";

export interface Stopwatch {
  /** Milliseconds in which at least one request was under way. */
  readonly ms: number;
  /** The same transport, with its requests timed. */
  timed(transport: Transport): Transport;
}

export function createStopwatch(clock: Pick<Clock, "monotonic">): Stopwatch {
  let open = 0;
  let since = 0;
  let waited = 0;
  return {
    get ms() {
      return waited + (open > 0 ? clock.monotonic() - since : 0);
    },
    timed: (transport) => ({
      shared: transport.shared,
      async request(request) {
        if (open++ === 0) since = clock.monotonic();
        try {
          return await transport.request(request);
        } finally {
          if (--open === 0) waited += clock.monotonic() - since;
        }
      },
      watch: (request) => transport.watch(request),
      stream: (request) => transport.stream(request),
      close: () => transport.close(),
    }),
  };
}
