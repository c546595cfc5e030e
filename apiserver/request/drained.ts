/**
 * Drained: a handler that knows whether it is idle, so that a server that stops can let requests finish.
 *
 * A watch or stream counts until its answer begins: what ends it is the server's own stop.
 */
import type { Handler } from "../../machinery/client/transport/contract.ts";
import type { Clock } from "../../machinery/process/clock.ts";

export interface Drained {
  readonly handler: Handler;
  /** Resolves when no request is being answered, or after `ms`. */
  idle(ms: number): Promise<void>;
}

export function drained(handler: Handler, clock: Clock): Drained {
  let running = 0;
  let told: (() => void) | undefined;
  return {
    async handler(record) {
      running++;
      try {
        return await handler(record);
      } finally {
        running--;
        if (running === 0) told?.();
      }
    },
    async idle(ms) {
      if (running === 0) return;
      const over = new AbortController();
      const empty = new Promise<void>((resolve) => {
        told = resolve;
      });
      await Promise.race([empty, clock.sleep(ms, over.signal).catch(() => undefined)]);
      over.abort();
    },
  };
}
