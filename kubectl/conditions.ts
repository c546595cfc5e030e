/**
 * Watching one object until something holds of it: what `wait` and `rollout status` are made of.
 *
 * The object is read once and then watched from there, so that nothing between is missed; a watch
 * that the server ends is taken up again. Undefined stands for an object that is gone.
 */
import { isExpired, isNotFound } from "../machinery/objects/status.ts";
import type { KubeObject } from "../machinery/objects/wire.ts";
import type { Cluster } from "./cluster.ts";
import { type ResourceType, resourcePath } from "./discovery.ts";
import type { KubectlIo } from "./io.ts";
import type { ObjectRef } from "./selection.ts";

export class TimedOut extends Error {}

export interface Watching {
  readonly cluster: Cluster;
  readonly io: KubectlIo;
  /** Milliseconds from now; Infinity for no end. */
  readonly timeout: number;
}

/** Calls `done` with each state until it returns true; rejects with TimedOut. */
export async function watchUntil(
  { cluster, io, timeout }: Watching,
  ref: ObjectRef,
  done: (object: KubeObject | undefined) => boolean,
): Promise<void> {
  const late = new AbortController();
  const timer = Number.isFinite(timeout) ? io.clock.after(timeout, () => late.abort(new TimedOut())) : undefined;
  const signal = AbortSignal.any([io.signal, late.signal]);
  try {
    for (;;) {
      const current = await read(cluster, ref);
      if (done(current.object)) return;
      if (timeout <= 0) throw new TimedOut();
      if (await follow(cluster, ref, current.resourceVersion, signal, done)) return;
      await io.clock.sleep(100, signal);
    }
  } catch (error) {
    throw late.signal.aborted ? new TimedOut() : error;
  } finally {
    timer?.cancel();
  }
}

async function read(cluster: Cluster, { type, namespace, name }: ObjectRef) {
  const list = await cluster.request<{ metadata: { resourceVersion?: string }; items: KubeObject[] | null }>({
    method: "GET",
    path: resourcePath(type, namespace),
    query: { fieldSelector: `metadata.name=${name}` },
  });
  const [item] = list.items ?? [];
  const object = item ? { ...item, kind: type.kind, apiVersion: apiVersion(type) } : undefined;
  return { object, resourceVersion: list.metadata.resourceVersion ?? "" };
}

const apiVersion = ({ group, version }: ResourceType) => (group === "" ? version : `${group}/${version}`);

/** True when `done` was; false when the watch ended and one must read again. */
async function follow(
  cluster: Cluster,
  { type, namespace, name }: ObjectRef,
  resourceVersion: string,
  signal: AbortSignal,
  done: (object: KubeObject | undefined) => boolean,
): Promise<boolean> {
  const query = { fieldSelector: `metadata.name=${name}`, resourceVersion, watch: "true" };
  try {
    for await (const batch of cluster.watch({ method: "GET", path: resourcePath(type, namespace), query, signal })) {
      for (const { type: event, object } of batch) {
        if (event === "BOOKMARK") continue;
        if (done(event === "DELETED" ? undefined : object)) return true;
      }
    }
  } catch (error) {
    if (!isExpired(error) && !isNotFound(error)) throw error;
  }
  return false;
}
