/**
 * Watch cache contract: storage as the request pipeline sees it.
 *
 * One cache per resource serves reads and watches from memory and passes writes to the store. What it
 * hands out is frozen and shared: never change it, copy first. Failures are ApiErrors (errors.ts is the
 * only place that knows StoreErrors).
 */
import type { WatchEventType, WatchItem } from "../../machinery/client/transport/contract.ts";
import type { KubeObject, StoredObject } from "../../machinery/objects/wire.ts";
import type { Condition, Entry, Operation, Revision, Store } from "../store/contract.ts";
import type { Cause } from "../store/envelope.ts";

export interface ResourceDescription {
  /** Where the resource lies in the store: `storagePrefix(group, plural)` of keys.ts. Names the cache. */
  readonly prefix: string;
  readonly namespaced: boolean;
  /** "pods" or "deployments.apps", for messages. */
  readonly resource: string;
  readonly apiVersion: string;
  readonly kind: string;
  readonly listKind: string;
}

export interface ObjectName {
  /** Set for namespaced resources only. */
  readonly namespace?: string | undefined;
  readonly name: string;
}

/** One version of one object. Parsed at most once, and not at all when only its bytes are needed. */
export interface CachedObject {
  /** For `expected` in a write. */
  readonly revision: Revision;
  readonly resourceVersion: string;
  /** Frozen, with metadata.resourceVersion. */
  readonly object: StoredObject;
  /** The same for reading at once: it may not be frozen, and is not kept for who asks next. For passing over many. */
  glance(): StoredObject;
  /** The same as JSON. */
  json(): Uint8Array;
  /** The same in another encoding; kept, as long as nobody asks for yet another. */
  encodedAs(encoding: ObjectEncoding): Uint8Array;
  /** Its number of bytes, which is kept for good once it is known. */
  encodedLength(encoding: ObjectEncoding): number;
  readonly cause: Cause;
}

/** A way to write an object: the same one is the same value. */
export interface ObjectEncoding {
  /** `object` is not kept. */
  encode(object: KubeObject): Uint8Array;
}

/** Which objects of the resource are meant. What is set here is indexed; the rest goes into `matches`. */
export interface Selection {
  readonly namespace?: string | undefined;
  /** metadata.name, from the path or from a field selector. */
  readonly name?: string | undefined;
  /** spec.nodeName, from a field selector. */
  readonly nodeName?: string | undefined;
  /** A label selector. It sees labels alone, which are at hand without the object. Absent: everything matches. */
  readonly labels?: ((labels: StoredObject["metadata"]["labels"]) => boolean) | undefined;
  /** Selectors of the kind's own fields. `of` is the same function for all selections of a kind: what it tells is kept. */
  readonly fields?:
    | { readonly of: FieldsOf; readonly matches: (fields: Readonly<Record<string, string>>) => boolean }
    | undefined;
  /** What needs the whole object. */
  readonly matches?: ((object: StoredObject) => boolean) | undefined;
  /** Says what the functions above select: watchers whose keys are equal share what they hear. */
  readonly key?: string | undefined;
}

/** Takes out of an object what field selectors may ask for. */
export type FieldsOf = (object: StoredObject) => Readonly<Record<string, string>>;

/** A form of objects other than the stored JSON: Table, PartialObjectMetadata, another version. */
export interface Representation {
  /** What makes two watchers share encodings: "Table/v1/Metadata". */
  readonly key: string;
  /** How a watcher's first event is shown, where that is not as all others: it is nobody else's. */
  readonly first?: Representation;
  /** `object` is frozen; of a BOOKMARK it has kind, apiVersion and metadata.resourceVersion only. */
  convert(object: StoredObject, type: WatchEventType): unknown;
  /**
   * An event as bytes; absent: a line of JSON. `shown` gives what `convert` made; `source` is the version that it
   * shows, undefined for bookmarks and errors.
   */
  encode?(type: WatchEventType, shown: () => unknown, source: CachedObject | undefined): Uint8Array;
}

/** Query parameters as the client sent them; the cache checks them and gives them Kubernetes' meaning. */
export interface ListQuery {
  readonly selection: Selection;
  readonly resourceVersion?: string | undefined;
  readonly resourceVersionMatch?: string | undefined;
  readonly limit?: number | undefined;
  readonly continue?: string | undefined;
  /** Refused when set: it is for watches. */
  readonly sendInitialEvents?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ListPage {
  readonly resourceVersion: string;
  /** Token for the next page, where there is one. */
  readonly continue: string | undefined;
  /** Items after this page; undefined with selectors, as in Kubernetes. */
  readonly remaining: number | undefined;
  readonly items: readonly CachedObject[];
  /** The list object without its items. */
  head(): { readonly kind: string; readonly apiVersion: string; readonly metadata: Record<string, unknown> };
  /** The list object; its items are the frozen ones. */
  value(): { kind: string; apiVersion: string; metadata: Record<string, unknown>; items: readonly StoredObject[] };
  /**
   * The list as JSON in slices of some 64 KB, from the items' cached bytes. Who asks for the next slice by
   * `next(true)` is done with the one before: its memory is used again.
   */
  encoded(): Iterable<Uint8Array, unknown, boolean | undefined>;
}

export interface WatchQuery {
  readonly selection: Selection;
  /** Absent: everything there is as ADDED, consistent, then changes. "0": the same, from the cache as it is. */
  readonly resourceVersion?: string | undefined;
  readonly resourceVersionMatch?: string | undefined;
  /** Has no meaning for a watch; refused with resourceVersionMatch. */
  readonly continue?: string | undefined;
  readonly allowBookmarks?: boolean | undefined;
  /** True: everything there is, then a bookmark annotated k8s.io/initial-events-end where bookmarks are allowed. */
  readonly sendInitialEvents?: boolean | undefined;
  /** The watch ends by itself then; absent: limits.watchMs. */
  readonly timeoutMs?: number | undefined;
  /** Absent: the stored JSON. */
  readonly representation?: Representation | undefined;
  /** Called once, when the watch is over or was never read. */
  readonly over?: () => void;
  readonly signal: AbortSignal;
}

interface WriteBase extends ObjectName {
  /** The object's revision that must still hold; 0: it must not exist. */
  readonly expected: Revision;
  readonly cause: Cause;
  /** Keys that are no API objects (allocations) and change in the same transaction. */
  readonly also?: { readonly conditions: readonly Condition[]; readonly operations: readonly Operation[] };
}

export interface PutWrite extends WriteBase {
  readonly type: "put";
  /** Handed over: the cache sets metadata.resourceVersion, freezes it and serves it without parsing it again. */
  readonly object: KubeObject;
  /** Only a Lease's renewTime changed: see CommitOptions.deferrable. */
  readonly deferrable?: boolean;
}

export interface DeleteWrite extends WriteBase {
  readonly type: "delete";
}

export type Write = PutWrite | DeleteWrite;

export type WriteOutcome =
  /** The new version; of a delete the last one, with the delete's resourceVersion. */
  | { readonly committed: true; readonly item: CachedObject }
  /** The object as it is now, and the entries of `also.conditions` in their order. Not written, not frozen. */
  | {
      readonly committed: false;
      readonly current: CachedObject | undefined;
      readonly also: readonly (Entry | undefined)[];
    };

export interface HistoryVersion {
  readonly type: "put" | "delete";
  readonly resourceVersion: string;
  /** Undefined for a delete whose tombstone is not kept. */
  readonly cause: Cause | undefined;
  /** Of a delete: the last version, where kept. */
  readonly object: StoredObject | undefined;
}

export interface ObjectHistory {
  /** Nothing before this resourceVersion is kept. */
  readonly since: string;
  /** Oldest first. */
  readonly versions: readonly HistoryVersion[];
}

export interface ResourceCache {
  readonly description: ResourceDescription;
  /** What the cache has now, at once; it may lag behind other servers. Good enough before a write with `expected`. */
  peek(name: ObjectName): CachedObject | undefined;
  /** As `peek`, of all that match: for authorization and admission, which decide without waiting. */
  peekAll(selection: Selection): Iterable<CachedObject>;
  /** Grows with every change of the resource: for what is derived from it and kept. */
  readonly generation: number;
  /** How often everything was loaded, for metrics. */
  readonly loads: number;
  /** Consistent unless a resourceVersion allows older: "0" any, "N" not older than N. */
  get(name: ObjectName, resourceVersion?: string, signal?: AbortSignal): Promise<CachedObject | undefined>;
  list(query: ListQuery): Promise<ListPage>;
  /**
   * Resolves when the watch stands. A resourceVersion that is too old gives an ERROR event with Status 410,
   * as in Kubernetes. A watcher that does not keep up is cut off: its iteration ends.
   */
  watch(query: WatchQuery): Promise<AsyncIterable<readonly WatchItem[]>>;
  write(write: Write): Promise<WriteOutcome>;
  history(name: ObjectName): Promise<ObjectHistory>;
  /** Number of objects, for metrics and quotas. */
  readonly size: number;
}

/** How comparisons of a resource with the store ended so far; an error says nothing about either. */
export interface ConsistencyChecks {
  readonly success: number;
  readonly failure: number;
  readonly error: number;
}

export interface WatchCache {
  /** The cache of a resource: the same one for the same description. Those of one prefix show the same objects. */
  resource(description: ResourceDescription): ResourceCache;
  /** The resource is not served any more: what is kept of it goes, unless there still are objects. */
  release(prefix: string): void;
  /** For keys that are no API objects, under `internalPrefix` of keys.ts. Its errors are ApiErrors too. */
  readonly internal: Pick<Store, "get" | "list" | "commit">;
  /** Resolves when everything that the store holds is in. Until then calls wait, at most 3 s. */
  synced(signal?: AbortSignal): Promise<void>;
  /** Undefined when well; else why reads and writes fail now. For /readyz. */
  trouble(): string | undefined;
  /** resourceVersion of what the cache has seen. */
  resourceVersion(): string;
  /** By the resources' prefixes in the store. */
  readonly consistency: ReadonlyMap<string, ConsistencyChecks>;
  /** Ends all watches. The store stays open: it belongs to whoever made it. */
  close(): Promise<void>;
}
