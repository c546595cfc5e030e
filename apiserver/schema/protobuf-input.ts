/**
 * Protobuf input: a cursor over the bytes of a message. Nested messages are read in place, up to their end.
 *
 * Whatever the bytes are, reading ends with a value or a ProtobufError, never beyond the end.
 */
import { type BigInteger, integerOf } from "../../machinery/objects/json.ts";

/** Its message is worded as Go's generated code words it. */
export class ProtobufError extends Error {
  override readonly name = "ProtobufError";
  /** What the envelope said of an object that then broke. */
  type: { readonly apiVersion: string; readonly kind: string } | undefined;
}

export const VARINT = 0;
export const FIXED64 = 1;
export const LENGTH = 2;
const FIXED32 = 5;

const MAX_DEPTH = 100;

export class ProtobufInput {
  readonly #bytes: Buffer;
  #at = 0;
  #end: number;
  #depth = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#end = bytes.length;
  }

  /** False at the end of the message that is being read. */
  get more(): boolean {
    return this.#at < this.#end;
  }

  /** A whole number; beyond 2^53 it is not exact: lengths, tags and booleans have no need of more. */
  varint(): number {
    let value = 0;
    for (let factor = 1; factor <= 2 ** 63; factor *= 0x80) {
      const byte = this.#byte();
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
    throw new ProtobufError("proto: integer overflow");
  }

  /** A signed 64-bit integer, exact. */
  integer(): number | BigInteger {
    const start = this.#at;
    const value = this.varint();
    if (value <= Number.MAX_SAFE_INTEGER) return value;
    let exact = 0n;
    for (let at = start, shift = 0n; at < this.#at; at++, shift += 7n)
      exact |= BigInt((this.#bytes[at] as number) & 0x7f) << shift;
    return integerOf(BigInt.asIntN(64, exact));
  }

  double(): number {
    return this.#take(8).readDoubleLE();
  }

  text(): string {
    const length = this.#length();
    const start = this.#at;
    this.#at += length;
    return this.#bytes.toString("utf8", start, this.#at);
  }

  bytes(): Buffer {
    return this.#take(this.#length());
  }

  /** Reads a nested message: `read` sees its bytes and nothing else. */
  nested<T>(read: () => T): T {
    const length = this.#length();
    const outer = this.#end;
    if (++this.#depth > MAX_DEPTH) throw new ProtobufError("exceeded max depth");
    this.#end = this.#at + length;
    const value = read();
    this.#depth--;
    this.#end = outer;
    return value;
  }

  /** What has a tag that is not known. */
  skip(tag: number): void {
    const wire = tag % 8;
    if (tag < 8) throw new ProtobufError(`proto: Unknown: illegal tag ${tag >> 3} (wire type ${wire})`);
    if (wire === VARINT) this.varint();
    else if (wire === FIXED64) this.#take(8);
    else if (wire === LENGTH) this.#take(this.#length());
    else if (wire === FIXED32) this.#take(4);
    else throw new ProtobufError(`proto: illegal wireType ${wire}`);
  }

  #byte(): number {
    if (this.#at >= this.#end) throw new ProtobufError("unexpected EOF");
    return this.#bytes[this.#at++] as number;
  }

  #length(): number {
    const length = this.varint();
    if (length > this.#end - this.#at) throw new ProtobufError("unexpected EOF");
    return length;
  }

  #take(length: number): Buffer {
    if (length > this.#end - this.#at) throw new ProtobufError("unexpected EOF");
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}
