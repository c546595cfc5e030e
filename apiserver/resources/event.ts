/**
 * Event: what happened to an object. One object, two representations.
 *
 * events.k8s.io/v1 names the same fields differently; stored is always the core form. `toCore` and
 * `fromCore` lose nothing. Only Events of the newer form must say what they report in full.
 */
import type * as models from "@kubernetes/client-node";
import type { CoreEvent } from "../../machinery/objects/kinds.ts";
import type { KubeObject, Stored, StoredObject } from "../../machinery/objects/wire.ts";
import { eventColumns } from "./columns/cluster.ts";
import type { Columns, StoredAs, Strategy } from "./contract.ts";
import { validateEvent, validateNewEvent, validateNewUpdate } from "./event-rules.ts";

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

  validate: (event, errors) => validateEvent(event, "reportingComponent", errors),

  selectableFields: selectable,
  allowCreateOnUpdate: true,
  allowUnconditionalUpdate: true,
};

/** Rules have one form, and errors the names of that one. */
const coreForm = (event: NewEvent): CoreEvent =>
  eventsStoredAs.toStored(event as unknown as KubeObject) as unknown as CoreEvent;

export const newEventStrategy: Strategy<NewEvent> = {
  validate: (event, errors) => validateEvent(coreForm(event), "reportingController", errors),
  validateCreate: (event, errors) => validateNewEvent(coreForm(event), errors),
  validateUpdate: (event, old, errors) => validateNewUpdate(coreForm(event), coreForm(old), errors),

  selectableFields: (event) => selectable(coreForm(event)),
  allowCreateOnUpdate: true,
  allowUnconditionalUpdate: true,
};
