/**
 * Envelope: the value that a store keeps for an object, and for its deletion.
 *
 * A short binary head (format, encoding, encryption key, cause), then the object's JSON, which can be
 * taken without parsing anything. The JSON never holds metadata.resourceVersion: that is the revision
 * under which the envelope was stored, and `versionAt` says where to put it in (see cache/object-json.ts).
 *
 *   0 format | 1 content | 2 encoding | 3 key id length | 4 cause length (u32) | 8 versionAt (u32)
 *   12 key id, cause (JSON array), body
 */

/** Who and what made a write. */
export interface Cause {
  readonly user: string;
  readonly verb: string;
  /** Milliseconds since 1970, by the server that wrote. */
  readonly time: number;
  /** resourceVersion of the change that made the writer act. */
  readonly causeRevision?: string;
  /** The controller that acted. */
  readonly controller?: string;
}

export interface Envelope {
  readonly content: "object" | "tombstone";
  /** Encryption key that the body was sealed with; "" for none. */
  readonly keyId: string;
  /** The object's JSON without metadata.resourceVersion; empty in a tombstone. Shares the envelope's memory. */
  readonly json: Uint8Array;
  /** Offset in `json` at which `"resourceVersion":"…",` belongs. */
  readonly versionAt: number;
  readonly cause: Cause;
}

const FORMAT = 1;
const CONTENTS = { object: 1, tombstone: 2 } as const;
const JSON_ENCODING = 1;
const HEAD_BYTES = 12;

/** `versionAt` counts bytes of the UTF-8 form of `json`. */
export function encodeObject(json: string, versionAt: number, cause: Cause, keyId = ""): Uint8Array {
  return encode(CONTENTS.object, json, versionAt, cause, keyId);
}

export function encodeTombstone(cause: Cause): Uint8Array {
  return encode(CONTENTS.tombstone, "", 0, cause, "");
}

/** Throws on a format that this version does not know: never guesses. */
export function decodeEnvelope(value: Uint8Array): Envelope {
  const bytes = bufferOver(value);
  const [format, content, encoding, keyIdBytes = 0] = bytes;
  if (bytes.length < HEAD_BYTES || format !== FORMAT || encoding !== JSON_ENCODING) {
    throw new Error(`unknown envelope: format ${format}, encoding ${encoding}, ${bytes.length} bytes`);
  }
  return new Decoded(bytes, content === CONTENTS.tombstone ? "tombstone" : "object", HEAD_BYTES + keyIdBytes);
}

/** The parts are taken out of the bytes by whoever asks: most ask for one. */
class Decoded implements Envelope {
  readonly content: Envelope["content"];
  readonly #bytes: Buffer;
  readonly #causeAt: number;

  constructor(bytes: Buffer, content: Envelope["content"], causeAt: number) {
    this.content = content;
    this.#bytes = bytes;
    this.#causeAt = causeAt;
  }

  get keyId(): string {
    return this.#bytes.toString("utf8", HEAD_BYTES, this.#causeAt);
  }

  get json(): Uint8Array {
    return this.#bytes.subarray(this.#bodyAt);
  }

  get versionAt(): number {
    return this.#bytes.readUInt32LE(8);
  }

  get cause(): Cause {
    return decodeCause(this.#bytes.toString("utf8", this.#causeAt, this.#bodyAt));
  }

  get #bodyAt(): number {
    return this.#causeAt + this.#bytes.readUInt32LE(4);
  }
}

function encode(content: number, body: string, versionAt: number, cause: Cause, keyId: string): Uint8Array {
  const causeText = encodeCause(cause);
  const keyIdBytes = Buffer.byteLength(keyId);
  if (keyIdBytes > 255) throw new RangeError(`encryption key id is too long: ${keyIdBytes} bytes`);
  const causeBytes = Buffer.byteLength(causeText);
  const bodyAt = HEAD_BYTES + keyIdBytes + causeBytes;
  const bytes = Buffer.allocUnsafeSlow(bodyAt + Buffer.byteLength(body));
  bytes[0] = FORMAT;
  bytes[1] = content;
  bytes[2] = JSON_ENCODING;
  bytes[3] = keyIdBytes;
  bytes.writeUInt32LE(causeBytes, 4);
  bytes.writeUInt32LE(versionAt, 8);
  bytes.write(keyId, HEAD_BYTES);
  bytes.write(causeText, HEAD_BYTES + keyIdBytes);
  bytes.write(body, bodyAt);
  return bytes;
}

function encodeCause({ user, verb, time, causeRevision = "", controller = "" }: Cause): string {
  return JSON.stringify([user, verb, time, causeRevision, controller]);
}

function decodeCause(text: string): Cause {
  const [user, verb, time, causeRevision, controller] = JSON.parse(text) as [string, string, number, string, string];
  return { user, verb, time, ...(causeRevision ? { causeRevision } : {}), ...(controller ? { controller } : {}) };
}

function bufferOver(value: Uint8Array): Buffer {
  return Buffer.isBuffer(value) ? value : Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}
