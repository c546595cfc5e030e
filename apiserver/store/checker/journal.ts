/**
 * Journal: everything that clients of a store asked, what they were told, and in which order.
 *
 * Call and return get ticks of one counter, which is exact within a process where clocks are not. A commit
 * whose answer never came has an unknown outcome: it may have happened at any time since, or never.
 */
import {
  type CommitResult,
  type Condition,
  type Entry,
  type ListRequest,
  type ListResult,
  type Operation,
  type Revision,
  type Store,
  type StoreBatch,
  StoreError,
  type StoreErrorCode,
} from "../contract.ts";

interface Call {
  readonly called: number;
  /** Infinity where no answer came. */
  returned: number;
}

export interface CommitCall extends Call {
  readonly kind: "commit";
  readonly conditions: readonly Condition[];
  readonly operations: readonly Operation[];
  /** Undefined: unknown. */
  result?: CommitResult;
}

export interface GetCall extends Call {
  readonly kind: "get";
  readonly key: string;
  readonly entry: Entry | undefined;
}

export interface ListCall extends Call {
  readonly kind: "list";
  readonly request: ListRequest;
  readonly result: ListResult | { readonly refused: StoreErrorCode };
}

export interface RevisionCall extends Call {
  readonly kind: "revision";
  readonly revision: Revision;
}

export interface CompactCall extends Call {
  readonly kind: "compact";
  readonly revision: Revision;
}

export type JournalCall = CommitCall | GetCall | ListCall | RevisionCall | CompactCall;

export interface WatchSession {
  readonly prefix: string;
  readonly after: Revision;
  readonly opened: number;
  readonly batches: { readonly at: number; readonly batch: StoreBatch }[];
  /** Undefined while it is open. */
  ended?: StoreErrorCode | "aborted" | undefined;
}

export interface Journal {
  readonly calls: readonly JournalCall[];
  readonly sessions: readonly WatchSession[];
  /** The store as one client sees it; all that it does is recorded. */
  record(store: Store): Store;
}

export function createJournal(): Journal {
  const calls: JournalCall[] = [];
  const sessions: WatchSession[] = [];
  let ticks = 0;
  const tick = () => ticks++;

  /** Reads that got no answer say nothing, and leave no trace. */
  const read = async <T>(run: () => Promise<T>, entry: (answer: T, call: Call) => JournalCall): Promise<T> => {
    const called = tick();
    const answer = await run();
    calls.push(entry(answer, { called, returned: tick() }));
    return answer;
  };

  const list = async (store: Store, request: ListRequest): Promise<ListResult> => {
    const called = tick();
    try {
      const result = await store.list(request);
      calls.push({ kind: "list", request, result, called, returned: tick() });
      return result;
    } catch (error) {
      if (error instanceof StoreError && error.code !== "unavailable")
        calls.push({ kind: "list", request, result: { refused: error.code }, called, returned: tick() });
      throw error;
    }
  };

  const commit = async (store: Store, ...[conditions, operations, options]: Parameters<Store["commit"]>) => {
    const call: CommitCall = {
      kind: "commit",
      conditions,
      operations,
      called: tick(),
      returned: Number.POSITIVE_INFINITY,
    };
    calls.push(call);
    call.result = await store.commit(conditions, operations, options);
    call.returned = tick();
    return call.result;
  };

  async function* watch(store: Store, request: Parameters<Store["watch"]>[0]): AsyncGenerator<StoreBatch> {
    const { prefix, after } = request;
    const session: WatchSession = { prefix, after, opened: tick(), batches: [] };
    sessions.push(session);
    try {
      for await (const batch of store.watch(request)) {
        session.batches.push({ at: tick(), batch });
        yield batch;
      }
      session.ended = "aborted";
    } catch (error) {
      session.ended = error instanceof StoreError ? error.code : "unavailable";
      throw error;
    } finally {
      session.ended ??= "aborted";
    }
  }

  return {
    calls,
    sessions,
    record: (store) => ({
      get: (key) =>
        read(
          () => store.get(key),
          (entry, call) => ({ kind: "get", key, entry, ...call }),
        ),
      list: (request) => list(store, request),
      commit: (conditions, operations, options) => commit(store, conditions, operations, options),
      watch: (request) => watch(store, request),
      history: (key) => store.history(key),
      revision: () =>
        read(
          () => store.revision(),
          (revision, call) => ({ kind: "revision", revision, ...call }),
        ),
      compact: async (revision) => {
        const call: CompactCall = { kind: "compact", revision, called: tick(), returned: Number.POSITIVE_INFINITY };
        calls.push(call);
        await store.compact(revision);
        call.returned = tick();
      },
      close: () => store.close(),
    }),
  };
}
