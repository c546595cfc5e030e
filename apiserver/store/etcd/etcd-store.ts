/**
 * etcd store: for several servers on one state. etcd 3.4 and later.
 *
 * Each commit is one etcd transaction, each watch a raw stream that mends itself. While etcd cannot be
 * reached, calls fail with `unavailable`; nothing is queued. Several servers may compact: that is harmless.
 */
import type { Clock } from "../../../machinery/process/clock.ts";
import { limits } from "../../../machinery/process/limits.ts";
import type { Logger } from "../../../machinery/process/logging.ts";
import { closed, future } from "../changes.ts";
import type { CommitResult, Condition, ListResult, Operation, Revision, Store } from "../contract.ts";
import { createRetention } from "../retention.ts";
import {
  type Connection,
  connect,
  type EtcdCredentials,
  type IKeyValue,
  type IRequestOp,
  translate,
} from "./connection.ts";
import { historyOf } from "./history.ts";
import { createKeyspace, encodeTombstone, type Keyspace } from "./keyspace.ts";
import { watch } from "./watch.ts";

export interface EtcdStoreOptions {
  /** "http://127.0.0.1:2379" or "https://…", all of one kind. */
  readonly endpoints: readonly string[];
  readonly credentials?: EtcdCredentials;
  /** Under which all keys lie: several clusters may share an etcd. */
  readonly prefix?: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** How long a call may take, a dead server included. */
  readonly callMs?: number;
  readonly historyMs?: number;
  readonly historyBytes?: number;
}

/** Keys of one range request. */
const PAGE = 1_000;

/** Does not reach out: an etcd that is down shows with the first call. */
export function openEtcdStore(options: EtcdStoreOptions): Store {
  const { clock, log, prefix = "/k8ts", historyMs = limits.historyMs, historyBytes = limits.historyBytes } = options;
  const connection = connect(options);
  const keyspace = createKeyspace(prefix);
  const retention = createRetention({ historyMs, historyBytes });
  const closing = new AbortController();
  let compacting = false;

  const call = async <T>(work: () => Promise<T>): Promise<T> => {
    if (closing.signal.aborted) throw closed();
    try {
      return await work();
    } catch (error) {
      throw closing.signal.aborted ? closed() : translate(error);
    }
  };

  const compact = async (revision: Revision): Promise<void> => {
    try {
      await connection.compact({ revision });
    } catch (error) {
      const translated = translate(error);
      if (translated.code !== "compacted") throw translated; // else: somebody did it already
    }
    retention.dropped(revision);
  };

  /** Bounds history by what this server writes; age bounds what others write. */
  const account = (revision: Revision, operations: readonly Operation[]): void => {
    const now = clock.now();
    retention.add(
      revision,
      operations.reduce((sum, one) => sum + sizeOf(one), 0),
      now,
    );
    const due = retention.due(now);
    if (due === undefined || compacting) return;
    compacting = true;
    compact(due)
      .catch((error: unknown) => log.warn("etcd could not be compacted", { revision: due, error }))
      .finally(() => {
        compacting = false;
      });
  };

  const revision = async (): Promise<Revision> => {
    const { header } = await connection.range({ key: keyspace.all.key, count_only: true });
    return Number(header.revision);
  };

  return {
    get: (key) =>
      call(async () => {
        const { kvs } = await connection.range({ key: keyspace.encode(key) });
        return kvs[0] && keyspace.entry(kvs[0]);
      }),
    list: (request) => call(() => list(connection, keyspace, request)),
    commit: (conditions, operations) =>
      call(async () => {
        const result = await commit(connection, keyspace, conditions, operations);
        if (result.committed) account(result.revision, operations);
        return result;
      }),
    watch: (request) => watch({ connection, keyspace, clock, log, closing: closing.signal }, request),
    history: (key) => call(() => historyOf({ connection, keyspace }, key, closing.signal)),
    revision: () => call(revision),
    size: () => call(() => connection.size()),
    compact: (until) =>
      call(async () => {
        const current = await revision();
        if (until > current) throw future(until, current);
        await compact(until);
      }),
    async close() {
      if (closing.signal.aborted) return;
      closing.abort();
      connection.close();
    },
  };
}

async function list(
  connection: Connection,
  keyspace: Keyspace,
  { prefix, limit = 0, after, revision, versionsOnly = false }: Parameters<Store["list"]>[0],
): Promise<ListResult> {
  const found: IKeyValue[] = [];
  let at = revision;
  let remaining = 0;
  for (let from = after; ; ) {
    const size = limit > 0 ? Math.min(PAGE, limit - found.length) : PAGE;
    const page = await connection.range({
      ...keyspace.range(prefix, from),
      limit: size,
      keys_only: versionsOnly,
      ...(at === undefined ? {} : { revision: at }),
    });
    at ??= Number(page.header.revision);
    found.push(...page.kvs);
    remaining = Number(page.count) - page.kvs.length;
    const last = page.kvs.at(-1);
    if (!last || remaining <= 0 || found.length === limit) break;
    from = keyspace.decode(last.key);
  }
  return { entries: found.map(keyspace.entry), revision: at, remaining };
}

async function commit(
  connection: Connection,
  keyspace: Keyspace,
  conditions: readonly Condition[],
  operations: readonly Operation[],
): Promise<CommitResult> {
  const existing = new Set(conditions.filter(({ modRevision }) => modRevision > 0).map(({ key }) => key));
  const { header, succeeded, responses } = await connection.txn({
    compare: conditions.map(({ key, modRevision }) => ({
      key: keyspace.encode(key),
      target: "Mod",
      result: "Equal",
      mod_revision: modRevision,
    })),
    success: operations.flatMap((operation, index) => requestsOf(keyspace, operation, index, existing)),
    failure: conditions.map(({ key }) => ({ request_range: { key: keyspace.encode(key) } })),
  });
  const revision = Number(header.revision);
  if (succeeded) return { committed: true, revision };
  const current = responses.map(({ response_range: { kvs } }) => kvs[0] && keyspace.entry(kvs[0]));
  return { committed: false, revision, current };
}

function requestsOf(
  keyspace: Keyspace,
  operation: Operation,
  index: number,
  existing: ReadonlySet<string>,
): IRequestOp[] {
  const key = keyspace.encode(operation.key);
  if (operation.type === "put") return [{ request_put: { key, value: bufferOver(operation.value) } }];
  const remove: IRequestOp = { request_delete_range: { key } };
  const { tombstone } = operation;
  if (!tombstone) return [remove];
  const bury: IRequestOp = {
    request_put: { key: keyspace.slot(index), value: encodeTombstone(operation.key, tombstone) },
  };
  if (existing.has(operation.key)) return [remove, bury];
  // a tombstone only where there is something to delete
  const isThere = { key, target: "Version", result: "Greater", version: 0 } as const;
  return [{ request_txn: { compare: [isThere], success: [remove, bury], failure: [] } }];
}

function sizeOf(operation: Operation): number {
  const value = operation.type === "put" ? operation.value : operation.tombstone;
  return operation.key.length + (value?.length ?? 0);
}

function bufferOver(value: Uint8Array): Buffer {
  return Buffer.isBuffer(value) ? value : Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}
