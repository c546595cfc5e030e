/**
 * Resource cache: reads, watches and writes of one resource.
 *
 * Reads are answered from memory once that is as new as asked. A write goes to the store as one
 * transaction; its object is handed to the cache, which meets it again when its own event comes back.
 */
import type { CommitResult, Condition, Operation } from "../store/contract.ts";
import { decodeEnvelope, encodeObject, encodeTombstone } from "../store/envelope.ts";
import type {
  CachedObject,
  DeleteWrite,
  HistoryVersion,
  ObjectHistory,
  ObjectName,
  PutWrite,
  ResourceCache,
  Selection,
  Write,
  WriteOutcome,
} from "./contract.ts";
import { asApi } from "./errors.ts";
import { objectKey } from "./keys.ts";
import { parseVersion } from "./list-options.ts";
import { known, list } from "./lists.ts";
import { storedJson } from "./object-json.ts";
import { consistent, notOlderThan, type Resource } from "./source.ts";
import { Version } from "./version.ts";
import { scope } from "./watchers.ts";
import { watch } from "./watches.ts";

export function createResourceCache(resource: Resource): ResourceCache {
  const { description, objects } = resource;
  const keyOf = (name: ObjectName) => objectKey(description.prefix, name);
  return {
    description,
    peek: (name) => objects.get(keyOf(name)),
    peekAll: (selection) => peekAll(resource, selection),
    get generation() {
      return objects.generation;
    },
    get loads() {
      return objects.loads;
    },
    get: (name, resourceVersion, signal) => get(resource, keyOf(name), resourceVersion, signal),
    list: (query) => list(resource, query),
    watch: (query) => watch(resource, query),
    async write(write) {
      await resource.source.ready();
      return write.type === "put" ? put(resource, keyOf(write), write) : remove(resource, keyOf(write), write);
    },
    history: (name) => history(resource, keyOf(name)),
    get size() {
      return objects.size;
    },
  };
}

function* peekAll({ description, objects }: Resource, selection: Selection): Generator<CachedObject> {
  const { prefix, selects } = scope(description.prefix, selection);
  const { nodeName } = selection;
  const versions =
    nodeName === undefined
      ? objects.range(prefix, undefined, 0).versions
      : objects.rangeOn(nodeName, prefix, undefined);
  for (const version of versions) if (!selects || selects(version)) yield version;
}

async function get(
  resource: Resource,
  key: string,
  resourceVersion = "",
  signal?: AbortSignal,
): Promise<CachedObject | undefined> {
  const { source, objects } = resource;
  await source.ready(signal);
  if (resourceVersion !== "") {
    const asked = parseVersion(resourceVersion);
    if (asked > 0) await notOlderThan(source, asked - source.offset);
    return objects.get(key);
  }
  if (await consistent(source)) return objects.get(key);
  const entry = await asApi(source.store.get(key));
  return entry && known(resource, entry);
}

async function put(resource: Resource, key: string, write: PutWrite): Promise<WriteOutcome> {
  const { source } = resource;
  const { object, cause, deferrable = false } = write;
  if (object.metadata.resourceVersion !== undefined) delete object.metadata.resourceVersion;
  const { json, versionAt } = storedJson(object);
  const value = encodeObject(json, versionAt, cause);
  const offer = source.handover.offer(key, value, object);
  const commit = transaction(write, key, { type: "put", key, value });
  let result: CommitResult;
  try {
    result = await asApi(source.store.commit(commit.conditions, commit.operations, { deferrable }));
  } catch (error) {
    offer.withdraw();
    throw error;
  }
  if (result.committed) return { committed: true, item: offer.settle(result.revision, source.offset) };
  offer.withdraw();
  return refused(resource, result);
}

async function remove(resource: Resource, key: string, write: DeleteWrite): Promise<WriteOutcome> {
  const { source, objects } = resource;
  const cached = objects.get(key);
  const last = cached?.revision === write.expected ? cached : await stored(resource, key);
  const commit = transaction(write, key, { type: "delete", key, tombstone: encodeTombstone(write.cause) });
  const result = await asApi(source.store.commit(commit.conditions, commit.operations));
  if (!result.committed) return refused(resource, result);
  if (!last) throw new Error(`${key} was deleted at a revision at which it was never read`);
  return { committed: true, item: last.endedAt(result.revision, String(result.revision + source.offset)) };
}

async function stored(resource: Resource, key: string): Promise<Version | undefined> {
  const entry = await asApi(resource.source.store.get(key));
  return entry && known(resource, entry);
}

function transaction(
  { expected, also }: Write,
  key: string,
  operation: Operation,
): { conditions: readonly Condition[]; operations: readonly Operation[] } {
  const condition = { key, modRevision: expected };
  if (!also) return { conditions: [condition], operations: [operation] };
  return { conditions: [condition, ...also.conditions], operations: [operation, ...also.operations] };
}

function refused(resource: Resource, result: CommitResult & { readonly committed: false }): WriteOutcome {
  const [current, ...also] = result.current;
  return { committed: false, current: current && known(resource, current), also };
}

async function history(resource: Resource, key: string): Promise<ObjectHistory> {
  const { source } = resource;
  await source.ready();
  const { since, events } = await asApi(source.store.history(key));
  let last: Version | undefined;
  const versions = events.map(({ type, revision, entry, tombstone }): HistoryVersion => {
    const resourceVersion = String(revision + source.offset);
    if (entry) {
      last = Version.of(entry, source.offset);
      return { type, resourceVersion, cause: last.cause, object: last.object };
    }
    const cause = tombstone && decodeEnvelope(tombstone).cause;
    return { type, resourceVersion, cause, object: last?.object };
  });
  return { since: String(since + source.offset), versions };
}
