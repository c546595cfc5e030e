/**
 * Snapshot: what an embedded store holds at one moment, read beside the server that works on it.
 *
 * It opens the file for reading only and claims nothing, so it disturbs nobody: LMDB keeps the pages of a
 * snapshot for as long as it is open, which lets the file grow a little. Deferred commits are not in it.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Database, open } from "lmdb";
import { decodePointer, decodeRecord, FORMAT, type LogRecord, logKey, type Pointer, type State } from "./layout.ts";

type Table = Database<Buffer, Buffer>;

export interface EmbeddedSnapshot {
  readonly state: State;
  /** Every key with where its last change lies, deletions included. */
  pointers(): Iterable<{ readonly key: string; readonly pointer: Pointer }>;
  record(at: Pick<Pointer, "revision" | "index">): LogRecord | undefined;
  close(): Promise<void>;
}

export function openEmbeddedSnapshot(directory: string): EmbeddedSnapshot {
  if (!existsSync(join(directory, "data.mdb"))) throw new Error(`there is no store in ${directory}`);
  const binary = { encoding: "binary", keyEncoding: "binary" } as const;
  const root = open<Buffer, Buffer>({
    path: directory,
    noSubdir: false,
    maxDbs: 4,
    readOnly: true,
    cache: false,
    ...binary,
  });
  const table = (name: string): Table => root.openDB<Buffer, Buffer>(name, binary);
  const [log, keys, meta] = [table("log"), table("keys"), table("meta")];
  const transaction = root.useReadTransaction();
  const get = (from: Table, key: Buffer) => {
    const found = from.get(key, { transaction });
    return found && Buffer.from(found);
  };
  const found = get(meta, Buffer.from("state"));
  const state: State = found
    ? (JSON.parse(found.toString("utf8")) as State)
    : { format: FORMAT, revision: 0, reserved: 0, compacted: 0, cleaned: { revision: 0, index: 0 } };

  return {
    state,
    *pointers() {
      for (const { key, value } of keys.getRange({ transaction }))
        yield { key: Buffer.from(key).toString("utf8"), pointer: decodePointer(Buffer.from(value)) };
    },
    record(at) {
      const bytes = get(log, logKey(at));
      return bytes && decodeRecord(at, bytes);
    },
    async close() {
      transaction.done();
      await root.close();
    },
  };
}
