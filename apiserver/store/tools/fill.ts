/**
 * Fill: makes a store hold exactly what was read from a backup or another store.
 *
 * Resource versions never go backwards: every entry gets a new revision, and the offset is raised until the
 * first of them is beyond whatever a client may have seen of either store. History before is compacted, so that
 * watchers begin anew (410). No server may run on the store meanwhile; one that was left half filled is closed to
 * servers (store-state.ts) until it is filled again.
 */
import { closedKey, offsetKey, serversPrefix } from "../../cache/keys.ts";
import type { Operation, Store } from "../contract.ts";
import { openEnvironment, type Step } from "../lmdb/environment.ts";
import {
  decodePointer,
  decodeRecord,
  encodePointer,
  encodeRecord,
  FORMAT,
  logKey,
  type State,
} from "../lmdb/layout.ts";
import type { BackupEntry } from "./backup-file.ts";
import { livingServer, type Watching } from "./living-server.ts";

export interface Filling {
  readonly entries: readonly BackupEntry[];
  /** The newest resourceVersion that clients may have seen of where the entries come from. */
  readonly resourceVersion: number;
}

/** What is a store's own, and not part of what it holds. */
const isOwn = (key: string): boolean => key === offsetKey || key === closedKey || key.startsWith(serversPrefix);
const HALF = "it was being filled and that was interrupted: run the same command again";

/** One transaction: a kill leaves the old state or the new one. */
export async function fillEmbedded(directory: string, { entries, resourceVersion }: Filling): Promise<number> {
  const environment = await openEnvironment(directory);
  try {
    const found = environment.get("meta", Buffer.from("state"));
    const before = found && (JSON.parse(found.toString("utf8")) as State);
    if (before && before.format !== FORMAT)
      throw new Error(`the store in ${directory} has format ${before.format}, this version writes format ${FORMAT}`);
    const start = before?.reserved ?? 0;
    const seen = Math.max(resourceVersion, start + embeddedOffset(environment));
    const kept = entries.filter(({ key }) => !isOwn(key));
    const offset: BackupEntry = { key: offsetKey, value: Buffer.from(String(Math.max(0, seen - start))) };
    const steps: Step[] = [];
    for (const table of ["log", "keys"] as const)
      for (const key of allKeys(environment, table)) steps.push({ table, key });
    let revision = start;
    for (const { key, value } of [offset, ...kept]) {
      revision++;
      const record = {
        type: "put",
        key,
        revision,
        index: 0,
        createRevision: revision,
        previous: undefined,
        value,
      } as const;
      steps.push({ table: "log", key: logKey(record), value: encodeRecord(record) });
      steps.push({ table: "keys", key: Buffer.from(key), value: encodePointer(record) });
    }
    const state: State = {
      format: FORMAT,
      revision,
      reserved: revision,
      compacted: revision,
      cleaned: { revision, index: 0 },
    };
    steps.push({ table: "meta", key: Buffer.from("state"), value: Buffer.from(JSON.stringify(state)) });
    steps.push({ table: "meta", key: Buffer.from("marks"), value: Buffer.from("[]") });
    await environment.write(steps);
    return kept.length;
  } finally {
    await environment.close();
  }
}

type Environment = Awaited<ReturnType<typeof openEnvironment>>;

function* allKeys(environment: Environment, table: "log" | "keys"): Iterable<Buffer> {
  let start: Buffer = Buffer.from([0]);
  for (;;) {
    const rows = environment.range(table, { start, end: Buffer.from([0xff, 0xff, 0xff, 0xff]), limit: PAGE });
    yield* rows.map(({ key }) => Buffer.from(key));
    const last = rows.at(-1);
    if (!last || rows.length < PAGE) return;
    start = Buffer.concat([last.key, Buffer.from([0])]);
  }
}

const PAGE = 1_000;
/** etcd takes 128 operations in a transaction, and so many bytes in a request. */
const GROUP = { operations: 100, bytes: 1024 * 1024 } as const;

export interface SharedFilling extends Watching {
  /** Done when everything is there, before servers may use it. */
  readonly beforeOpen?: () => Promise<void>;
  readonly progress?: (done: number, all: number) => void;
}

/** In steps, between which it is closed to servers: a kill leaves it closed, and the same command finishes it. */
export async function fillShared(
  store: Store,
  { entries, resourceVersion }: Filling,
  { beforeOpen = async () => undefined, progress = () => undefined, ...watching }: SharedFilling,
): Promise<number> {
  const closedBefore = (await store.get(closedKey)) !== undefined;
  await put(store, [{ type: "put", key: closedKey, value: Buffer.from(HALF) }]);
  const works = await livingServer(store, watching);
  if (works) {
    if (!closedBefore) await put(store, [{ type: "delete", key: closedKey }]);
    throw new Error(`a server works on this etcd (${works}): stop all servers first`);
  }
  const current = await store.list({ prefix: "/" });
  const own = current.entries.find(({ key }) => key === offsetKey);
  const offsetBefore = own ? Number(Buffer.from(own.value).toString("utf8")) : 0;
  const seen = Math.max(resourceVersion, current.revision + offsetBefore);
  const offset = String(Math.max(0, seen - current.revision));
  await put(store, [{ type: "put", key: offsetKey, value: Buffer.from(offset) }]);
  const gone = current.entries.filter(({ key }) => !isOwn(key) || key.startsWith(serversPrefix));
  for (const group of groups(gone.map(({ key }): Operation => ({ type: "delete", key })))) await put(store, group);
  const kept = entries.filter(({ key }) => !isOwn(key));
  const puts = kept.map(({ key, value }): Operation => ({ type: "put", key, value }));
  let done = 0;
  for (const group of groups(puts)) {
    await put(store, group);
    done += group.length;
    progress(done, puts.length);
  }
  await store.compact(await store.revision());
  await beforeOpen();
  await put(store, [{ type: "delete", key: closedKey }]);
  return kept.length;
}

async function put(store: Store, operations: readonly Operation[]): Promise<void> {
  const { committed } = await store.commit([], operations);
  if (!committed) throw new Error("the store refused a change without conditions");
}

function* groups(operations: readonly Operation[]): Iterable<readonly Operation[]> {
  let group: Operation[] = [];
  let bytes = 0;
  for (const operation of operations) {
    const size = operation.type === "put" ? operation.value.length : 0;
    if (group.length >= GROUP.operations || (group.length > 0 && bytes + size > GROUP.bytes)) {
      yield group;
      group = [];
      bytes = 0;
    }
    group.push(operation);
    bytes += size;
  }
  if (group.length > 0) yield group;
}

function embeddedOffset(environment: Environment): number {
  const pointer = environment.get("keys", Buffer.from(offsetKey));
  const at = pointer && decodePointer(pointer);
  const record = at && environment.get("log", logKey(at));
  return record ? Number(Buffer.from(decodeRecord(at, record).value).toString("utf8")) : 0;
}
