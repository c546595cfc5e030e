/**
 * Events recorder: writes Events about objects, in the background, for whole components.
 *
 * Repeats raise the count of the Event that is there; many similar ones become one; an object that
 * floods is cut off. Recording never throws and never delays the caller: event-writer.ts. The newer form, whose repeats
 * are a series, is event-series.ts.
 * https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
 */
import type { Cause } from "../client/client.ts";
import { isNotFound } from "../objects/status.ts";
import { wireTime } from "../process/clock.ts";
import type { EventRecorder, Subject } from "./controller.ts";
import { type Correlated, createCorrelator } from "./event-correlator.ts";
import { createEventSeries, type EventReporter } from "./event-series.ts";
import { createEventWriter, type EventWriterOptions } from "./event-writer.ts";

export interface Events {
  /** A recorder that signs with the component's name and writes with the cause given. */
  recorder(component: string, cause?: Cause): EventRecorder;
  /** The newer form: `controller` is "default-scheduler", `instance` that with its host. */
  reporter(controller: string, instance: string): EventReporter;
  /** Resolves when nothing waits any more, or the signal aborts. */
  flushed(): Promise<void>;
}

export interface EventsOptions extends EventWriterOptions {
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

export function createEvents(options: EventsOptions): Events {
  const { clock, signal } = options;
  const correlate = createCorrelator();
  const writer = createEventWriter(options);
  const stamp = createStamps();
  const series = createEventSeries({ ...options, writer, stamp });

  return {
    recorder(component, cause) {
      const as =
        (type: Occurrence["type"]) => (about: Subject, reason: string, message: string, fieldPath?: string) => {
          const occurrence = { about, type, reason, message, component, fieldPath, at: clock.now(), cause };
          if (!signal.aborted)
            writer.put({ object: about.metadata.name, reason, send: sending(occurrence, correlate, stamp, options) });
        };
      return { normal: as("Normal"), warning: as("Warning") };
    },
    reporter: (controller, instance) => (report) => series({ ...report, controller, instance }),
    flushed: () => writer.flushed(),
  };
}

/** Creates the Event or counts it on the one that is there. What it is, is decided when its turn comes. */
function sending(
  occurrence: Occurrence,
  correlate: ReturnType<typeof createCorrelator>,
  stamp: (at: number) => string,
  { client, clock, host }: EventsOptions,
): () => Promise<void> {
  const caused = occurrence.cause ? client.because(occurrence.cause) : client;
  let decided: { readonly result: Correlated | undefined } | undefined;
  return async () => {
    decided ??= { result: correlate(occurrence, clock.monotonic()) };
    const { result } = decided;
    if (!result) return;
    if (result.known) {
      const patch = { count: result.count, lastTimestamp: wireTime(occurrence.at), message: result.message };
      try {
        await caused.patch("events", result.known, patch, { type: "strategic" });
        return;
      } catch (error) {
        if (!isNotFound(error)) throw error;
        result.expired();
      }
    }
    const name = `${occurrence.about.metadata.name}.${stamp(occurrence.at)}`;
    const event = draft(name, occurrence, result, host);
    await caused.create("events", event);
    result.written({ namespace: event.metadata.namespace, name: event.metadata.name });
  };
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
