/**
 * Backup file: the entries of a store in one file, compressed, with a checksum over all of it.
 *
 * It gets its name only when it is whole and on disk: whoever is killed meanwhile leaves FILE.part. A file
 * is checked to its end before anything of it is used.
 *
 *   head (a line of JSON) | entries: key bytes u32, value bytes u32, key, value | 0xffffffff, SHA-256 of what stands before
 */
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createGzip } from "node:zlib";
import type { Entry } from "../contract.ts";

export const BACKUP_FORMAT = 1;
const END = 0xffffffff;
const DIGEST_BYTES = 32;

export interface BackupHead {
  readonly kind: "k8ts-backup";
  readonly format: number;
  /** The newest resourceVersion that clients may have seen. */
  readonly resourceVersion: number;
  /** When it was taken, RFC 3339. */
  readonly time: string;
}

export type BackupEntry = Pick<Entry, "key" | "value">;

/** Returns how many entries were written. */
export async function writeBackup(
  file: string,
  head: BackupHead,
  entries: AsyncIterable<BackupEntry>,
): Promise<number> {
  const part = `${file}.part`;
  const hash = createHash("sha256");
  let count = 0;
  async function* parts(): AsyncIterable<Buffer> {
    const take = (bytes: Buffer) => {
      hash.update(bytes);
      return bytes;
    };
    yield take(Buffer.from(`${JSON.stringify(head)}\n`));
    for await (const { key, value } of entries) {
      count++;
      yield take(Buffer.concat([sizes(Buffer.byteLength(key), value.length), Buffer.from(key), value]));
    }
    yield take(u32(END));
    yield hash.digest();
  }
  try {
    await pipeline(Readable.from(parts()), createGzip(), createWriteStream(part, { mode: 0o600 }));
    await synced(part);
    await rename(part, file);
    await synced(dirname(file));
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
  return count;
}

/** Reads the head and every entry, then checks the whole: rejects at the end when the file is damaged. */
export async function readBackup(
  file: string,
  take: (entry: BackupEntry) => void | Promise<void> = () => undefined,
): Promise<BackupHead> {
  const hash = createHash("sha256");
  const source = createGunzip();
  const packed = createReadStream(file).on("error", (error) => source.destroy(error));
  packed.pipe(source);
  const chunks = source[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let held = Buffer.alloc(0);
  const bytes = async (count: number, counted = true): Promise<Buffer> => {
    while (held.length < count) {
      const { done, value } = await chunks.next();
      if (done) throw new Error("it ends too early");
      held = Buffer.concat([held, value]);
    }
    const taken = held.subarray(0, count);
    held = held.subarray(count);
    if (counted) hash.update(taken);
    return taken;
  };
  const line = async (): Promise<string> => {
    const text: Buffer[] = [];
    for (;;) {
      const byte = await bytes(1);
      if (byte[0] === 0x0a) return Buffer.concat(text).toString("utf8");
      if (text.push(byte) > MOST_HEAD) throw new Error("it does not begin as a backup does");
    }
  };
  try {
    const head = headOf(await line());
    for (;;) {
      const keyBytes = (await bytes(4)).readUInt32LE();
      if (keyBytes === END) break;
      const valueBytes = (await bytes(4)).readUInt32LE();
      const key = (await bytes(keyBytes)).toString("utf8");
      await take({ key, value: Buffer.from(await bytes(valueBytes)) });
    }
    const expected = hash.digest();
    if (!expected.equals(await bytes(DIGEST_BYTES, false))) throw new Error("its checksum is wrong");
    return head;
  } catch (error) {
    throw new Error(`${file} is no whole backup: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  } finally {
    packed.destroy();
    source.destroy();
  }
}

const MOST_HEAD = 4_096;

function headOf(line: string): BackupHead {
  const head = JSON.parse(line) as BackupHead;
  if (head.kind !== "k8ts-backup") throw new Error("it does not begin as a backup does");
  if (head.format > BACKUP_FORMAT)
    throw new Error(`it has format ${head.format}, this version reads up to ${BACKUP_FORMAT}: use a newer k8ts`);
  return head;
}

async function synced(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

const sizes = (key: number, value: number): Buffer => Buffer.concat([u32(key), u32(value)]);
