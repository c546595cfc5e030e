/**
 * Store contract: what memory, lmdb and etcd all do. Cases for all three: store.cases.ts.
 *
 * Revisions grow by one with each successful commit, over the whole store. A commit is durable
 * before its promise resolves. A watch from a revision brings every later change exactly once,
 * in order, or fails with `compacted`. One commit changes at most one API object.
 */

export type Revision = number;

export interface Entry {
  readonly key: string;
  /** The envelope: see envelope.ts. Never changed by anyone. */
  readonly value: Uint8Array;
  readonly createRevision: Revision;
  readonly modRevision: Revision;
}

export type Operation =
  | { readonly type: "put"; readonly key: string; readonly value: Uint8Array }
  /** `tombstone` is an envelope without an object: it tells the delete's cause and lives in history only. */
  | { readonly type: "delete"; readonly key: string; readonly tombstone?: Uint8Array };

export interface CommitOptions {
  /**
   * The commit may be answered before it is durable, and is written at the latest a minute later or with
   * the next commit that is not deferrable. A crash loses it and nothing else: only for what is repeated
   * anyway (a Lease's renewTime). Stores that gain nothing from it ignore it.
   */
  readonly deferrable?: boolean;
}

/** A key's modRevision that must still hold; 0 means that the key does not exist. */
export interface Condition {
  readonly key: string;
  readonly modRevision: Revision;
}

export type CommitResult =
  | { readonly committed: true; readonly revision: Revision }
  /** `current` brings the entries of the conditions' keys, in their order, as they are now. */
  | { readonly committed: false; readonly revision: Revision; readonly current: readonly (Entry | undefined)[] };

export interface ListRequest {
  readonly prefix: string;
  /** 0 or absent: no limit. */
  readonly limit?: number;
  /** Only keys after this one: how a continued list goes on. */
  readonly after?: string;
  /** The state at this revision; absent: now. */
  readonly revision?: Revision;
  /** Values may be left out (empty): only keys and revisions are wanted. */
  readonly versionsOnly?: boolean;
}

export interface ListResult {
  readonly entries: readonly Entry[];
  readonly revision: Revision;
  /** Entries that the limit left out (exact). */
  readonly remaining: number;
}

export interface StoreEvent {
  readonly type: "put" | "delete";
  readonly key: string;
  readonly revision: Revision;
  /** The new entry of a put. */
  readonly entry?: Entry;
  /** The tombstone that a delete brought. */
  readonly tombstone?: Uint8Array;
}

/** Changes in order; a batch never splits a revision. Without events it only tells progress. */
export interface StoreBatch {
  /** Everything up to this revision has been delivered. */
  readonly revision: Revision;
  readonly events: readonly StoreEvent[];
}

export interface WatchRequest {
  readonly prefix: string;
  /** Changes after this revision. */
  readonly after: Revision;
  readonly signal: AbortSignal;
}

export interface Store {
  get(key: string): Promise<Entry | undefined>;
  list(request: ListRequest): Promise<ListResult>;
  /**
   * All conditions hold and all operations happen, in one revision; or nothing happens. A key stands in it
   * once. A commit that changes nothing (it deletes what is not there) gets no revision of its own.
   */
  commit(
    conditions: readonly Condition[],
    operations: readonly Operation[],
    options?: CommitOptions,
  ): Promise<CommitResult>;
  /** Ends when the signal aborts; fails with `compacted` when `after` is no longer kept, `unavailable` on close. */
  watch(request: WatchRequest): AsyncIterable<StoreBatch>;
  /** Every kept version of one key, oldest first, and the revision where history begins. */
  history(key: string): Promise<{ readonly since: Revision; readonly events: readonly StoreEvent[] }>;
  /** The current revision, consistent across servers. */
  revision(): Promise<Revision>;
  /** Bytes that its data takes on disk, history included; absent where it has none. */
  size?(): Promise<number>;
  /** Drops history before `revision`; the state at `revision` and everything since stays. */
  compact(revision: Revision): Promise<void>;
  /** Stops with everything acknowledged on disk. Calls that wait reject with `unavailable`. */
  close(): Promise<void>;
}

/** Code ► may the same call succeed later? */
export const storeErrors = {
  /** The revision asked for is no longer kept: 410. */
  compacted: false,
  /** The revision asked for is not there yet. */
  future: true,
  /** The store cannot be reached, is full or is closing: 503 or 500. Whether a commit happened may be unknown. */
  unavailable: true,
  /** The disk is full: nothing was written. */
  full: true,
  /** The store cannot take a commit of this size: nothing was written. */
  tooLarge: false,
} as const;

export type StoreErrorCode = keyof typeof storeErrors;

export class StoreError extends Error {
  override readonly name = "StoreError";
  readonly code: StoreErrorCode;
  constructor(code: StoreErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
  get retryable(): boolean {
    return storeErrors[this.code];
  }
}
