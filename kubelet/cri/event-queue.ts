/**
 * Event queue: the container events that wait for one listener.
 *
 * A listener that does not keep up is cut with Unavailable, never buffered without limit: it lists and
 * subscribes again.
 */
import { limits } from "../../machinery/process/limits.ts";
import { CriError, isCriError } from "./errors.ts";
import type { ContainerEventResponse } from "./messages.ts";

export interface EventQueue {
  put(event: ContainerEventResponse): void;
  clear(): void;
  /** Ends when `signal` aborts; throws its reason if that is Unavailable. */
  take(signal: AbortSignal): AsyncGenerator<ContainerEventResponse>;
}

export function createEventQueue(): EventQueue {
  let waiting: ContainerEventResponse[] = [];
  let wake = () => {};
  let overrun = false;
  return {
    put(event) {
      if (waiting.length >= limits.watchQueueEvents) overrun = true;
      else waiting.push(event);
      wake();
    },
    clear() {
      waiting = [];
      overrun = false;
    },
    async *take(signal) {
      signal.addEventListener("abort", () => wake(), { once: true });
      while (!signal.aborted) {
        if (overrun) throw new CriError("Unavailable", "the listener did not keep up with container events");
        const events = waiting;
        waiting = [];
        yield* events;
        if (waiting.length > 0 || overrun || signal.aborted) continue;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      if (isCriError(signal.reason, "Unavailable")) throw signal.reason;
    },
  };
}
