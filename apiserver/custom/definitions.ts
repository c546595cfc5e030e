/**
 * Definitions: follows CustomResourceDefinitions as they come, change and go.
 *
 * What the table of resources needs of them is done at once (registry.ts). What they are told about themselves is
 * written to their status: names and conditions (naming.ts) and, when they are deleted, that their instances go
 * first. Several servers on one store do the same; whoever comes second finds nothing left to write.
 */
import type { Client } from "../../machinery/client/client.ts";
import { createWorkQueue } from "../../machinery/loop/work-queue.ts";
import { withCondition } from "../../machinery/objects/conditions.ts";
import { cloneJson, equalJson } from "../../machinery/objects/json-value.ts";
import { isConflict, isNotFound } from "../../machinery/objects/status.ts";
import type { Draft, KubeObject } from "../../machinery/objects/wire.ts";
import { type Clock, wireTime } from "../../machinery/process/clock.ts";
import type { Logger } from "../../machinery/process/logging.ts";
import type { ResourceCache } from "../cache/contract.ts";
import type { Resources } from "../request/contract.ts";
import type { ResourceRow } from "../resources/contract.ts";
import { CLEANUP_FINALIZER, type Condition, conditionOf, type Definition, type DefinitionStatus } from "./contract.ts";
import { isEstablished, namedStatus, takenNames, terminating } from "./naming.ts";
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

  const take = (definition: Definition): void => {
    registry.set(definition);
    queue.add(definition.metadata.name, { revision: definition.metadata.resourceVersion });
  };

  /** A name that went may be what another definition waits for. */
  const drop = ({ metadata, spec }: Definition): void => {
    registry.remove(metadata.name);
    for (const other of all(cache)) if (other.spec.group === spec.group) queue.add(other.metadata.name);
  };

  const follow = async (): Promise<void> => {
    const batches = await cache.watch({ selection: {}, signal });
    for await (const batch of batches) {
      for (const item of batch) {
        const { type, object } = item.event();
        if (type === "ERROR" || type === "BOOKMARK") continue;
        if (type === "DELETED") drop(object as Definition);
        else take(object as Definition);
      }
    }
  };

  const work = async (): Promise<void> => {
    for (let item = await queue.next(signal); item; item = await queue.next(signal)) {
      try {
        const after = await reconcile(item.key, options);
        queue.finish(item, { after });
      } catch (error) {
        if (signal.aborted) return;
        const waitMs = queue.retry(item, RETRY_MS);
        if (!isConflict(error) && !isNotFound(error))
          log.warn("definition not settled", { name: item.key, waitMs, error });
      }
    }
  };

  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      try {
        await follow();
      } catch (error) {
        if (!signal.aborted) log.warn("definitions cannot be watched", { error });
      }
      if (!signal.aborted) await clock.sleep(RETRY_MS, signal).catch(() => undefined);
      // what went while nobody watched
      const names = new Set([...all(cache)].map(({ metadata }) => metadata.name));
      registry.keepOnly(names);
    }
  };

  let running: Promise<unknown> | undefined;
  return {
    async start() {
      const page = await cache.list({ selection: {}, signal });
      for (const { object } of page.items) take(object as Definition);
      running ??= Promise.all([run(), work()]);
    },
    stopped: async () => void (await running),
  };
}

function* all(cache: ResourceCache): Generator<Definition> {
  for (const { object } of cache.peekAll({})) yield object as Definition;
}

/** Milliseconds until it must be looked at again; undefined when it is settled. */
async function reconcile(name: string, options: DefinitionsOptions): Promise<number | undefined> {
  const found = await options.cache.get({ name });
  if (!found) return undefined;
  const definition = found.object as Definition;
  if (definition.metadata.deletionTimestamp !== undefined) return finalize(definition, options);
  const taken = takenNames(name, definition.spec.group, all(options.cache), options.rows());
  await writeStatus(definition, namedStatus(definition, taken, wireTime(options.clock.now())), options);
  return undefined;
}

/** Deletes the instances, then lets the definition go. */
async function finalize(definition: Definition, options: DefinitionsOptions): Promise<number | undefined> {
  const { finalizers = [] } = definition.metadata;
  if (!finalizers.includes(CLEANUP_FINALIZER)) return undefined;
  const tell = (condition: Condition) => {
    const conditions = [...(definition.status?.conditions ?? [])];
    const now = wireTime(options.clock.now());
    return writeStatus(
      definition,
      { ...definition.status, conditions: withCondition(conditions, condition, now) },
      options,
    );
  };
  if (conditionOf(definition, "Terminating")?.reason === "InstanceDeletionPending") {
    await tell(terminating("True", "InstanceDeletionInProgress", "CustomResource deletion is in progress"));
    return 0;
  }
  if (isEstablished(definition)) {
    const left = await deleteInstances(definition, options.client);
    if (left > 0) return INSTANCES_MS;
  }
  if (conditionOf(definition, "Terminating")?.status !== "False") {
    await tell(terminating("False", "InstanceDeletionCompleted", "removed all instances"));
    return 0;
  }
  const object = cloneJson(definition) as unknown as KubeObject;
  object.metadata.finalizers = finalizers.filter((one) => one !== CLEANUP_FINALIZER);
  await options.client.raw({ method: "PUT", path: pathOf(definition), body: object });
  return undefined;
}

/** How many there still are. Those with finalizers of their own go when their controllers let them. */
async function deleteInstances({ spec }: Definition, client: Client): Promise<number> {
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

async function writeStatus(
  definition: Definition,
  status: DefinitionStatus,
  { client }: DefinitionsOptions,
): Promise<void> {
  if (equalJson(status, definition.status)) return;
  const object = { ...cloneJson(definition), status } as unknown as Draft<KubeObject>;
  await client.raw({ method: "PUT", path: `${pathOf(definition)}/status`, body: object });
}

const pathOf = ({ metadata }: Definition): string =>
  `/apis/apiextensions.k8s.io/v1/customresourcedefinitions/${metadata.name}`;
