/**
 * Event: what happened to an object. One object, two representations.
 *
 * events.k8s.io/v1 names the same fields differently; stored is always the core form. `toCore` and
 * `fromCore` lose nothing. Only Events of the newer form must say what they report in full.
 */
import type * as models from "@kubernetes/client-node";
import type { CoreEvent } from "../../machinery/objects/kinds.ts";
import { dns1123Subdomain, qualifiedName } from "../../machinery/objects/names.ts";
import type { KubeObject, Stored, StoredObject } from "../../machinery/objects/wire.ts";
import { eventColumns } from "./columns/cluster.ts";
import type { Columns, StoredAs, Strategy } from "./contract.ts";
import { each } from "./object-meta.ts";

export type NewEvent = Stored<models.EventsV1Event>;

/** Newer name ► core name. */
const RENAMED: Readonly<Record<string, string>> = {
  note: "message",
  regarding: "involvedObject",
  reportingController: "reportingComponent",
  deprecatedSource: "source",
  deprecatedFirstTimestamp: "firstTimestamp",
  deprecatedLastTimestamp: "lastTimestamp",
  deprecatedCount: "count",
};
const BACK = Object.fromEntries(Object.entries(RENAMED).map(([newer, core]) => [core, newer]));

function renamed(object: KubeObject, apiVersion: string, names: Readonly<Record<string, string>>): KubeObject {
  const result: Record<string, unknown> = {};
  for (const key in object) result[names[key] ?? key] = object[key];
  return { ...result, apiVersion, kind: "Event", metadata: object.metadata };
}

export const eventsStoredAs: StoredAs = {
  group: "",
  version: "v1",
  plural: "events",
  toStored: (object) => ({ involvedObject: {}, ...renamed(object, "v1", RENAMED) }),
  fromStored: (object) => renamed(object, "events.k8s.io/v1", BACK) as StoredObject,
};

export const newEventColumns: Columns = {
  columns: eventColumns.columns,
  cells: (object, now) => eventColumns.cells(eventsStoredAs.toStored(object) as StoredObject, now),
};

const SHORT_FIELDS = {
  reportingInstance: 128,
  action: 128,
  reason: 128,
} as const;
const NOTE_CHARACTERS = 1024;

const selectable = (event: CoreEvent): Record<string, string> => {
  const about = event.involvedObject ?? {};
  return {
    "involvedObject.kind": about.kind ?? "",
    "involvedObject.namespace": about.namespace ?? "",
    "involvedObject.name": about.name ?? "",
    "involvedObject.uid": about.uid ?? "",
    "involvedObject.apiVersion": about.apiVersion ?? "",
    "involvedObject.resourceVersion": about.resourceVersion ?? "",
    "involvedObject.fieldPath": about.fieldPath ?? "",
    reason: event.reason ?? "",
    reportingComponent: event.reportingComponent ?? "",
    source: event.source?.component || (event.reportingComponent ?? ""),
    type: event.type ?? "",
  };
};

export const eventStrategy: Strategy<CoreEvent> = {
  defaults(event) {
    event.source ??= {};
    event.reportingComponent ??= "";
    event.reportingInstance ??= "";
  },

  validate({ metadata, involvedObject }, errors) {
    const { namespace = "" } = involvedObject ?? {};
    const home = metadata.namespace ?? "";
    // Objects without a namespace are told of in the default one.
    const matches = namespace === "" ? home === "" || home === "default" : home === namespace;
    if (!matches) errors.invalid("involvedObject.namespace", namespace, "does not match event.namespace");
    each(dns1123Subdomain(home), "namespace", home, errors);
  },

  selectableFields: selectable,
  allowCreateOnUpdate: true,
  allowUnconditionalUpdate: true,
};

export const newEventStrategy: Strategy<NewEvent> = {
  validate(event, errors) {
    if (!event.eventTime) errors.required("eventTime");
    if (!event.reportingController) errors.required("reportingController");
    else each(qualifiedName(event.reportingController), "reportingController", event.reportingController, errors);
    for (const [field, limit] of Object.entries(SHORT_FIELDS) as [keyof typeof SHORT_FIELDS, number][]) {
      const value = event[field];
      if (!value) errors.required(field);
      else if (value.length > limit) errors.invalid(field, "", `can have at most ${limit} characters`);
    }
    if (event.type !== "Normal" && event.type !== "Warning") {
      errors.invalid("type", "", `has invalid value: ${event.type ?? ""}`);
    }
    if ((event.note?.length ?? 0) > NOTE_CHARACTERS) {
      errors.invalid("message", "", `can have at most ${NOTE_CHARACTERS} characters`);
    }
    if (event.series && event.series.count < 2) {
      errors.invalid("series.count", "", "should be at least 2");
    }
  },

  selectableFields: (event) =>
    selectable(eventsStoredAs.toStored(event as unknown as KubeObject) as unknown as CoreEvent),
  allowCreateOnUpdate: true,
  allowUnconditionalUpdate: true,
};
