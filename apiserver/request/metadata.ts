/**
 * Metadata: what of an object's metadata is the server's, and what the request's path fixes.
 */

import { equalJson } from "../../machinery/objects/json-value.ts";
import { badRequest } from "../../machinery/objects/status.ts";
import type { KubeObject, StoredObject } from "../../machinery/objects/wire.ts";
import { type Clock, wireTime } from "../../machinery/process/clock.ts";
import type { ResourceRow } from "../resources/contract.ts";

/** The namespace of the path is the object's; another one in the body is an error. */
export function placeInNamespace(row: ResourceRow, object: KubeObject, namespace: string): void {
  const { metadata } = object;
  if (!row.namespaced) {
    if (metadata.namespace) throw badRequest("namespace is not allowed on this type");
    return;
  }
  if (!metadata.namespace) metadata.namespace = namespace;
  else if (metadata.namespace !== namespace)
    throw badRequest("the namespace of the provided object does not match the namespace sent on the request");
}

/** A name in the body must be the path's. */
export function placeAtName(object: KubeObject, name: string): void {
  const { metadata } = object;
  if (!metadata.name) metadata.name = name;
  else if (metadata.name !== name)
    throw badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${name})`);
}

const ALPHABET = "bcdfghjklmnpqrstvwxz2456789";
const SUFFIX = 5;
const MAX_PREFIX = 63 - SUFFIX;

export function generatedName(clock: Clock, prefix: string): string {
  let name = prefix.slice(0, MAX_PREFIX);
  for (let count = 0; count < SUFFIX; count++) name += ALPHABET[Math.floor(clock.random() * ALPHABET.length)];
  return name;
}

/** A new object's metadata: what a client may not choose is dropped or set. */
export function fillForCreate(object: KubeObject, clock: Clock, generated: boolean): void {
  const { metadata } = object;
  if (metadata.resourceVersion && metadata.resourceVersion !== "0")
    throw badRequest("resourceVersion should not be set on objects to be created");
  delete metadata.resourceVersion;
  delete metadata.deletionTimestamp;
  delete metadata.deletionGracePeriodSeconds;
  dropUnkept(object);
  metadata.uid = clock.uuid();
  metadata.creationTimestamp = wireTime(clock.now()) as never;
  if (generated) metadata.generation = 1;
  else delete metadata.generation;
}

/** What an update leaves out stays; that it changes nothing else of these is validated (resources/object-meta.ts). */
export function keepForUpdate(object: KubeObject, old: StoredObject): void {
  const { metadata } = object;
  dropUnkept(object);
  delete metadata.resourceVersion;
  for (const field of KEPT) if (metadata[field] === undefined) keep(metadata, old.metadata, field);
  keep(metadata, old.metadata, "generation");
}

const KEPT = ["uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"] as const;

/** A change of anything but metadata and status is a new generation. */
export function countGeneration(object: KubeObject, old: StoredObject): void {
  if (old.metadata.generation !== undefined && !equalJson(desired(object), desired(old)))
    object.metadata.generation = old.metadata.generation + 1;
}

function desired(object: KubeObject): Record<string, unknown> {
  const { apiVersion: _version, kind: _kind, metadata: _metadata, status: _status, ...rest } = object;
  return rest;
}

function dropUnkept({ metadata }: KubeObject): void {
  delete metadata.selfLink;
}

function keep<T extends object>(target: T, source: T, field: keyof T): void {
  if (source[field] === undefined) delete target[field];
  else target[field] = source[field];
}

/** Whether an object that was marked for deletion has nothing left that holds it. */
export function readyToGo({ metadata }: KubeObject): boolean {
  return (
    metadata.deletionTimestamp !== undefined &&
    !metadata.finalizers?.length &&
    (metadata.deletionGracePeriodSeconds ?? 0) === 0
  );
}
