/**
 * Events recorder: writes Events about objects, in the background, for whole components.
 *
 * Repeats raise the count of the Event that is there; many similar ones become one; an object that
 * floods is cut off. What waits is limited, and what is lost is logged with its number. Recording
 * never throws and never delays the caller.
 * https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
 */
import type { Cause, Client } from "../client/client.ts";
import { ApiError, isNotFound } from "../objects/status.ts";
import { type Clock, wireTime } from "../process/clock.ts";
import { limits } from "../process/limits.ts";
import type { Logger } from "../process/logging.ts";
import { createBackoff } from "./backoff.ts";
import type { EventRecorder, Subject } from "./controller.ts";
import { type Correlated, createCorrelator } from "./event-correlator.ts";

export interface Events {
  /** A recorder that signs with the component's name and writes with the cause given. */
  recorder(component: string, cause?: Cause): EventRecorder;
  /** Resolves when nothing waits any more, or the signal aborts. */
  flushed(): Promise<void>;
}

export interface EventsOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** The node, for events of a node's agent. */
  readonly host?: string;
}

/** An occurrence on its way to the server. */
export interface Occurrence {
  readonly about: Subject;
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  readonly message: string;
  readonly component: string;
  readonly fieldPath: string | undefined;
  readonly at: number;
  readonly cause: Cause | undefined;
}

const ATTEMPTS = 12;
const RETRY_MS = 250;
const RETRY_MAX_MS = 10_000;

export function createEvents(options: EventsOptions): Events {
  const { clock, log, signal } = options;
  const correlate = createCorrelator();
  const queue: Occurrence[] = [];
  const stamp = createStamps();
  let lost = 0;
  let writing: Promise<void> | undefined;

  const drain = async () => {
    for (let next = queue.shift(); next && !signal.aborted; next = queue.shift()) {
      await write(next, correlate, stamp, options);
      if (lost > 0) {
        log.warn("events were lost, too many were waiting", { lost });
        lost = 0;
      }
    }
  };

  const record = (occurrence: Occurrence) => {
    if (signal.aborted) return;
    if (queue.length >= limits.recorderEvents) {
      lost++;
      return;
    }
    queue.push(occurrence);
    if (!writing) work();
  };

  /** What comes in after the last look into the queue and before `writing` is cleared is not left behind. */
  const work = () => {
    writing = drain().finally(() => {
      writing = undefined;
      if (queue.length > 0 && !signal.aborted) work();
    });
  };

  return {
    recorder(component, cause) {
      const as = (type: Occurrence["type"]) => (about: Subject, reason: string, message: string, fieldPath?: string) =>
        record({ about, type, reason, message, component, fieldPath, at: clock.now(), cause });
      return { normal: as("Normal"), warning: as("Warning") };
    },
    async flushed() {
      while (writing) await writing;
    },
  };
}

/** Creates the Event or counts it on the one that is there. Failures are logged, not thrown: an Event is a hint. */
async function write(
  occurrence: Occurrence,
  correlate: ReturnType<typeof createCorrelator>,
  stamp: (at: number) => string,
  { client, clock, log, signal, host }: EventsOptions,
): Promise<void> {
  const result = correlate(occurrence, clock.monotonic());
  if (!result) return;
  const caused = occurrence.cause ? client.because(occurrence.cause) : client;
  const backoff = createBackoff(clock, RETRY_MS, RETRY_MAX_MS);
  for (let attempt = 1; ; attempt++) {
    try {
      if (result.known) {
        const patch = { count: result.count, lastTimestamp: wireTime(occurrence.at), message: result.message };
        await caused.patch("events", result.known, patch, { type: "strategic" });
      } else {
        const name = `${occurrence.about.metadata.name}.${stamp(occurrence.at)}`;
        const event = draft(name, occurrence, result, host);
        await caused.create("events", event);
        result.written({ namespace: event.metadata.namespace, name: event.metadata.name });
      }
      return;
    } catch (error) {
      if (signal.aborted) return;
      if (result.known && isNotFound(error)) {
        result.expired();
        continue;
      }
      const retryable = error instanceof ApiError && error.retryable;
      if (!retryable || attempt >= ATTEMPTS) {
        const { about, reason } = occurrence;
        log.info("an event could not be written", {
          object: about.metadata.name,
          reason,
          error: (error as Error).message,
        });
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

/** Event names end in their time; two events of the same moment still get different ones. */
function createStamps(): (at: number) => string {
  let last = 0n;
  return (at) => {
    const nanos = BigInt(Math.round(at * 1000)) * 1000n;
    last = nanos > last ? nanos : last + 1n;
    return last.toString(16);
  };
}

function draft(eventName: string, occurrence: Occurrence, correlated: Correlated, host: string | undefined) {
  const { about, type, reason, component, fieldPath, at } = occurrence;
  const { name, namespace, uid, resourceVersion } = about.metadata;
  return {
    metadata: { name: eventName, namespace: namespace ?? "default" },
    involvedObject: {
      kind: about.kind,
      ...(namespace ? { namespace } : {}),
      name,
      uid,
      apiVersion: about.apiVersion,
      ...(resourceVersion ? { resourceVersion } : {}),
      ...(fieldPath ? { fieldPath } : {}),
    },
    reason,
    message: correlated.message,
    type,
    count: correlated.count,
    firstTimestamp: wireTime(correlated.firstAt),
    lastTimestamp: wireTime(at),
    source: { component, ...(host ? { host } : {}) },
    reportingComponent: component,
    reportingInstance: host ?? "",
  };
}
