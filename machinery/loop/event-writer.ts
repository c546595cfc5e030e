/**
 * Event writer: writes Events one after the other, in the background, for the recorders beside it.
 *
 * What waits is limited, and what is lost is logged with its number; a write that fails is tried again a few times and
 * then given up, for an Event is a hint. It never throws and never delays who records.
 */
import type { Client } from "../client/client.ts";
import { ApiError } from "../objects/status.ts";
import type { Clock } from "../process/clock.ts";
import { limits } from "../process/limits.ts";
import type { Logger } from "../process/logging.ts";
import { createBackoff } from "./backoff.ts";

export interface EventWriterOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Sends what there is to be sent by now; called again after a failure that may pass. */
export type EventWrite = { readonly object: string; readonly reason: string; send(): Promise<void> };

export interface EventWriter {
  put(write: EventWrite): void;
  /** Resolves when nothing waits any more, or the signal aborts. */
  flushed(): Promise<void>;
}

const ATTEMPTS = 12;
const RETRY_MS = 250;
const RETRY_MAX_MS = 10_000;

export function createEventWriter(options: EventWriterOptions): EventWriter {
  const { log, signal } = options;
  const queue: EventWrite[] = [];
  let lost = 0;
  let writing: Promise<void> | undefined;

  const drain = async () => {
    for (let next = queue.shift(); next && !signal.aborted; next = queue.shift()) {
      await insist(next, options);
      if (lost > 0) {
        log.warn("events were lost, too many were waiting", { lost });
        lost = 0;
      }
    }
  };

  /** What comes in after the last look into the queue and before `writing` is cleared is not left behind. */
  const work = () => {
    writing = drain().finally(() => {
      writing = undefined;
      if (queue.length > 0 && !signal.aborted) work();
    });
  };

  return {
    put(write) {
      if (signal.aborted) return;
      if (queue.length >= limits.recorderEvents) {
        lost++;
        return;
      }
      queue.push(write);
      if (!writing) work();
    },
    async flushed() {
      while (writing) await writing;
    },
  };
}

async function insist({ object, reason, send }: EventWrite, { clock, log, signal }: EventWriterOptions): Promise<void> {
  const backoff = createBackoff(clock, RETRY_MS, RETRY_MAX_MS);
  for (let attempt = 1; ; attempt++) {
    try {
      return await send();
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof ApiError && error.retryable) || attempt >= ATTEMPTS) {
        log.info("an event could not be written", { object, reason, error: (error as Error).message });
        return;
      }
      const waited = await clock.sleep(backoff.next(), signal).then(
        () => true,
        () => false,
      );
      if (!waited) return;
    }
  }
}
