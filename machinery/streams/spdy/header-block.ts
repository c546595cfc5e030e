/**
 * SPDY header blocks: names and values, zlib with SPDY's dictionary, one compression context a direction.
 *
 * Reading inflates, since peers compress; writing stores blocks uncompressed, which every inflater
 * reads and which needs no state. Blocks must be read in the order in which they arrived.
 */
import { constants, createInflate } from "node:zlib";
import { dictionary } from "./dictionary.ts";

export type Headers = Readonly<Record<string, string>>;

/** Largest header block after decompression: ours are a hundred bytes. */
const MAX_BLOCK = 64 * 1024;
const ZLIB_HEADER = Buffer.from([0x78, 0x01]);
const SYNC_FLUSH = Buffer.from([0x00, 0x00, 0x00, 0xff, 0xff]);

/** Writes blocks; the first carries the zlib header. */
export function createHeaderWriter(): (headers: Headers) => Buffer {
  let first = true;
  return (headers) => {
    const raw = encode(headers);
    const stored = Buffer.alloc(5);
    stored.writeUInt16LE(raw.length, 1);
    stored.writeUInt16LE(~raw.length & 0xffff, 3);
    const block = Buffer.concat([...(first ? [ZLIB_HEADER] : []), stored, raw, SYNC_FLUSH]);
    first = false;
    return block;
  };
}

export interface HeaderReader {
  read(block: Uint8Array): Promise<Headers>;
  close(): void;
}

export function createHeaderReader(): HeaderReader {
  const inflate = createInflate({ dictionary, finishFlush: constants.Z_SYNC_FLUSH });
  let chunks: Buffer[] = [];
  let size = 0;
  let failure: Error | undefined;
  inflate.on("data", (chunk: Buffer) => {
    size += chunk.length;
    if (size > MAX_BLOCK) inflate.destroy(new Error("SPDY: header block too large"));
    else chunks.push(chunk);
  });
  inflate.on("error", (error) => {
    failure = error;
  });
  return {
    read: (block) =>
      new Promise((resolve, reject) => {
        if (failure) return reject(failure);
        const onError = (error: Error) => reject(error);
        inflate.once("error", onError);
        inflate.write(block, () => {
          inflate.off("error", onError);
          if (failure) return reject(failure);
          const raw = Buffer.concat(chunks);
          chunks = [];
          size = 0;
          try {
            resolve(decode(raw));
          } catch (error) {
            reject(error as Error);
          }
        });
      }),
    close: () => void inflate.destroy(),
  };
}

function encode(headers: Headers): Buffer {
  const entries = Object.entries(headers);
  const parts: Buffer[] = [uint32(entries.length)];
  for (const [name, value] of entries) {
    for (const text of [name.toLowerCase(), value]) {
      const bytes = Buffer.from(text, "utf8");
      parts.push(uint32(bytes.length), bytes);
    }
  }
  return Buffer.concat(parts);
}

function decode(raw: Buffer): Headers {
  const headers: Record<string, string> = {};
  let at = 0;
  const number = () => {
    if (at + 4 > raw.length) throw new Error("SPDY: header block cut short");
    at += 4;
    return raw.readUInt32BE(at - 4);
  };
  const text = () => {
    const length = number();
    if (at + length > raw.length) throw new Error("SPDY: header block cut short");
    at += length;
    return raw.toString("utf8", at - length, at);
  };
  for (let left = number(); left > 0; left--) {
    const name = text().toLowerCase();
    headers[name] = text();
  }
  return headers;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
