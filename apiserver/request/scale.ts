/**
 * Scale: the size of an object, whatever its kind, as autoscaling/v1 Scale.
 *
 * Where a kind keeps its numbers stands in its row (ScaleFields); a write is a write of the object, and whoever scales
 * owns the object's replicas. Server-side apply of a Scale is an apply of that one field.
 */

import { cloneJson } from "../../machinery/objects/json-value.ts";
import { formatLabelSelector } from "../../machinery/objects/selectors.ts";
import { badRequest, notFound } from "../../machinery/objects/status.ts";
import type { KubeObject, LabelSelector, StoredObject } from "../../machinery/objects/wire.ts";
import type { ScaleFields } from "../resources/contract.ts";
import { FieldErrors } from "../resources/field-errors.ts";
import { admissionRequest } from "./admission-request.ts";
import { readConfig } from "./apply-patch.ts";
import { decodeObject, readObject } from "./body.ts";
import { changeObject } from "./commit.ts";
import { qualified, type ResourceExchange, type Step } from "./contract.ts";
import { forced, writerOf } from "./field-manager.ts";
import { placeAtName } from "./metadata.ts";
import { type FieldValidation, writeOptions } from "./options.ts";
import { APPLY, patchTypeOf, readPatch } from "./patch-types.ts";
import { respondValue } from "./respond.ts";
import { changed, checkVersion } from "./update.ts";

const SCALE = { group: "autoscaling", version: "v1", kind: "Scale" } as const;

export const getScale: Step = async (exchange) => {
  const { cache, info, row } = exchange;
  const item = await cache.get({ namespace: info.namespace, name: info.name });
  if (!item) throw notFound(qualified(row), info.name);
  return respondValue(200, scaleOf(fieldsOf(exchange), item.object));
};

export const updateScale: Step = async (exchange) => {
  const body = readObject(exchange.server, exchange.record, SCALE);
  return writeScale(exchange, "UpdateOptions", (_scale, validation) =>
    decodeObject(exchange.server, { ...body, value: cloneJson(body.value) }, SCALE, validation, exchange.warnings),
  );
};

export const patchScale: Step = async (exchange) => {
  if (patchTypeOf(exchange) === APPLY) return applyScale(exchange);
  const { patched } = readPatch(exchange, SCALE);
  return writeScale(exchange, "PatchOptions", (scale, validation) => {
    const found: string[] = [];
    const result = patched(scale, validation, found);
    exchange.warnings.splice(0, exchange.warnings.length, ...found);
    return result;
  });
};

type Read = (scale: KubeObject, validation: FieldValidation) => KubeObject;

async function writeScale(exchange: ResourceExchange, kind: string, read: Read) {
  const { info, record } = exchange;
  const { dryRun, fieldValidation } = writeOptions(record.query, kind);
  const fields = fieldsOf(exchange);
  const name = { namespace: info.namespace, name: info.name };
  const outcome = await changeObject(exchange, name, dryRun, async (current) => {
    const scale = read(scaleOf(fields, current.object), fieldValidation);
    await admitScale(exchange, scale, scaleOf(fields, current.object), dryRun);
    const { resourceVersion, uid } = scale.metadata;
    const object = cloneJson(current.object) as KubeObject;
    object.metadata.resourceVersion = (resourceVersion ?? current.resourceVersion) as string;
    if (uid) object.metadata.uid = uid;
    checkVersion(exchange, object, current);
    setPath(object, fields.specReplicas, replicasOf(scale) ?? 0);
    return changed(ofObject(exchange), object, current, dryRun, { subresource: "scale", alreadyAdmitted: true });
  });
  return respondValue(200, scaleOf(fields, outcome.object as StoredObject));
}

/** The plugins see the Scale, and may change it. */
async function admitScale(exchange: ResourceExchange, scale: KubeObject, old: KubeObject, dryRun: boolean) {
  const { admission } = exchange.server;
  const asked = { operation: "UPDATE", kind: SCALE, object: scale, old: old as StoredObject, dryRun } as const;
  const request = admissionRequest(exchange, asked);
  await admission.mutate(request);
  checkScale(scale, exchange.info.name);
  await admission.validate(request);
}

/** The object is what is written, by the rules of the object. */
const ofObject = (exchange: ResourceExchange): ResourceExchange => ({
  ...exchange,
  info: { ...exchange.info, subresource: "" },
});

async function applyScale(exchange: ResourceExchange) {
  const { info, record, server, row, warnings } = exchange;
  const { dryRun } = writeOptions(record.query, "PatchOptions", true);
  const config = readConfig(exchange);
  const fields = fieldsOf(exchange);
  const wanted = scaleConfig(exchange, config);
  const outcome = await changeObject(
    exchange,
    { namespace: info.namespace, name: info.name },
    dryRun,
    async (current) => {
      const writer = writerOf(exchange, "scale");
      const force = forced(record.query);
      // what it leaves alone is the cached object's
      const value = cloneJson(
        server.fields.apply({ kind: row, live: current.object, config: wanted, writer, force }) as KubeObject,
      );
      const object = decodeObject(server, { value, duplicates: [] }, row, "Ignore", warnings);
      placeAtName(object, info.name);
      checkVersion(exchange, object, current);
      const scale = scaleOf(fields, object);
      await admitScale(exchange, scale, scaleOf(fields, current.object), dryRun);
      setPath(object, fields.specReplicas, replicasOf(scale) ?? 0);
      return changed(ofObject(exchange), object, current, dryRun, { applied: true, alreadyAdmitted: true });
    },
  );
  return respondValue(200, scaleOf(fields, outcome.object as StoredObject));
}

/** A configuration of a Scale as one of the object: its replicas alone. */
function scaleConfig({ row, server, info, warnings }: ResourceExchange, config: Record<string, unknown>): KubeObject {
  const { apiVersion, kind } = config;
  const text = (version: unknown, name: unknown) =>
    [version, name].map((one) => (typeof one === "string" ? one : JSON.stringify(one ?? ""))).join(", Kind=");
  if (apiVersion !== "autoscaling/v1" || kind !== SCALE.kind)
    throw badRequest(`invalid object type: ${text(apiVersion, kind)}`);
  const scale = decodeObject(server, { value: cloneJson(config), duplicates: [] }, SCALE, "Strict", warnings);
  checkScale(scale, info.name);
  const { name, namespace, resourceVersion, uid } = scale.metadata;
  const metadata = { name, ...(namespace ? { namespace } : {}), ...(resourceVersion ? { resourceVersion } : {}) };
  const wanted = {
    apiVersion: row.group === "" ? row.version : `${row.group}/${row.version}`,
    kind: row.kind,
    metadata: uid ? { ...metadata, uid } : metadata,
  } as KubeObject;
  const replicas = replicasOf(scale);
  if (replicas !== undefined) setPath(wanted, fieldsOf({ row }).specReplicas, replicas);
  return wanted;
}

const replicasOf = (scale: KubeObject): number | undefined =>
  (scale["spec"] as { replicas?: number } | undefined)?.replicas;

function checkScale(scale: KubeObject, name: string): void {
  const { metadata } = scale;
  if (metadata.name && metadata.name !== name)
    throw badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${name})`);
  const replicas = replicasOf(scale) ?? 0;
  const errors = new FieldErrors();
  if (replicas < 0) errors.invalid("spec.replicas", replicas, "must be greater than or equal to 0");
  errors.throwIfAny(SCALE.group, SCALE.kind, name);
}

function fieldsOf({ row }: Pick<ResourceExchange, "row">): ScaleFields {
  if (!row.scale) throw new Error(`${row.plural} have no scale`);
  return row.scale;
}

function scaleOf(fields: ScaleFields, object: KubeObject | StoredObject): KubeObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const selector = fields.selector === "" ? undefined : (at(object, fields.selector) ?? undefined);
  const text = typeof selector === "string" ? selector : selector && formatLabelSelector(asSelector(selector));
  return {
    kind: "Scale",
    apiVersion: "autoscaling/v1",
    metadata: { name, ...(namespace ? { namespace } : {}), uid, resourceVersion, creationTimestamp },
    spec: { replicas: (at(object, fields.specReplicas) as number | undefined) ?? 0 },
    status: {
      replicas: (at(object, fields.statusReplicas) as number | undefined) ?? 0,
      ...(text ? { selector: text } : {}),
    },
  } as KubeObject;
}

/** ReplicationControllers select by a plain map. */
function asSelector(value: unknown): LabelSelector {
  if (typeof value !== "object" || value === null) return {};
  return "matchLabels" in value || "matchExpressions" in value
    ? (value as LabelSelector)
    : { matchLabels: value as Record<string, string> };
}

/** ".spec.replicas" */
const keysOf = (path: string): string[] => path.split(".").filter((key) => key !== "");

function at(object: unknown, path: string): unknown {
  return keysOf(path).reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], object);
}

function setPath(object: KubeObject, path: string, value: unknown): void {
  const keys = keysOf(path);
  const last = keys.pop();
  let parent: Record<string, unknown> = object;
  for (const key of keys) {
    parent[key] ??= {};
    parent = parent[key] as Record<string, unknown>;
  }
  if (last !== undefined) parent[last] = value;
}
