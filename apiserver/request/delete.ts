/**
 * Delete: an object goes at once, or is marked with a deletionTimestamp while something holds it.
 *
 * What holds it: finalizers (orphan and foregroundDeletion among them, by propagation policy), a grace
 * period, or the kind's own hold. Whoever removes the last hold deletes it: see update.ts.
 */

import { isBigInteger } from "../../machinery/objects/json.ts";
import { cloneJson } from "../../machinery/objects/json-value.ts";
import { badRequest } from "../../machinery/objects/status.ts";
import type { KubeObject, StoredObject } from "../../machinery/objects/wire.ts";
import { wireTime } from "../../machinery/process/clock.ts";
import { limits } from "../../machinery/process/limits.ts";
import type { CachedObject } from "../cache/contract.ts";
import { admitted } from "./admission-request.ts";
import { readBody } from "./body.ts";
import { type Committed, changeObject, checkPreconditions, type Next } from "./commit.ts";
import type { ResourceExchange, Step } from "./contract.ts";
import { listQueryOf } from "./list-query.ts";
import { dryRunOf, invalidOption } from "./options.ts";
import { respondObject, respondSuccess, respondValue } from "./respond.ts";
import { removal } from "./update.ts";

export const PROPAGATION = ["Orphan", "Background", "Foreground"] as const;
export type Propagation = (typeof PROPAGATION)[number];

export interface DeleteOptions {
  readonly dryRun: boolean;
  readonly propagation: Propagation | undefined;
  readonly gracePeriodSeconds: number | undefined;
  readonly preconditions: { readonly uid?: string | undefined; readonly resourceVersion?: string | undefined };
  /** An eviction: the plugins were asked about that. */
  readonly alreadyAdmitted?: boolean;
}

export const remove: Step = async (exchange) => {
  const { info, row } = exchange;
  const options = deleteOptions(exchange);
  const outcome = await deleteObject(exchange, { namespace: info.namespace, name: info.name }, options);
  if (outcome.next !== "delete") return respondObject(exchange, outcome);
  const { uid } = (outcome.object as StoredObject).metadata;
  const group = row.group ? { group: row.group } : {};
  return respondSuccess({ name: info.name, ...group, kind: row.plural, uid });
};

/** Deletes every object that the selectors match; each on its own, so some may be gone when one fails. */
export const removeCollection: Step = async (exchange) => {
  const { cache, record } = exchange;
  const options = deleteOptions(exchange);
  const page = await cache.list({ ...listQueryOf(exchange), signal: record.signal });
  const items: KubeObject[] = [];
  for (const { object } of page.items) {
    const { namespace, name } = object.metadata;
    const deleted = await deleteObject(exchange, { namespace, name }, options).catch(unlessGone);
    if (deleted) items.push(deleted.object);
  }
  const { kind, apiVersion, metadata } = page.value();
  return respondValue(200, { kind, apiVersion, metadata, items });
};

/** Someone else may delete the same objects meanwhile. */
function unlessGone(error: unknown): undefined {
  if ((error as { reason?: unknown }).reason === "NotFound") return undefined;
  throw error;
}

export function deleteObject(
  exchange: ResourceExchange,
  name: { readonly namespace?: string | undefined; readonly name: string },
  options: DeleteOptions,
): Promise<Committed> {
  return changeObject(exchange, name, options.dryRun, async (current) => {
    checkPreconditions(exchange, current, options.preconditions);
    if (!options.alreadyAdmitted) await admitDelete(exchange, name, current.object, options);
    return marked(exchange, current, options);
  });
}

function admitDelete(
  exchange: ResourceExchange,
  { namespace = "", name }: { readonly namespace?: string | undefined; readonly name: string },
  old: StoredObject,
  { dryRun, propagation, gracePeriodSeconds, preconditions }: DeleteOptions,
): Promise<void> {
  const options = {
    ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
    ...(propagation ? { propagationPolicy: propagation } : {}),
    ...(preconditions.uid || preconditions.resourceVersion ? { preconditions } : {}),
  };
  return admitted(exchange, { operation: "DELETE", subresource: "", namespace, name, old, dryRun, options });
}

/** What a delete makes of the object. */
async function marked(exchange: ResourceExchange, current: CachedObject, options: DeleteOptions): Promise<Next> {
  const { row, server } = exchange;
  const { strategy } = row;
  const old = current.object;
  const { metadata } = old;
  const marks = metadata.deletionTimestamp !== undefined;
  const finalizers = finalizersAfter(metadata.finalizers ?? [], options.propagation);
  const { deletionFinalizer: own } = strategy;
  if (own && !marks && !finalizers.includes(own)) finalizers.push(own);
  const grace = gracePeriod(strategy.gracePeriodSeconds?.(old, options.gracePeriodSeconds) ?? 0, old);
  const held = finalizers.length > 0 || grace > 0 || (strategy.holds?.(old) ?? false);
  if (!held) return removal(exchange, current);

  const sameFinalizers = finalizers.join("\n") === (metadata.finalizers ?? []).join("\n");
  if (marks && sameFinalizers && grace >= (metadata.deletionGracePeriodSeconds ?? 0)) return { kind: "same" };

  const object = cloneJson(old) as KubeObject;
  if (finalizers.length > 0) object.metadata.finalizers = finalizers;
  else delete object.metadata.finalizers;
  if (!marks || grace < (metadata.deletionGracePeriodSeconds ?? 0)) {
    const base = marks ? Date.parse(String(metadata.deletionTimestamp)) - graceMs(metadata) : server.clock.now();
    object.metadata.deletionTimestamp = wireTime(base + grace * 1000) as never;
    object.metadata.deletionGracePeriodSeconds = grace;
    if (metadata.generation !== undefined) object.metadata.generation = metadata.generation + 1;
    strategy.markDeleted?.(object);
  }
  delete object.metadata.resourceVersion;
  return { kind: "put", object };
}

const graceMs = ({ deletionGracePeriodSeconds = 0 }: StoredObject["metadata"]): number =>
  deletionGracePeriodSeconds * 1000;

/** A grace period that runs may only become shorter, and ends while a date can say when. */
function gracePeriod(asked: number, { metadata }: StoredObject): number {
  const wanted = Math.min(asked, limits.gracePeriodSeconds);
  if (metadata.deletionTimestamp === undefined) return wanted;
  return Math.min(wanted, metadata.deletionGracePeriodSeconds ?? 0);
}

/** Propagation decides about its own two finalizers; undefined leaves them as they are. */
function finalizersAfter(finalizers: readonly string[], propagation: Propagation | undefined): string[] {
  if (propagation === undefined) return [...finalizers];
  const others = finalizers.filter((one) => one !== "orphan" && one !== "foregroundDeletion");
  if (propagation === "Orphan") return [...others, "orphan"];
  return propagation === "Foreground" ? [...others, "foregroundDeletion"] : others;
}

/** From the body or, where that is silent, from the query. */
export function deleteOptions({ server, record }: Pick<ResourceExchange, "server" | "record">): DeleteOptions {
  const body = (readBody(server, record)?.value ?? {}) as Record<string, unknown>;
  if (typeof body !== "object" || Array.isArray(body)) throw badRequest("the body must be DeleteOptions");
  if (body["kind"] !== undefined && body["kind"] !== "DeleteOptions")
    throw badRequest(`${String(body["kind"])} cannot be handled as a DeleteOptions`);
  const { query } = record;
  const dryRun = Array.isArray(body["dryRun"]) ? body["dryRun"].map(String) : query.getAll("dryRun");
  return {
    dryRun: dryRunOf(dryRun, "DeleteOptions"),
    propagation: propagationOf(body["propagationPolicy"] ?? query.get("propagationPolicy"), body["orphanDependents"]),
    gracePeriodSeconds: graceOf(body["gracePeriodSeconds"] ?? query.get("gracePeriodSeconds")),
    preconditions: preconditionsOf(body["preconditions"]),
  };
}

function propagationOf(value: unknown, orphan: unknown): Propagation | undefined {
  if (value === undefined || value === null || value === "") {
    if (typeof orphan !== "boolean") return undefined;
    return orphan ? "Orphan" : "Background";
  }
  const known = PROPAGATION.find((one) => one === value);
  if (known) return known;
  const supported = [...PROPAGATION].sort().map((one) => JSON.stringify(one));
  throw invalidOption(
    "DeleteOptions",
    "propagationPolicy",
    `Unsupported value: ${JSON.stringify(value)}: supported values: ${supported.join(", ")}`,
  );
}

function graceOf(value: unknown): number | undefined {
  if (value === undefined || value === null || value === "") return undefined;
  const seconds = Number(isBigInteger(value) ? value.rawJSON : value);
  if (!Number.isInteger(seconds)) throw badRequest("gracePeriodSeconds must be an integer");
  // As in Kubernetes, a negative period is a second: the shortest that is still graceful.
  return seconds < 0 ? 1 : seconds;
}

function preconditionsOf(value: unknown): DeleteOptions["preconditions"] {
  if (value === undefined || value === null) return {};
  const { uid, resourceVersion } = value as { uid?: unknown; resourceVersion?: unknown };
  return {
    uid: typeof uid === "string" ? uid : undefined,
    resourceVersion: typeof resourceVersion === "string" ? resourceVersion : undefined,
  };
}
