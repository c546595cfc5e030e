/**
 * Update: a stored object becomes another one; PUT here, PATCH in patch.ts, both through `changed`.
 *
 * An update that changes nothing writes nothing. The last finalizer's removal from an object that is
 * marked for deletion deletes it.
 */

import { cloneJson, equalJson } from "../../machinery/objects/json-value.ts";
import { ApiError, conflict } from "../../machinery/objects/status.ts";
import type { KubeObject, ObjectMeta, StoredObject } from "../../machinery/objects/wire.ts";
import type { CachedObject } from "../cache/contract.ts";
import type { Part } from "../resources/contract.ts";
import { FieldErrors } from "../resources/field-errors.ts";
import { admissionRequest } from "./admission-request.ts";
import { decodeObject, readObject } from "./body.ts";
import { changeObject, MODIFIED, type Next } from "./commit.ts";
import { qualified, type ResourceExchange, type Step } from "./contract.ts";
import { createObject } from "./create.ts";
import { track } from "./field-manager.ts";
import { countGeneration, keepForUpdate, placeAtName, placeInNamespace, readyToGo } from "./metadata.ts";
import { writeOptions } from "./options.ts";
import { respondObject } from "./respond.ts";
import { judged } from "./wide-integers.ts";

export const update: Step = async (exchange) => {
  const { record, row, info, server, warnings, cache } = exchange;
  const { dryRun, fieldValidation } = writeOptions(record.query, "UpdateOptions");
  const read = (): KubeObject => {
    const body = readObject(server, record, row);
    const object = decodeObject(server, body, row, fieldValidation, warnings);
    placeInNamespace(row, object, info.namespace);
    placeAtName(object, info.name);
    return object;
  };
  const first = read();

  const name = { namespace: info.namespace, name: info.name };
  if (row.strategy.allowCreateOnUpdate && !info.subresource && !(await cache.get(name)))
    return respondObject(exchange, await createObject(exchange, first, dryRun));
  let unused: KubeObject | undefined = first;
  const outcome = await changeObject(exchange, name, dryRun, async (current) => {
    // Another attempt, which is seldom made, begins again with what the client sent.
    const object = unused ?? read();
    unused = undefined;
    checkVersion(exchange, object, current);
    return changed(exchange, object, current, dryRun);
  });
  return respondObject(exchange, outcome);
};

/** The version that the client saw must still be the current one; without one, only some kinds may be replaced. */
export function checkVersion(exchange: ResourceExchange, object: KubeObject, current: CachedObject): void {
  const { row } = exchange;
  const { resourceVersion, uid, name } = object.metadata;
  const resource = qualified(row);
  if (!resourceVersion || resourceVersion === "0") {
    if (row.strategy.allowUnconditionalUpdate === false) throw invalidVersion(row, name ?? "");
  } else if (resourceVersion !== current.resourceVersion) throw conflict(resource, name ?? "", MODIFIED);
  if (uid && uid !== current.object.metadata.uid)
    throw conflict(
      resource,
      name ?? "",
      `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${current.object.metadata.uid}`,
    );
}

function invalidVersion({ group, kind }: ResourceExchange["row"], name: string): ApiError {
  const errors = new FieldErrors();
  errors.invalid("metadata.resourceVersion", 0, "must be specified for an update");
  try {
    errors.throwIfAny(group, kind, name);
  } catch (error) {
    if (error instanceof ApiError) return error;
  }
  throw new Error("a field error was expected");
}

/** In whose name fields change, where it is not simply the request's own, and what was done before. */
export interface Ownership {
  /** Server-side apply has made the managedFields. */
  readonly applied?: boolean;
  /** What the entry names: "scale", though it is the object itself that changes. */
  readonly subresource?: string;
  /** The plugins have seen what was sent, which is not the object itself: a Scale. */
  readonly alreadyAdmitted?: boolean;
}

/** What becomes of `current` when the client wants `wanted`, which is the caller's own and decoded. */
export async function changed(
  exchange: ResourceExchange,
  wanted: KubeObject,
  current: CachedObject,
  dryRun: boolean,
  { applied = false, subresource, alreadyAdmitted = false }: Ownership = {},
): Promise<Next> {
  const { server, row, info } = exchange;
  const { strategy } = row;
  const old = current.object;
  const part = strategy.parts?.[info.subresource];
  const isStatus = info.subresource === "status";
  const object = isStatus ? withStatusOf(wanted, old) : wanted;
  // Of a custom kind, a status brings no metadata either.
  if (isStatus && row.custom)
    object.metadata = { ...cloneJson(old.metadata), managedFields: object.metadata.managedFields as never };
  keepForUpdate(object, old);
  if (part) keepAllButPart(part, object, old, server.clock.now());
  if (isStatus) fillStatus(row, object);
  else judged(row, object, () => strategy.defaults?.(object));
  if (!applied) track(exchange, old, object, subresource);
  const request = alreadyAdmitted
    ? undefined
    : admissionRequest(exchange, { operation: "UPDATE", object, old, dryRun });
  if (request) await server.admission.mutate(request);
  judged(row, object, () =>
    isStatus
      ? applyStatusRules(exchange, object, old)
      : part
        ? applyPartRules(exchange, part, object, old)
        : applyRules(exchange, object, old),
  );
  if (request) await server.admission.validate(request);

  if (readyToGo(object) && !(row.strategy.holds?.(object) ?? false)) return removal(exchange, current);
  if (sameButVersion(object, old)) return { kind: "same" };
  // a status brings no addresses
  const also = dryRun || isStatus ? undefined : await server.allocate(row, object, old);
  return {
    kind: "put",
    object,
    ...(also ? { also } : {}),
    ...(strategy.deferrable?.(object, old) ? { deferrable: true } : {}),
  };
}

/** What is particular to the kind: prepares, defaults, counts the generation, validates. */
function applyRules({ row, info, warnings }: ResourceExchange, object: KubeObject, old: StoredObject): void {
  const { strategy } = row;
  strategy.prepareForUpdate?.(object, old);
  if (row.hasStatus) keepStatus(object, old);
  strategy.defaults?.(object);
  countGeneration(object, old);
  const errors = new FieldErrors();
  strategy.validate?.(object, errors);
  strategy.validateUpdate?.(object, old, errors);
  errors.throwIfAny(row.group, row.kind, info.name);
  warnings.push(...(strategy.warnings?.(object, old) ?? []));
}

/** A part of the object with a subresource of its own: Kubernetes keeps everything else, whatever was sent. */
function applyPartRules(
  { row, info, server }: ResourceExchange,
  part: Part,
  object: KubeObject,
  old: StoredObject,
): void {
  const { strategy } = row;
  keepAllButPart(part, object, old, server.clock.now());
  strategy.defaults?.(object);
  countGeneration(object, old);
  const errors = new FieldErrors();
  strategy.validate?.(object, errors);
  part.validateUpdate(object, old, errors);
  errors.throwIfAny(row.group, row.kind, info.name);
}

function keepAllButPart(part: Part, object: KubeObject, old: StoredObject, now: number): void {
  part.prepareForUpdate(object, old, now);
  if (!part.inStatus) keepStatus(object, old);
  object.metadata = cloneJson(old.metadata);
  delete object.metadata.resourceVersion;
}

function applyStatusRules({ row, info, server }: ResourceExchange, object: KubeObject, old: StoredObject): void {
  row.strategy.prepareForStatusUpdate?.(object, old, server.clock.now());
  row.strategy.defaults?.(object);
  const errors = new FieldErrors();
  row.strategy.validateStatusUpdate?.(object, old, errors);
  errors.throwIfAny(row.group, row.kind, info.name);
}

export async function removal({ server, row }: ResourceExchange, current: CachedObject): Promise<Next> {
  const also = await server.allocate(row, undefined, current.object);
  return { kind: "delete", ...(also ? { also } : {}) };
}

/** What a status leaves as it is is shared with the version before. */
function withStatusOf({ kind, apiVersion, metadata, status }: KubeObject, old: KubeObject): KubeObject {
  const object: KubeObject = { kind, apiVersion, metadata };
  for (const field in old)
    if (!OWN_OF_STATUS.has(field)) object[field] = Object.isFrozen(old[field]) ? old[field] : cloneJson(old[field]);
  if (status !== undefined) object["status"] = status;
  return object;
}

/** What was stored before a default was known is completed by a status too: what is shared is frozen, and copied then. */
function fillStatus(row: ResourceExchange["row"], object: KubeObject): void {
  const fill = () => row.strategy.defaults?.(object);
  try {
    fill();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    for (const field in object) if (!OWN_OF_STATUS.has(field)) object[field] = cloneJson(object[field]);
    judged(row, object, fill);
  }
}

/** Fields that a status update may set; metadata is guarded by keepForUpdate. */
export const OWN_OF_STATUS: ReadonlySet<string> = new Set(["apiVersion", "kind", "metadata", "status"]);

function keepStatus(object: KubeObject, old: KubeObject): void {
  if (old["status"] === undefined) delete object["status"];
  else object["status"] = cloneJson(old["status"]);
}

/** Equal but for the version, and for the times of managedFields: an update that changes nothing is not written. */
function sameButVersion(object: KubeObject, old: KubeObject): boolean {
  // most often it is the status that changes
  if (!equalJson(object["status"], old["status"])) return false;
  const { metadata } = object;
  const { managedFields } = metadata;
  const entriesSame = managedFields !== old.metadata.managedFields && sameButTimes(managedFields, old.metadata);
  metadata.resourceVersion = old.metadata.resourceVersion as string;
  if (entriesSame) metadata.managedFields = old.metadata.managedFields as never;
  const same = equalJson(object, old);
  delete metadata.resourceVersion;
  if (entriesSame) metadata.managedFields = managedFields as never;
  return same;
}

function sameButTimes(entries: ObjectMeta["managedFields"], { managedFields: before }: ObjectMeta): boolean {
  if (!entries || !before || entries.length !== before.length) return false;
  return entries.every((entry, at) => equalJson({ ...entry, time: "" }, { ...before[at], time: "" }));
}
