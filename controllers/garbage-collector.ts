/**
 * Garbage collector: deletes what belongs to nobody any more, by owner references.
 *
 * Nothing is deleted on the word of a cache: the object and each of its owners are read from the
 * server first, and the deletion holds only for the version that was read. Background: dependents go
 * after the owner; foreground: before it; orphan: they stay. The graph is owner-graph.ts; what is watched,
 * collected-resources.ts.
 * https://kubernetes.io/docs/concepts/architecture/garbage-collection/
 */
import type { Client } from "../machinery/client/client.ts";
import { deleteBody } from "../machinery/client/create-client.ts";
import type { Informers } from "../machinery/client/shared-informers.ts";
import { breather } from "../machinery/loop/breathe.ts";
import type { EventRecorder } from "../machinery/loop/controller.ts";
import type { Events } from "../machinery/loop/events-recorder.ts";
import { createWorkQueue, type QueueItem } from "../machinery/loop/work-queue.ts";
import { apiVersionOf } from "../machinery/objects/kinds.ts";
import { isConflict, isNotFound } from "../machinery/objects/status.ts";
import type { OwnerReference, StoredObject } from "../machinery/objects/wire.ts";
import type { Clock } from "../machinery/process/clock.ts";
import type { Logger } from "../machinery/process/logging.ts";
import { type CollectedResources, createCollectedResources } from "./collected-resources.ts";
import { resourcePath } from "./discovery.ts";
import {
  blocking,
  createOwnerGraph,
  FOREGROUND,
  type GraphNode,
  type Look,
  ORPHAN,
  type OwnerGraph,
  type Place,
} from "./owner-graph.ts";

export interface GarbageCollectorOptions {
  readonly client: Client;
  readonly informers: Informers;
  readonly events: Events;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

export interface GarbageCollector {
  /** True when nothing waits to be looked at. */
  idle(): boolean;
  readonly stopped: Promise<void>;
}

const NAME = "generic-garbage-collector";
/** As Events call it. */
const REPORTER = "garbage-collector-controller";
const WORKERS = 10;
/** Until an owner that is there is looked at again, when no watch has shown it yet. */
const UNSEEN_MS = 1_000;

export function runGarbageCollector(options: GarbageCollectorOptions): GarbageCollector {
  const { clock, signal } = options;
  const log = options.log.child({ controller: NAME });
  const graph = createOwnerGraph();
  const queue = createWorkQueue(clock);
  const resources = createCollectedResources({ ...options, log }, (place, change) => {
    const looks =
      change.type === "deleted" ? graph.remove(change.object.metadata.uid) : graph.put(place, change.object.metadata);
    enqueue(looks, change.object.metadata.resourceVersion);
  });
  const enqueue = (looks: readonly Look[], revision?: string) => {
    for (const { work, uid, elsewhere } of looks) {
      if (!queue.add(`${work} ${uid}`, { revision })) log.error("the queue is full, an object was dropped", { uid });
      if (elsewhere)
        report(graph.node(uid), elsewhere, options.events.recorder(REPORTER, { revision, controller: NAME }));
    }
  };

  const worker = async () => {
    const breathe = breather(clock);
    for (let item = await queue.next(signal); item; item = await queue.next(signal)) {
      const client = options.client.because({ revision: item.cause.revision, controller: NAME });
      try {
        const looks = await look(item, { client, graph, resources });
        enqueue(looks === "again" ? [] : looks, item.cause.revision);
        queue.finish(item, looks === "again" ? { after: UNSEEN_MS } : {});
      } catch (error) {
        if (signal.aborted) return;
        const waitMs = queue.retry(item);
        if (!isConflict(error)) log.warn("an object could not be collected", { uid: item.key, waitMs, error });
      }
      await breathe();
    }
  };
  const run = async () => {
    await resources.start();
    await Promise.all([resources.follow(), ...Array.from({ length: WORKERS }, worker)]);
  };
  const stopped = run().catch((error: unknown) => {
    if (!signal.aborted) log.error("the garbage collector ended", { error });
  });
  return { idle: () => queue.length + queue.active + queue.retrying === 0, stopped };
}

/** An owner in another namespace is none: where nothing of that name is in the object's own, the object goes. */
function report(node: GraphNode | undefined, owner: OwnerReference, events: EventRecorder): void {
  if (!node?.place) return;
  const { resource, name, namespace = "" } = node.place;
  const metadata = { name, uid: node.uid, resourceVersion: "", creationTimestamp: "", ...(namespace && { namespace }) };
  const { apiVersion, kind } = owner;
  events.warning(
    { apiVersion: apiVersionOf(resource), kind: resource.kind, metadata },
    "OwnerRefInvalidNamespace",
    `ownerRef [${apiVersion}/${kind}, namespace: ${namespace}, name: ${owner.name}, uid: ${owner.uid}] does not exist in namespace ${JSON.stringify(namespace)}`,
  );
}

interface Context {
  readonly client: Client;
  readonly graph: OwnerGraph;
  readonly resources: CollectedResources;
}

async function look(item: QueueItem, context: Context): Promise<Look[] | "again"> {
  const [work, uid = ""] = item.key.split(" ");
  const node = context.graph.node(uid);
  if (!node) return [];
  if (!node.place) return lookAtGuess(node, context);
  return work === "orphan" ? orphanDependents(node, node.place, context) : collect(node, node.place, context);
}

/**
 * An owner that no watch has shown: is it there? Where it is not, its dependents are looked at; where it is, it may
 * go before a watch shows it, so it is asked for until one does.
 */
async function lookAtGuess(node: GraphNode, context: Context): Promise<Look[] | "again"> {
  const { guess } = node;
  if (!guess || node.dependents.size === 0) return [];
  const owner = await findOwner(guess.reference, guess.namespace, context);
  if (owner === "unresolvable") return [];
  if (owner) return context.resources.watches(guess.reference) ? "again" : [];
  return [...node.dependents].map(({ uid }) => ({ work: "delete", uid }));
}

/** Undefined: there is none of this uid. A cluster-scoped object's owner in some namespace cannot be told. */
async function findOwner(
  reference: OwnerReference,
  namespace: string | undefined,
  { client, graph, resources }: Context,
): Promise<StoredObject | "unresolvable" | undefined> {
  if (graph.sawGo(reference.uid)) return undefined;
  const resource = await resources.of(reference);
  if (resource.namespaced && !namespace) return "unresolvable";
  const owner = await find(client, { resource, namespace, name: reference.name });
  return owner?.metadata.uid === reference.uid ? owner : undefined;
}

async function find(client: Client, { resource, namespace, name }: Place): Promise<StoredObject | undefined> {
  try {
    return (await client.raw({ method: "GET", path: resourcePath(resource, namespace, name) })) as StoredObject;
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** Deletes the object if all its owners are gone; lets it go if it waited for dependents that are gone. */
async function collect(node: GraphNode, place: Place, context: Context): Promise<Look[]> {
  if (node.deleting && !node.foreground) return [];
  const { client } = context;
  const object = await find(client, place);
  if (object?.metadata.uid !== node.uid) return []; // the watch will tell that it is gone
  if (node.foreground) return finishForeground(node, place, object, client);

  const references = object.metadata.ownerReferences ?? [];
  if (references.length === 0) return [];
  const { solid, dangling, waiting } = await classify(references, object, context);
  if (solid.length > 0) {
    if (dangling.length + waiting.length > 0) await rewrite(client, place, object, { ownerReferences: solid });
    return [];
  }
  if (waiting.length > 0 && node.dependents.size > 0) {
    // two that own each other would wait for ever
    if ([...node.dependents].some(({ foreground }) => foreground))
      await rewrite(client, place, object, { ownerReferences: references.map(unblock) });
    await remove(client, place, object, "Foreground");
    return [];
  }
  await remove(client, place, object, policyOf(object));
  return [];
}

async function classify(references: readonly OwnerReference[], { metadata }: StoredObject, context: Context) {
  const solid: OwnerReference[] = [];
  const dangling: OwnerReference[] = [];
  const waiting: OwnerReference[] = [];
  for (const reference of references) {
    const owner = await findOwner(reference, metadata.namespace, context);
    if (!owner) dangling.push(reference);
    else if (
      owner !== "unresolvable" &&
      owner.metadata.deletionTimestamp &&
      owner.metadata.finalizers?.includes(FOREGROUND)
    )
      waiting.push(reference);
    else solid.push(reference);
  }
  return { solid, dangling, waiting };
}

const unblock = (reference: OwnerReference): OwnerReference => ({ ...reference, blockOwnerDeletion: false });

function policyOf({ metadata }: StoredObject): "Orphan" | "Foreground" | "Background" {
  if (metadata.finalizers?.includes(ORPHAN)) return "Orphan";
  return metadata.finalizers?.includes(FOREGROUND) ? "Foreground" : "Background";
}

async function finishForeground(node: GraphNode, place: Place, object: StoredObject, client: Client): Promise<Look[]> {
  const left = blocking(node);
  if (left.length > 0) return left.filter(({ foreground }) => !foreground).map(({ uid }) => ({ work: "delete", uid }));
  await dropFinalizer(client, place, object, FOREGROUND);
  return [];
}

/** Every dependent forgets the owner; then the owner goes. */
async function orphanDependents(node: GraphNode, place: Place, { client }: Context): Promise<Look[]> {
  for (const dependent of [...node.dependents]) {
    if (!dependent.place) continue;
    const object = await find(client, dependent.place);
    const references = object?.metadata.ownerReferences;
    if (object?.metadata.uid !== dependent.uid || !references?.some(({ uid }) => uid === node.uid)) continue;
    await rewrite(client, dependent.place, object, {
      ownerReferences: references.filter(({ uid }) => uid !== node.uid),
    });
  }
  const owner = await find(client, place);
  if (owner?.metadata.uid === node.uid) await dropFinalizer(client, place, owner, ORPHAN);
  return [];
}

async function dropFinalizer(client: Client, place: Place, object: StoredObject, finalizer: string): Promise<void> {
  const finalizers = object.metadata.finalizers ?? [];
  if (finalizers.includes(finalizer))
    await rewrite(client, place, object, { finalizers: finalizers.filter((one) => one !== finalizer) });
}

/** Changes metadata of exactly the version that was read. */
async function rewrite(
  client: Client,
  { resource, namespace, name }: Place,
  { metadata }: StoredObject,
  change: object,
): Promise<void> {
  const { uid, resourceVersion } = metadata;
  try {
    await client.raw({
      method: "PATCH",
      path: resourcePath(resource, namespace, name),
      headers: { "content-type": "application/merge-patch+json" },
      body: { metadata: { uid, resourceVersion, ...change } },
    });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}

async function remove(
  client: Client,
  { resource, namespace, name }: Place,
  { metadata: { uid, resourceVersion } }: StoredObject,
  propagation: "Orphan" | "Foreground" | "Background",
): Promise<void> {
  try {
    const body = deleteBody({ preconditions: { uid, resourceVersion }, propagation });
    await client.raw({ method: "DELETE", path: resourcePath(resource, namespace, name), body });
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
