/**
 * SPDY/3.1 frames: bytes to frames and back. What frames mean is connection.ts' concern.
 *
 * https://www.chromium.org/spdy/spdy-protocol/spdy-protocol-draft3-1/
 */
import { limits } from "../../process/limits.ts";

export const frameTypes = {
  synStream: 1,
  synReply: 2,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  headers: 8,
  windowUpdate: 9,
} as const;

export const FLAG_FIN = 1;
export const SETTINGS_INITIAL_WINDOW = 7;
const VERSION = 3;

export type Frame =
  | { readonly kind: "data"; readonly stream: number; readonly fin: boolean; readonly payload: Buffer }
  | { readonly kind: "control"; readonly type: number; readonly flags: number; readonly payload: Buffer };

/** Yields frames as they arrive; throws on what is no SPDY/3 frame. */
export async function* readFrames(chunks: AsyncIterable<Buffer>): AsyncGenerator<Frame> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    while (rest.length >= 8) {
      const length = rest.readUIntBE(5, 3);
      if (length > limits.streamFrameBytes) throw new Error(`SPDY: a frame of ${length} bytes is too large`);
      if (rest.length < 8 + length) break;
      yield parse(rest, rest.subarray(8, 8 + length));
      rest = rest.subarray(8 + length);
    }
  }
}

function parse(head: Buffer, payload: Buffer): Frame {
  const flags = head.readUInt8(4);
  if ((head.readUInt8(0) & 0x80) === 0) {
    return { kind: "data", stream: head.readUInt32BE(0), fin: (flags & FLAG_FIN) !== 0, payload };
  }
  const version = head.readUInt16BE(0) & 0x7fff;
  if (version !== VERSION) throw new Error(`SPDY: version ${version} is not supported`);
  return { kind: "control", type: head.readUInt16BE(2), flags, payload };
}

export function dataFrame(stream: number, payload: Uint8Array, fin: boolean): Buffer {
  const frame = Buffer.allocUnsafe(8 + payload.length);
  frame.writeUInt32BE(stream, 0);
  frame.writeUInt8(fin ? FLAG_FIN : 0, 4);
  frame.writeUIntBE(payload.length, 5, 3);
  frame.set(payload, 8);
  return frame;
}

export function controlFrame(type: number, flags: number, ...words: readonly (number | Uint8Array)[]): Buffer {
  const parts = words.map((word) => (typeof word === "number" ? uint32(word) : word));
  const payload = Buffer.concat(parts);
  const head = Buffer.alloc(8);
  head.writeUInt16BE(0x8000 | VERSION, 0);
  head.writeUInt16BE(type, 2);
  head.writeUInt8(flags, 4);
  head.writeUIntBE(payload.length, 5, 3);
  return Buffer.concat([head, payload]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0);
  return bytes;
}
