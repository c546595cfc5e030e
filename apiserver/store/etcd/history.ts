/**
 * History: the versions of one key, which etcd can only tell as a watch from the past.
 *
 * The watch ends at the last change of the key. A key that is deleted shows no last change, so a fence is
 * written right behind it, inside the watched range, and taken away again.
 */
import { type Revision, StoreError, type StoreEvent } from "../contract.ts";
import { type Connection, type IEvent, translate } from "./connection.ts";
import { decodeTombstone, type Keyspace } from "./keyspace.ts";
import { compactedRevision, session } from "./watch.ts";

export interface History {
  readonly since: Revision;
  readonly events: readonly StoreEvent[];
}

interface Access {
  readonly connection: Connection;
  readonly keyspace: Keyspace;
}

export async function historyOf(access: Access, key: string, closing: AbortSignal): Promise<History> {
  const { connection, keyspace } = access;
  const since = await beginning(access);
  const at = keyspace.encode(key);
  const base = since === 0 ? undefined : (await connection.range({ key: at, revision: since })).kvs[0];
  const now = (await connection.range({ key: at })).kvs[0];
  const first = base ? [putEvent(access, base)] : [];
  if (now && Number(now.mod_revision) <= since) return { since, events: first };
  const later = now
    ? await changesUntil(access, key, since, Number(now.mod_revision), closing)
    : await changesUntilFence(access, key, since, closing);
  return { since, events: [...first, ...(await withTombstones(access, later))] };
}

/** Where history begins: 0 when nothing was ever compacted. */
async function beginning({ connection, keyspace }: Access): Promise<Revision> {
  const { key } = keyspace.all;
  try {
    await connection.range({ key, revision: 1, count_only: true });
    return 0;
  } catch (error) {
    if (translate(error).code !== "compacted") throw error;
  }
  return compactedRevision(connection, key);
}

async function changesUntil(
  access: Access,
  key: string,
  after: Revision,
  last: Revision,
  closing: AbortSignal,
): Promise<StoreEvent[]> {
  const { keyspace } = access;
  const at = keyspace.encode(key);
  return read(access, { key: at, range_end: Buffer.concat([at, Buffer.from([0])]) }, after, closing, (events) =>
    events.some(({ kv }) => Number(kv.mod_revision) >= last),
  );
}

async function changesUntilFence(
  access: Access,
  key: string,
  after: Revision,
  closing: AbortSignal,
): Promise<StoreEvent[]> {
  const { connection, keyspace } = access;
  const at = keyspace.encode(key);
  const fence = keyspace.fence(key);
  const put = await connection.txn({
    compare: [],
    success: [{ request_put: { key: fence, value: Buffer.alloc(0) } }],
    failure: [],
  });
  const last = Number(put.header.revision);
  try {
    return await read(
      access,
      { key: at, range_end: Buffer.concat([fence, Buffer.from([0])]) },
      after,
      closing,
      (events) => events.some(({ kv }) => Number(kv.mod_revision) >= last),
    );
  } finally {
    await connection.txn({ compare: [], success: [{ request_delete_range: { key: fence } }], failure: [] });
  }
}

async function read(
  access: Access,
  range: { readonly key: Buffer; readonly range_end: Buffer },
  after: Revision,
  closing: AbortSignal,
  done: (events: readonly IEvent[]) => boolean,
): Promise<StoreEvent[]> {
  const found: StoreEvent[] = [];
  for await (const events of session(access, range, after, closing)) {
    found.push(...access.keyspace.events(events));
    if (done(events)) return found;
  }
  throw new StoreError("unavailable", "etcd ended the watch before history was read");
}

async function withTombstones({ connection, keyspace }: Access, events: readonly StoreEvent[]): Promise<StoreEvent[]> {
  const found: StoreEvent[] = [];
  for (const event of events) {
    const slot =
      event.type === "delete" ? await connection.range({ key: keyspace.slot(0), revision: event.revision }) : undefined;
    const kv = slot?.kvs[0];
    const tombstone = kv && Number(kv.mod_revision) === event.revision ? decodeTombstone(kv.value) : undefined;
    found.push(tombstone?.key === event.key ? { ...event, tombstone: tombstone.tombstone } : event);
  }
  return found;
}

function putEvent({ keyspace }: Access, kv: Parameters<Keyspace["entry"]>[0]): StoreEvent {
  const entry = keyspace.entry(kv);
  return { type: "put", key: entry.key, revision: entry.modRevision, entry };
}
