/**
 * Rules of Events, in the names of the core form.
 *
 * An Event with eventTime must say who reports it and what was done. Whoever writes by events.k8s.io is held
 * to more: nothing of the older form is set, and only the series of an Event changes afterwards.
 */

import { equalJson } from "../../machinery/objects/json-value.ts";
import type { CoreEvent } from "../../machinery/objects/kinds.ts";
import { dns1123Subdomain, qualifiedName } from "../../machinery/objects/names.ts";
import { unchanged } from "./checks.ts";
import type { FieldErrors } from "./field-errors.ts";
import { each } from "./object-meta.ts";

const SHORT = 128;
const NOTE = 1024;

/** `reporter` is how the form calls who reports. */
export function validateEvent(event: CoreEvent, reporter: string, errors: FieldErrors): void {
  const home = event.metadata.namespace ?? "";
  const about = event.involvedObject?.namespace ?? "";
  const mismatch = (): void => errors.invalid("involvedObject.namespace", about, "does not match event.namespace");
  if (!event.eventTime) {
    // Objects without a namespace are told of in the default one.
    const matches = about === "" ? home === "" || home === "default" : home === about;
    if (!matches) mismatch();
  } else {
    if (about === "" && home !== "default" && home !== "kube-system") mismatch();
    validateReporter(event, reporter, errors);
  }
  each(dns1123Subdomain(home), "namespace", home, errors);
}

function validateReporter(event: CoreEvent, reporter: string, errors: FieldErrors): void {
  const by = event.reportingComponent ?? "";
  if (!by) errors.required(reporter);
  each(qualifiedName(by), reporter, by, errors);
  for (const field of ["reportingInstance", "action", "reason"] as const) {
    const value = event[field] ?? "";
    if (!value) errors.required(field);
    if (Buffer.byteLength(value) > SHORT) errors.invalid(field, "", `can have at most ${SHORT} characters`);
  }
  if (Buffer.byteLength(event.message ?? "") > NOTE) {
    errors.invalid("message", "", `can have at most ${NOTE} characters`);
  }
}

export function validateNewEvent(event: CoreEvent, errors: FieldErrors): void {
  validateSeries(event, errors);
  if (!event.eventTime) errors.required("eventTime");
  if (event.type !== "Normal" && event.type !== "Warning") {
    errors.invalid("type", "", `has invalid value: ${event.type ?? ""}`);
  }
  for (const field of ["firstTimestamp", "lastTimestamp", "count"] as const) {
    if (event[field]) errors.invalid(field, "", "needs to be unset");
  }
  if (event.source?.component || event.source?.host) errors.invalid("source", "", "needs to be unset");
}

function validateSeries({ series }: CoreEvent, errors: FieldErrors): void {
  if (!series) return;
  if ((series.count ?? 0) < 2) errors.invalid("series.count", "", "should be at least 2");
  if (!series.lastObservedTime) errors.required("series.lastObservedTime");
}

const FIXED = [
  ["involvedObject", "involvedObject"],
  ["reason", "reason"],
  ["message", "message"],
  ["firstTimestamp", "firstTimestamp"],
  ["lastTimestamp", "lastTimestamp"],
  ["count", "count"],
  ["type", "type"],
  ["eventTime", "eventTime"],
  ["action", "action"],
  ["related", "related"],
  ["reportingComponent", "reportingController"],
  ["reportingInstance", "reportingInstance"],
] as const;

export function validateNewUpdate(event: CoreEvent, old: CoreEvent, errors: FieldErrors): void {
  if (!equalJson(event.series, old.series)) validateSeries(event, errors);
  // "" and 0 are no value: what has come by protobuf does not even have them.
  for (const [field, path] of FIXED) unchanged(event[field] || undefined, old[field] || undefined, path, errors);
}
