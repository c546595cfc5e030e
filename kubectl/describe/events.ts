/** Events of an object, as `describe` closes with them. */
import type { CoreEvent } from "../../machinery/objects/kinds.ts";
import type { KubeObject } from "../../machinery/objects/wire.ts";
import { type DescribeContext, related } from "./describer.ts";
import type { Document } from "./document.ts";
import { ago } from "./fields.ts";

/** What happens to a Pod from a file of its node is told of that, not of the mirror that shows it. */
export function uidInEvents({ metadata }: Pick<KubeObject, "metadata">): string {
  return metadata.annotations?.["kubernetes.io/config.mirror"] ?? metadata.uid ?? "";
}

export async function writeEvents(object: KubeObject, document: Document, context: DescribeContext): Promise<void> {
  if (!context.showEvents) return;
  const { name = "", namespace } = object.metadata;
  // What kubelets report about nodes names them by name where other events have a uid.
  const fields = {
    "involvedObject.name": name,
    "involvedObject.namespace": namespace,
    "involvedObject.kind": object.kind,
    "involvedObject.uid": object.kind === "Node" ? undefined : uidInEvents(object),
  };
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  const fieldSelector = given.map(([field, value]) => `${field}=${value}`).join(",");
  const events = await related<CoreEvent>(context, "events", namespace, { fieldSelector });
  writeEventList(events, document, context.now);
}

export function writeEventList(events: readonly CoreEvent[], document: Document, now: number): void {
  if (events.length === 0) {
    document.write(0, "Events:\t<none>\n");
    return;
  }
  document.part();
  document.write(0, "Events:\n  Type\tReason\tAge\tFrom\tMessage\n");
  document.write(1, "----\t------\t----\t----\t-------\n");
  for (const event of [...events].sort(byTime)) {
    const { type = "", reason = "", message = "", source, reportingComponent = "" } = event;
    const from = source?.component || reportingComponent;
    document.write(1, `${type}\t${reason}\t${interval(event, now)}\t${from}\t${message.trim()}\n`);
  }
}

export function interval(event: CoreEvent, now: number): string {
  const first = event.eventTime ? ago(event.eventTime, now) : ago(event.firstTimestamp, now);
  if (event.series) return `${ago(event.series.lastObservedTime, now)} (x${event.series.count ?? 0} over ${first})`;
  return (event.count ?? 0) > 1 ? `${ago(event.lastTimestamp, now)} (x${event.count} over ${first})` : first;
}

/** When an event was seen last. */
export function lastSeen(event: CoreEvent): string {
  return event.series?.lastObservedTime ?? event.lastTimestamp ?? event.eventTime ?? event.metadata.creationTimestamp;
}

const byTime = (a: CoreEvent, b: CoreEvent) => Date.parse(lastSeen(a)) - Date.parse(lastSeen(b));
