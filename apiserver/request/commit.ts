/**
 * Commit: the way of every write into the store: compare and swap, tried again on a newer version.
 *
 * A change is a function from the object as it is to what it should become; it may run several times,
 * so it has no effects of its own. It first sees the cache's version: when it fails on that, or the
 * swap does, it sees the store's.
 */
import { CAUSE_CONTROLLER_HEADER, CAUSE_REVISION_HEADER } from "../../machinery/client/transport/contract.ts";
import { conflict, notFound } from "../../machinery/objects/status.ts";
import type { KubeObject } from "../../machinery/objects/wire.ts";
import { limits } from "../../machinery/process/limits.ts";
import type { Allocation } from "../admission/contract.ts";
import type { CachedObject, ObjectName, WriteOutcome } from "../cache/contract.ts";
import type { Cause } from "../store/envelope.ts";
import { type Outcome, qualified, type ResourceExchange } from "./contract.ts";

/** What a change makes of an object. */
export type Next =
  /** Nothing to write. */
  | { readonly kind: "same" }
  | { readonly kind: "put"; readonly object: KubeObject; readonly also?: Allocation; readonly deferrable?: boolean }
  | { readonly kind: "delete"; readonly also?: Allocation };

export type Change = (current: CachedObject) => Promise<Next> | Next;

export interface Committed extends Outcome {
  readonly next: Next["kind"];
}

export function causeOf({ user, info, record, server }: ResourceExchange): Cause {
  const causeRevision = record.headers[CAUSE_REVISION_HEADER];
  const controller = record.headers[CAUSE_CONTROLLER_HEADER];
  return {
    user: user.name,
    verb: info.verb,
    time: server.clock.now(),
    ...(causeRevision ? { causeRevision } : {}),
    ...(controller ? { controller } : {}),
  };
}

/** Changes an object that exists; 404 when it does not. */
export async function changeObject(
  exchange: ResourceExchange,
  name: ObjectName,
  dryRun: boolean,
  change: Change,
): Promise<Committed> {
  const { cache, record } = exchange;
  let current = cache.peek(name);
  let fresh = current === undefined;
  if (!current) current = await cache.get(name, undefined, record.signal);

  /** What the cache had may be old: true when there is a newer version, with which to try again. */
  const outdated = async (): Promise<boolean> => {
    if (fresh) return false;
    const known = current?.revision;
    current = await cache.get(name, undefined, record.signal);
    fresh = true;
    return current?.revision !== known;
  };

  for (let attempt = 0; attempt < limits.commitAttempts; attempt++) {
    if (!current) throw notFound(qualified(exchange.row), name.name);
    let next: Next;
    try {
      next = await change(current);
    } catch (error) {
      if (await outdated()) continue;
      throw error;
    }
    // that there is nothing to do must be so now, not some time ago
    if (next.kind === "same" && (await outdated())) continue;
    if (next.kind === "same") return { status: 200, object: current.object, item: current, next: "same" };
    if (dryRun) return { status: 200, object: dryRunResult(next, current), next: next.kind };
    const outcome: WriteOutcome = await write(exchange, name, current, next);
    if (outcome.committed) return { status: 200, object: outcome.item.object, item: outcome.item, next: next.kind };
    if (outcome.current?.revision === current.revision) continue; // only an allocation had changed
    current = outcome.current;
    fresh = true;
  }
  throw conflict(qualified(exchange.row), name.name, MODIFIED);
}

export const MODIFIED = "the object has been modified; please apply your changes to the latest version and try again";

function write(
  exchange: ResourceExchange,
  name: ObjectName,
  current: CachedObject,
  next: Exclude<Next, { kind: "same" }>,
) {
  const base = { ...name, expected: current.revision, cause: causeOf(exchange) };
  const also = next.also ? { also: next.also } : {};
  if (next.kind === "delete") return exchange.cache.write({ type: "delete", ...base, ...also });
  const deferrable = next.deferrable ? { deferrable: true } : {};
  return exchange.cache.write({ type: "put", ...base, object: next.object, ...also, ...deferrable });
}

/** As it would have been answered, with the version that it still has. */
function dryRunResult(next: Exclude<Next, { kind: "same" }>, current: CachedObject): KubeObject {
  if (next.kind === "delete") return current.object;
  next.object.metadata.resourceVersion = current.resourceVersion;
  return next.object;
}

/** A failure of a check on the version that the client named. */
export function checkPreconditions(
  exchange: ResourceExchange,
  current: CachedObject,
  { uid, resourceVersion }: { readonly uid?: string | undefined; readonly resourceVersion?: string | undefined },
): void {
  const { metadata } = current.object;
  const resource = qualified(exchange.row);
  if (uid && uid !== metadata.uid)
    throw conflict(
      resource,
      metadata.name,
      `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${metadata.uid}`,
    );
  if (resourceVersion && resourceVersion !== current.resourceVersion)
    throw conflict(
      resource,
      metadata.name,
      `Precondition failed: ResourceVersion in precondition: ${resourceVersion}, ResourceVersion in object meta: ${current.resourceVersion}`,
    );
}
