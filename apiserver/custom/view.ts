/**
 * View: the objects of a custom kind as one of its versions shows them, whatever version they are stored in.
 *
 * What is read is pruned and filled in by the schema it was stored under, then converted; each stored object once,
 * however many ask. Conversion by a webhook takes time: whoever needs an object waits for it, and what decides at
 * once (`peek`) has only what is converted already. An object that needs nothing is served as it is stored.
 */
import type { WatchEvent, WatchItem } from "../../machinery/client/transport/contract.ts";
import { cloneJson } from "../../machinery/objects/json-value.ts";
import { ApiError } from "../../machinery/objects/status.ts";
import type { KubeObject, StoredObject } from "../../machinery/objects/wire.ts";
import type { CachedObject, ListPage, ResourceCache, Selection, Write, WriteOutcome } from "../cache/contract.ts";
import { deepFreeze } from "../cache/freeze.ts";
import type { SchemaProps } from "./contract.ts";
import type { Converter } from "./conversion.ts";
import { applyDefaults, dropNulls } from "./defaults.ts";
import { prune } from "./prune.ts";
import { pageOf } from "./view-page.ts";
import { watchConverted, watchShown } from "./view-watch.ts";

export interface ViewOptions {
  readonly stored: ResourceCache;
  /** "example.com/v1", of this view and of what is written. */
  readonly apiVersion: string;
  readonly storedApiVersion: string;
  readonly listKind: string;
  /** Undefined for versions that the definition does not have. */
  readonly schemaOf: (apiVersion: string) => SchemaProps | undefined;
  readonly converter: Converter;
  /** Aborted when the definition changed: watches end, and clients begin anew. */
  readonly ended: AbortSignal;
}

/** Lists whose selection needs objects that are not converted yet are made again, at most so often. */
const ATTEMPTS = 10;

export function createView(options: ViewOptions): ResourceCache {
  const { stored, listKind, apiVersion, ended } = options;
  const shown = createShown(options);

  const list = async (query: Parameters<ResourceCache["list"]>[0]): Promise<ListPage> => {
    // held while they are needed: the cache may let an object go, and what is known is known of that very object
    const held: StoredObject[] = [];
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const missing = new Set<StoredObject>();
      const page = await stored.list({ ...query, selection: shown.selected(query.selection, missing) });
      if (missing.size === 0) {
        const objects = page.items.map(({ object }) => object);
        await shown.settle(objects);
        const items = page.items.map((one, at) => shown.item(one, objects[at]));
        return pageOf(page, items, { apiVersion, kind: listKind });
      }
      held.push(...missing);
      await shown.settle([...missing]);
    }
    const message = `the objects change faster than they can be converted: ${held.length} were`;
    throw new ApiError("Timeout", message, { retryAfterSeconds: 1 });
  };

  return {
    description: stored.description,
    peek: (name) => {
      const item = stored.peek(name);
      return item && shown.known(item.object) ? shown.item(item) : undefined;
    },
    *peekAll(selection) {
      for (const item of stored.peekAll(shown.selected(selection, new Set()))) {
        if (shown.known(item.object)) yield shown.item(item);
      }
    },
    get generation() {
      return stored.generation;
    },
    get loads() {
      return stored.loads;
    },
    async get(name, resourceVersion, signal) {
      const item = await stored.get(name, resourceVersion, signal);
      if (!item) return undefined;
      const { object } = item;
      await shown.settle([object]);
      return shown.item(item, object);
    },
    list,
    watch: (query) => {
      const own = { ...query, signal: AbortSignal.any([query.signal, ended]) };
      return shown.later ? watchConverted(stored, own, shown, list) : watchShown(stored, own, shown);
    },
    write: (write) => shown.write(write),
    history: (name) => stored.history(name),
    get size() {
      return stored.size;
    },
  };
}

/** What the view's parts know of the objects that it shows. */
export interface Shown {
  readonly apiVersion: string;
  /** True where objects of other versions take time. */
  readonly later: boolean;
  /** The object as this version shows it; undefined while it must be converted first. */
  known(object: StoredObject): StoredObject | undefined;
  /** Afterwards all of these are known. */
  settle(objects: readonly StoredObject[]): Promise<void>;
  /** Of an object that is known: `object` is the item's own, by a caller who holds it. */
  item(item: CachedObject, object?: StoredObject): CachedObject;
  /** The selection over stored objects. It misses, and notes, those that are not known. */
  selected(selection: Selection, missing: Set<StoredObject>): Selection;
  write(write: Write): Promise<WriteOutcome>;
}

function createShown(options: ViewOptions): Shown {
  const { stored, apiVersion, storedApiVersion, schemaOf, converter } = options;
  const seen = new WeakMap<StoredObject, StoredObject>();
  const asked = createAnswers();

  /** As its stored version reads it. */
  const read = (object: StoredObject): KubeObject => {
    const own = schemaOf(object.apiVersion);
    if (!own) return object;
    const copy = cloneJson(object) as Record<string, unknown>;
    const changes = prune(copy, own, true).count + applyDefaults(copy, own) + dropNulls(copy, own);
    return changes > 0 ? (copy as unknown as KubeObject) : object;
  };

  const note = (object: StoredObject, result: KubeObject): StoredObject => {
    const final = deepFreeze(result) as StoredObject;
    seen.set(object, final);
    return final;
  };

  const known = (object: StoredObject): StoredObject | undefined => {
    const found = seen.get(object);
    if (found) return found;
    if (object.apiVersion === apiVersion) return note(object, read(object));
    if (!converter.now) return asked.get(object);
    return note(object, prunedBy(schemaOf(apiVersion), converter.now(read(object), apiVersion)));
  };

  const settle = async (objects: readonly StoredObject[]): Promise<void> => {
    const todo = objects.filter((one) => !known(one));
    if (todo.length === 0) return;
    const converted = await converter.convert(todo.map(read), apiVersion);
    for (const [at, one] of todo.entries()) asked.set(one, note(one, prunedBy(schemaOf(apiVersion), converted[at]!)));
  };

  const item = (one: CachedObject, held: StoredObject = one.object): CachedObject => {
    const object = known(held);
    if (!object) throw new Error(`${held.metadata.name} is not converted yet`);
    if (object === held) return one;
    const { revision, resourceVersion, cause } = one;
    return {
      revision,
      resourceVersion,
      cause,
      object,
      glance: () => object,
      json: () => Buffer.from(JSON.stringify(object)),
      encodedAs: (encoding) => encoding.encode(object),
      encodedLength: (encoding) => encoding.encode(object).length,
    };
  };

  return {
    apiVersion,
    later: converter.now === undefined,
    known,
    settle,
    item,
    selected(selection, missing) {
      const matches = predicateOf(selection);
      if (!matches) return selection;
      const { namespace, name, nodeName } = selection;
      const selects = (object: StoredObject) => {
        const own = known(object);
        if (!own) missing.add(object);
        return own !== undefined && matches(own);
      };
      return { namespace, name, nodeName, matches: selects };
    },
    async write(write) {
      if (write.type === "delete") return finished(await stored.write(write));
      let { object } = write;
      if (apiVersion !== storedApiVersion) {
        const [converted] = await converter.convert([object], storedApiVersion);
        object = prunedBy(schemaOf(storedApiVersion), converted!);
      }
      const outcome = await stored.write({ ...write, object });
      // it has just been pruned and filled in
      if (outcome.committed && apiVersion === storedApiVersion) note(outcome.item.object, outcome.item.object);
      return finished(outcome);
    },
  };

  async function finished(outcome: WriteOutcome): Promise<WriteOutcome> {
    const current = outcome.committed ? outcome.item : outcome.current;
    if (!current) return outcome;
    const { object } = current;
    await settle([object]);
    const shown = item(current, object);
    return outcome.committed ? { ...outcome, item: shown } : { ...outcome, current: shown };
  }
}

/** All that a selection asks beside its indexes, of objects as they are shown: a webhook may change even labels. */
export function predicateOf({ labels, fields, matches }: Selection): ((object: StoredObject) => boolean) | undefined {
  if (!labels && !fields && !matches) return undefined;
  return (object) =>
    (!labels || labels(object.metadata.labels)) &&
    (!fields || fields.matches(fields.of(object))) &&
    (!matches || matches(object));
}

/** Answers of a webhook that are kept, the oldest first to go: the cache may let go of objects and parse them again. */
const ANSWERS = 10_000;

function createAnswers() {
  const kept = new Map<string, StoredObject>();
  const keyOf = ({ metadata }: StoredObject) => `${metadata.uid}/${metadata.resourceVersion}`;
  return {
    get: (object: StoredObject) => kept.get(keyOf(object)),
    set(object: StoredObject, answer: StoredObject): void {
      if (kept.size >= ANSWERS) for (const oldest of kept.keys()) if (kept.delete(oldest)) break;
      kept.set(keyOf(object), answer);
    },
  };
}

/** Fields that the version does not have go. */
function prunedBy(schema: SchemaProps | undefined, object: KubeObject): KubeObject {
  if (!schema) return object;
  const copy = cloneJson(object);
  return prune(copy, schema, true).count > 0 ? copy : object;
}

/** An event that was made here, on its way to a watcher. */
export function itemOf(make: () => WatchEvent): WatchItem {
  return {
    event: make,
    encoded: () => Buffer.from(`${JSON.stringify(make())}\n`),
  };
}
