/**
 * Scale: the size of an object, whatever its kind, as autoscaling/v1 Scale.
 *
 * Where a kind keeps its numbers stands in its row (ScaleFields); a write is a write of the object.
 */

import { cloneJson } from "../../machinery/objects/json-value.ts";
import { formatLabelSelector } from "../../machinery/objects/selectors.ts";
import { badRequest, notFound } from "../../machinery/objects/status.ts";
import type { KubeObject, LabelSelector, StoredObject } from "../../machinery/objects/wire.ts";
import type { ScaleFields } from "../resources/contract.ts";
import { FieldErrors } from "../resources/field-errors.ts";
import { decodeObject, type ReadValue, readBody } from "./body.ts";
import { changeObject } from "./commit.ts";
import { qualified, type ResourceExchange, type Step } from "./contract.ts";
import { writeOptions } from "./options.ts";
import { readPatch } from "./patch.ts";
import { respondValue } from "./respond.ts";
import { changed, checkVersion } from "./update.ts";

const SCALE = { group: "autoscaling", version: "v1", kind: "Scale" } as const;

export const getScale: Step = async (exchange) => {
  const { cache, info, row, negotiated } = exchange;
  const item = await cache.get({ namespace: info.namespace, name: info.name });
  if (!item) throw notFound(qualified(row), info.name);
  return respondValue(200, scaleOf(fieldsOf(exchange), item.object), negotiated.media);
};

export const updateScale: Step = async (exchange) => {
  const body = readBody(exchange.server, exchange.record);
  if (!body) throw badRequest("the body of the request is empty: a Scale is expected");
  return writeScale(exchange, "UpdateOptions", () => body);
};

export const patchScale: Step = async (exchange) => {
  const { apply, patch, duplicates } = readPatch(exchange.record);
  const ofScale = { ...exchange, row: { ...exchange.row, ...SCALE } };
  return writeScale(exchange, "PatchOptions", (scale) => ({
    value: cloneJson(apply(ofScale, scale as StoredObject, patch)),
    duplicates,
  }));
};

async function writeScale(exchange: ResourceExchange, kind: string, read: (scale: KubeObject) => ReadValue) {
  const { info, record, server, warnings, negotiated } = exchange;
  const { dryRun, fieldValidation } = writeOptions(record.query, kind);
  const fields = fieldsOf(exchange);
  const name = { namespace: info.namespace, name: info.name };
  const outcome = await changeObject(exchange, name, dryRun, (current) => {
    const body = read(scaleOf(fields, current.object));
    const scale = decodeObject(server, { ...body, value: cloneJson(body.value) }, SCALE, fieldValidation, warnings);
    checkScale(scale, info.name);
    const { resourceVersion, uid } = scale.metadata;
    const object = cloneJson(current.object) as KubeObject;
    object.metadata.resourceVersion = (resourceVersion ?? current.resourceVersion) as string;
    if (uid) object.metadata.uid = uid;
    checkVersion(exchange, object, current);
    setPath(object, fields.specReplicas, (scale["spec"] as { replicas?: number } | undefined)?.replicas ?? 0);
    return changed({ ...exchange, info: { ...info, subresource: "" } }, object, current, dryRun);
  });
  return respondValue(200, scaleOf(fields, outcome.object as StoredObject), negotiated.media);
}

function checkScale(scale: KubeObject, name: string): void {
  const { metadata } = scale;
  if (metadata.name && metadata.name !== name)
    throw badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${name})`);
  const replicas = (scale["spec"] as { replicas?: number } | undefined)?.replicas ?? 0;
  const errors = new FieldErrors();
  if (replicas < 0) errors.invalid("spec.replicas", replicas, "must be greater than or equal to 0");
  errors.throwIfAny(SCALE.group, SCALE.kind, name);
}

function fieldsOf({ row }: ResourceExchange): ScaleFields {
  if (!row.scale) throw new Error(`${row.plural} have no scale`);
  return row.scale;
}

function scaleOf(fields: ScaleFields, object: StoredObject): KubeObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const selector = at(object, fields.selector);
  const text = typeof selector === "string" ? selector : formatLabelSelector(asSelector(selector));
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
