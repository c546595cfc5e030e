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
  const inflate = createInflate({
    dictionary,
    finishFlush: constants.Z_SYNC_FLUSH,
    ...{ readableHighWaterMark: MAX_BLOCK },
  });
  let failure: Error | undefined;
  inflate.on("error", (error) => {
    failure = error;
  });
  // Without this a block that inflates without end would wait for a reader for ever.
  inflate.on("readable", () => {
    if (inflate.readableLength >= MAX_BLOCK) inflate.destroy(new Error("SPDY: header block too large"));
  });
  const inflated = (block: Uint8Array) =>
    new Promise<Buffer>((resolve, reject) => {
      if (failure) return reject(failure);
      inflate.once("error", reject);
      inflate.write(block, (error) => {
        inflate.off("error", reject);
        if (error) return reject(error);
        resolve((inflate.read() as Buffer | null) ?? Buffer.alloc(0));
      });
    });
  return {
    read: async (block) => decode(await inflated(block)),
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
