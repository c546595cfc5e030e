/**
 * Client: typed access to the API by plural names, over any transport.
 *
 * One call is one request; nothing here retries (loops do) and nothing caches (informer.ts does).
 * A client made by `because` sends the cause with every write.
 */
import type { Kinds, ResourceName } from "../objects/kinds.ts";
import type { Draft, KubeObject, ListMeta } from "../objects/wire.ts";
import type { ClientRequest, Transport, WatchEvent } from "./transport/contract.ts";

export interface ObjectRef {
  readonly namespace?: string | undefined;
  readonly name: string;
}

export interface ListOptions {
  /** All namespaces when absent. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  readonly resourceVersion?: string;
  readonly limit?: number;
  readonly continue?: string;
  readonly signal?: AbortSignal;
}

export interface WatchOptions extends ListOptions {
  readonly allowWatchBookmarks?: boolean;
  readonly timeoutSeconds?: number;
}

export interface List<T> {
  readonly metadata: ListMeta;
  readonly items: readonly T[];
}

export interface DeleteOptions {
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
  readonly propagation?: "Background" | "Foreground" | "Orphan";
  readonly gracePeriodSeconds?: number;
}

export type PatchType = "json" | "merge" | "strategic";

export interface Cause {
  /** resourceVersion of the change that put the key into the queue. */
  readonly revision?: string | undefined;
  readonly controller: string;
}

export interface Client {
  get<K extends ResourceName>(resource: K, ref: ObjectRef): Promise<Kinds[K]>;
  /** As `get`, but undefined where there is none. */
  find<K extends ResourceName>(resource: K, ref: ObjectRef): Promise<Kinds[K] | undefined>;
  list<K extends ResourceName>(resource: K, options?: ListOptions): Promise<List<Kinds[K]>>;
  watch<K extends ResourceName>(resource: K, options?: WatchOptions): AsyncIterable<readonly WatchEvent<Kinds[K]>[]>;
  create<K extends ResourceName>(resource: K, object: Draft<Kinds[K]>): Promise<Kinds[K]>;
  /** Replaces; conflicts when metadata.resourceVersion is set and no longer current. */
  update<K extends ResourceName>(resource: K, object: Draft<Kinds[K]>): Promise<Kinds[K]>;
  updateStatus<K extends ResourceName>(resource: K, object: Draft<Kinds[K]>): Promise<Kinds[K]>;
  patch<K extends ResourceName>(
    resource: K,
    ref: ObjectRef,
    patch: unknown,
    options?: { readonly type?: PatchType; readonly subresource?: string },
  ): Promise<Kinds[K]>;
  delete<K extends ResourceName>(resource: K, ref: ObjectRef, options?: DeleteOptions): Promise<void>;
  /** POST to a subresource: "binding", "eviction", "token". */
  createSub<K extends ResourceName>(
    resource: K,
    ref: ObjectRef,
    subresource: string,
    body: unknown,
  ): Promise<KubeObject>;
  /** Any request, for paths that are found at run time (kubectl, garbage collector). */
  raw(request: ClientRequest): Promise<unknown>;
  readonly transport: Transport;
  /** The same client, with the cause of what it will write. */
  because(cause: Cause): Client;
}
