/**
 * Definitions: follows CustomResourceDefinitions as they come, change and go.
 *
 * What the table of resources needs of them is done at once (registry.ts). What they are told about themselves is
 * written to their status: names and conditions (naming.ts) and, when they are deleted, that their instances go
 * first. Several servers on one store do the same; whoever comes second finds nothing left to write.
 */
import type { Client } from "../../machinery/client/client.ts";
import { breather } from "../../machinery/loop/breathe.ts";
import { createWorkQueue } from "../../machinery/loop/work-queue.ts";
import { withCondition } from "../../machinery/objects/conditions.ts";
import { cloneJson, equalJson } from "../../machinery/objects/json-value.ts";
import { ApiError, isConflict, isNotFound } from "../../machinery/objects/status.ts";
import type { Draft, KubeObject } from "../../machinery/objects/wire.ts";
import { type Clock, wireTime } from "../../machinery/process/clock.ts";
import type { Logger } from "../../machinery/process/logging.ts";
import type { CachedObject, ResourceCache } from "../cache/contract.ts";
import { follow } from "../cache/follow.ts";
import type { Resources } from "../request/contract.ts";
import type { ResourceRow } from "../resources/contract.ts";
import { CLEANUP_FINALIZER, type Condition, conditionOf, type DefinitionStatus } from "./contract.ts";
import { isEstablished, namedStatus, takenNames, terminating } from "./naming.ts";
import { type Outline, outlineOf } from "./outline.ts";
import type { Registry } from "./registry.ts";

export interface DefinitionsOptions {
  /** Where CustomResourceDefinitions are kept. */
  readonly cache: ResourceCache;
  readonly registry: Registry;
  readonly rows: () => readonly ResourceRow[];
  readonly client: Client;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

export interface Definitions {
  /** Serves what is established now; afterwards changes are followed until the signal aborts. May be tried again. */
  start(): Promise<void>;
  /** Resolves when nothing is under way any more. */
  stopped(): Promise<void>;
}

/** The row of definitions themselves. */
export function definitionsRow(resources: Pick<Resources, "find">): ResourceRow {
  const row = resources.find("apiextensions.k8s.io", "v1", "customresourcedefinitions");
  if (!row) throw new Error("CustomResourceDefinitions are not in the table of resources");
  return row;
}

/** Until instances are looked for again while they are being deleted. */
const INSTANCES_MS = 200;
const RETRY_MS = 1_000;

export function createDefinitions(options: DefinitionsOptions): Definitions {
  const { cache, registry, clock, signal } = options;
  const log = options.log.child({ controller: "crd" });
  const queue = createWorkQueue(clock);
  const outlines = new Map<string, Outline>();
  const context: Context = { ...options, outlines };

  const take = (item: CachedObject): void => {
    const outline = outlineOf(item.glance());
    const { name, resourceVersion } = outline.metadata;
    outlines.set(name, outline);
    registry.set(outline, item);
    queue.add(name, { revision: resourceVersion });
  };

  /** A name that went may be what another definition waits for. */
  const drop = (name: string): void => {
    const group = outlines.get(name)?.spec.group;
    outlines.delete(name);
    registry.remove(name);
    for (const other of outlines.values()) if (other.spec.group === group) queue.add(other.metadata.name);
  };

  /** The cache may be ahead of what the watch tells, never behind it. */
  const look = (name: string): void => {
    const item = cache.peek({ name });
    if (item) take(item);
    else drop(name);
  };

  const work = async (): Promise<void> => {
    for (let item = await queue.next(signal); item; item = await queue.next(signal)) {
      try {
        const after = await reconcile(item.key, context);
        queue.finish(item, { after });
      } catch (error) {
        if (signal.aborted) return;
        const waitMs = queue.retry(item, RETRY_MS);
        if (!isConflict(error) && !isNotFound(error))
          log.warn("definition not settled", { name: item.key, waitMs, error });
      }
    }
  };

  const run = (since: string): Promise<void> =>
    follow({
      cache,
      clock,
      signal,
      since,
      look,
      known: () => outlines.keys(),
      failed: (error) => log.warn("definitions cannot be watched", { error }),
    });

  let running: Promise<unknown> | undefined;
  return {
    async start() {
      const page = await cache.list({ selection: {}, signal });
      const breath = breather(clock);
      for (const item of page.items) {
        take(item);
        await breath();
      }
      running ??= Promise.all([run(page.resourceVersion), work()]);
    },
    stopped: async () => void (await running),
  };
}

interface Context extends DefinitionsOptions {
  readonly outlines: ReadonlyMap<string, Outline>;
}

/** Milliseconds until it must be looked at again; undefined when it is settled, or its change will be seen. */
async function reconcile(name: string, context: Context): Promise<number | undefined> {
  const definition = context.outlines.get(name);
  if (!definition) return undefined;
  if (definition.metadata.deletionTimestamp !== undefined) return finalize(definition, context);
  const taken = takenNames(name, definition.spec.group, context.outlines.values(), context.rows());
  await writeStatus(definition, namedStatus(definition, taken, wireTime(context.clock.now())), context);
  return undefined;
}

/** Deletes the instances, then lets the definition go. */
async function finalize(definition: Outline, context: Context): Promise<number | undefined> {
  const { finalizers = [] } = definition.metadata;
  if (!finalizers.includes(CLEANUP_FINALIZER)) return undefined;
  const tell = (condition: Condition) => {
    const conditions = withCondition(
      [...(definition.status?.conditions ?? [])],
      condition,
      wireTime(context.clock.now()),
    );
    return writeStatus(definition, { ...definition.status, conditions }, context);
  };
  if (conditionOf(definition, "Terminating")?.reason === "InstanceDeletionPending") {
    await tell(terminating("True", "InstanceDeletionInProgress", "CustomResource deletion is in progress"));
    return undefined;
  }
  if (isEstablished(definition)) {
    const left = await deleteInstances(definition, context.client);
    if (left > 0) return INSTANCES_MS;
  }
  if (conditionOf(definition, "Terminating")?.status !== "False") {
    await tell(terminating("False", "InstanceDeletionCompleted", "removed all instances"));
    return undefined;
  }
  const object = wholeOf(definition, context);
  object.metadata.finalizers = finalizers.filter((one) => one !== CLEANUP_FINALIZER);
  await context.client.raw({ method: "PUT", path: pathOf(definition), body: object });
  return undefined;
}

/** How many there still are. Those with finalizers of their own go when their controllers let them. */
async function deleteInstances({ spec }: Outline, client: Client): Promise<number> {
  const version = spec.versions.find(({ served }) => served)?.name;
  if (!version) return 0;
  const base = `/apis/${spec.group}/${version}`;
  const list = async () => {
    const path = `${base}/${spec.names.plural}`;
    const answer = (await client.raw({ method: "GET", path })) as { items: readonly KubeObject[] };
    return answer.items;
  };
  const items = await list();
  for (const { metadata } of items) {
    if (metadata.deletionTimestamp !== undefined) continue;
    const scope = metadata.namespace ? `/namespaces/${metadata.namespace}` : "";
    const path = `${base}${scope}/${spec.names.plural}/${metadata.name}`;
    await client.raw({ method: "DELETE", path }).catch((error: unknown) => {
      if (!isNotFound(error)) throw error;
    });
  }
  return items.length === 0 ? 0 : (await list()).length;
}

async function writeStatus(definition: Outline, status: DefinitionStatus, context: Context): Promise<void> {
  if (equalJson(status, definition.status)) return;
  const object = { ...wholeOf(definition, context), status } as Draft<KubeObject>;
  await context.client.raw({ method: "PUT", path: `${pathOf(definition)}/status`, body: object });
}

/** To be changed and written: as it was when the outline was made, else the write fails. */
function wholeOf({ metadata: { name, resourceVersion } }: Outline, { cache }: Context): KubeObject {
  const item = cache.peek({ name });
  if (!item) throw new ApiError("NotFound", `customresourcedefinitions.apiextensions.k8s.io "${name}" not found`);
  const object = cloneJson(item.glance()) as unknown as KubeObject;
  return { ...object, metadata: { ...object.metadata, resourceVersion } };
}

const pathOf = ({ metadata }: Outline): string =>
  `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${metadata.name}`;
