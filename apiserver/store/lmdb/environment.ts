/**
 * Environment: the LMDB file, its tables and its owner. The only file that knows the lmdb package.
 *
 * `write` is one transaction, on disk before it resolves (data by fdatasync, then the root page by a
 * synchronous write): with overlapping sync LMDB would answer before that. Readers get copies.
 */
import { statfsSync } from "node:fs";
import { type Database, open, type RootDatabase } from "lmdb";
import { StoreError } from "../contract.ts";
import { claim, release } from "./owner.ts";

/** One step of a transaction. */
export type Step =
  | { readonly table: "log" | "keys" | "meta"; readonly key: Buffer; readonly value: Buffer }
  | { readonly table: "log" | "keys" | "meta"; readonly key: Buffer; readonly value?: undefined };

export interface Row {
  readonly key: Buffer;
  readonly value: Buffer;
}

export interface RangeOptions {
  readonly start: Buffer;
  readonly end: Buffer;
  readonly limit: number;
}

export interface Environment {
  get(table: Step["table"], key: Buffer): Buffer | undefined;
  range(table: Step["table"], options: RangeOptions): Row[];
  write(steps: readonly Step[]): Promise<void>;
  close(): Promise<void>;
}

type Table = Database<Buffer, Buffer>;

export async function openEnvironment(directory: string): Promise<Environment> {
  const root: RootDatabase<Buffer, Buffer> = open<Buffer, Buffer>({
    path: directory,
    noSubdir: false,
    maxDbs: 4,
    encoding: "binary",
    keyEncoding: "binary",
    overlappingSync: false,
    eventTurnBatching: false,
    cache: false,
  });
  const table = (name: string): Table =>
    root.openDB<Buffer, Buffer>(name, { encoding: "binary", keyEncoding: "binary" });
  const tables: Readonly<Record<Step["table"], Table>> = {
    log: table("log"),
    keys: table("keys"),
    meta: table("meta"),
  };
  try {
    claim(root, tables.meta, directory);
  } catch (error) {
    await root.close();
    throw error;
  }

  return {
    get(name, key) {
      const found = tables[name].getBinary(key);
      return found && exact(found);
    },
    range(name, { start, end, limit }) {
      const rows: Row[] = [];
      for (const { key, value } of tables[name].getRange({ start, end, limit })) {
        rows.push({ key: exact(key), value: exact(value) });
      }
      return rows;
    },
    async write(steps) {
      try {
        await root.batch(() => {
          for (const { table: name, key, value } of steps) {
            // failures come through the batch's own promise
            if (value) void tables[name].put(key, value);
            else void tables[name].remove(key);
          }
        });
      } catch (error) {
        throw translate(await reasonOf(error), directory);
      }
    },
    async close() {
      await release(tables.meta);
      await root.close();
    },
  };
}

/** A view where lmdb gives no Buffer: asking a small one for its `buffer` would move it out of the heap. */
function exact(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** lmdb says why a commit failed by rejecting a promise that hangs on the error. */
async function reasonOf(error: unknown): Promise<unknown> {
  const later = (error as { readonly commitError?: Promise<never> }).commitError;
  if (!later) return error;
  return later.then(
    () => error,
    (reason: unknown) => reason,
  );
}

const FULL = /MDB_MAP_FULL|no space left|ENOSPC|quota/i;
/** LMDB's word for a write that came out short, as on a disk where its pages do not fit any more. */
const SHORT = /input\/output error|EIO/i;
/** Less than a commit may need. */
const NO_ROOM_BYTES = 1024 * 1024;

function translate(error: unknown, directory: string): StoreError {
  const message = error instanceof Error ? error.message : String(error);
  if (FULL.test(message) || (SHORT.test(message) && freeBytes(directory) < NO_ROOM_BYTES))
    return new StoreError("full", `the disk of the store is full (${message})`, { cause: error });
  return new StoreError("unavailable", `the store cannot be written: ${message}`, { cause: error });
}

function freeBytes(directory: string): number {
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize;
}
