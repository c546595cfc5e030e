/**
 * Event series: Events in the newer form (events.k8s.io), in which what repeats is one Event with a series.
 *
 * The first occurrence is an Event; the second makes it a series; further ones are only counted here, and written when
 * the series ends (nothing for six minutes) or lasts long. So what goes on for hours costs two writes in half an hour.
 * What repeats is told by who, what and about whom, whatever the note says. The number of series is limited: the one
 * that is used least goes, with its last count written.
 */
import type { Cause } from "../client/client.ts";
import { isNotFound } from "../objects/status.ts";
import { wireMicroTime } from "../process/clock.ts";
import { limits } from "../process/limits.ts";
import type { Subject } from "./controller.ts";
import type { EventWriter, EventWriterOptions } from "./event-writer.ts";

export interface EventReport {
  readonly about: Subject;
  /** Another object that has to do with it: the Pod that another one made way for. */
  readonly related?: Subject | undefined;
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  /** What was done or tried: "Scheduling". */
  readonly action: string;
  readonly note: string;
  readonly cause?: Cause | undefined;
}

/** Never throws. */
export type EventReporter = (report: EventReport) => void;

type Signed = EventReport & { readonly controller: string; readonly instance: string };

interface SeriesOptions extends EventWriterOptions {
  readonly writer: EventWriter;
  /** Makes the end of an Event's name. */
  readonly stamp: (at: number) => string;
}

interface Series {
  readonly report: Signed;
  readonly name: string;
  readonly firstAt: number;
  count: number;
  lastAt: number;
  /** Monotonic, as of the last occurrence and the last write. */
  seenAt: number;
  writtenAt: number;
  /** The count that the server has. */
  written: number;
}

const ENDS_MS = 6 * 60_000;
const REFRESH_MS = 30 * 60_000;
const LONGEST_NOTE = 1024;

export function createEventSeries(options: SeriesOptions): (report: Signed) => void {
  const { clock, signal, stamp } = options;
  const open = new Map<string, Series>();
  let armed = false;

  const send = (series: Series) => {
    series.written = series.count;
    series.writtenAt = clock.monotonic();
    const { about, reason } = series.report;
    options.writer.put({ object: about.metadata.name, reason, send: () => write(series, options) });
  };
  const end = (key: string, series: Series) => {
    open.delete(key);
    if (series.written < series.count) send(series);
  };
  const sweep = () => {
    armed = false;
    const now = clock.monotonic();
    for (const [key, series] of open) {
      if (now - series.seenAt >= ENDS_MS) end(key, series);
      else if (series.written < series.count && now - series.writtenAt >= REFRESH_MS) send(series);
    }
    if (open.size > 0) arm();
  };

  const arm = () => {
    if (armed || signal.aborted) return;
    armed = true;
    clock.after(ENDS_MS, sweep, { background: true });
  };

  return (report) => {
    if (signal.aborted) return;
    const key = keyOf(report);
    const known = open.get(key);
    const at = clock.now();
    const now = clock.monotonic();
    arm();
    if (known && now - known.seenAt >= ENDS_MS) end(key, known);
    const series = open.get(key);
    if (!series) {
      const name = `${report.about.metadata.name}.${stamp(at)}`;
      const first = { report, name, firstAt: at, count: 1, lastAt: at, seenAt: now, writtenAt: now, written: 0 };
      open.set(key, first);
      if (open.size > limits.correlatedEvents)
        for (const [oldest, one] of open) {
          end(oldest, one);
          break;
        }
      return send(first);
    }
    open.delete(key);
    open.set(key, series);
    series.count++;
    series.lastAt = at;
    series.seenAt = now;
    if (series.count === 2) send(series);
  };
}

function keyOf({ about, related, type, reason, action, controller, instance }: Signed): string {
  const ids = [about, related].map((one) => [
    one?.kind,
    one?.metadata.namespace,
    one?.metadata.name,
    one?.metadata.uid,
  ]);
  return [...ids.flat(), type, reason, action, controller, instance].join("\n");
}

/** One occurrence is created, a series is set on the Event that is there; one that expired is made anew. */
async function write(series: Series, { client }: EventWriterOptions): Promise<void> {
  const { report, name, count, lastAt } = series;
  const caused = report.cause ? client.because(report.cause) : client;
  const path = `/apis/events.k8s.io/v1/namespaces/${namespaceOf(report)}/events`;
  const shown = count > 1 ? { series: { count, lastObservedTime: wireMicroTime(lastAt) } } : {};
  if (count > 1)
    try {
      await caused.raw({
        method: "PATCH",
        path: `${path}/${name}`,
        headers: { "content-type": "application/merge-patch+json" },
        body: shown,
      });
      return;
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  await caused.raw({ method: "POST", path, body: { ...draft(series), ...shown } });
}

/** What is about objects without a namespace stands in the default one. */
const namespaceOf = ({ about }: Signed): string => about.metadata.namespace ?? "default";

function draft({ report, name, firstAt }: Series) {
  const { about, related, type, reason, action, note, controller, instance } = report;
  return {
    apiVersion: "events.k8s.io/v1",
    kind: "Event",
    metadata: { name, namespace: namespaceOf(report) },
    eventTime: wireMicroTime(firstAt),
    regarding: referenceTo(about),
    ...(related ? { related: referenceTo(related) } : {}),
    type,
    reason,
    action,
    note: shortened(note),
    reportingController: controller,
    reportingInstance: instance,
  };
}

function referenceTo({ apiVersion, kind, metadata }: Subject) {
  const { name, namespace, uid, resourceVersion } = metadata;
  return {
    apiVersion,
    kind,
    name,
    uid,
    ...(namespace ? { namespace } : {}),
    ...(resourceVersion ? { resourceVersion } : {}),
  };
}

/** In bytes, as the server counts. */
function shortened(note: string): string {
  let text = note;
  while (Buffer.byteLength(text) > LONGEST_NOTE) text = text.slice(0, text.length - 1 - (text.length >> 6));
  return text;
}
