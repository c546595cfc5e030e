/**
 * Protobuf output: bytes written from their end to their beginning.
 *
 * A nested message's length stands before it and is known after it: writing backwards needs no second pass and no
 * copying. So callers write the last field first, in a field the value first, then its length, then its tag.
 * One output serves one message at a time; `take` copies what was written out of it.
 */
const FIRST_BYTES = 16 * 1024;
/** What is kept for the next message: a list of thousands must not hold its memory for good. */
const KEPT_BYTES = 1024 * 1024;
/** Up to here a loop over the characters is quicker than a call into the runtime. */
const SHORT_TEXT = 48;

export class ProtobufOutput {
  #bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
  #at = FIRST_BYTES;

  /** Bytes written so far: what a nested message began at. */
  get written(): number {
    return this.#bytes.length - this.#at;
  }

  /** What was written, as a copy; the output is empty again. */
  take(): Uint8Array {
    const taken = Buffer.from(this.#bytes.subarray(this.#at));
    this.reset();
    return taken;
  }

  /** Forgets what was written, also after an error in the middle of a message. */
  reset(): void {
    if (this.#bytes.length > KEPT_BYTES) this.#bytes = Buffer.allocUnsafeSlow(FIRST_BYTES);
    this.#at = this.#bytes.length;
  }

  /** One byte: the tags of fields 1 to 15. */
  byte(value: number): void {
    if (this.#at < 1) this.#grow(1);
    this.#bytes[--this.#at] = value;
  }

  /** A whole number from 0 to 2^53. */
  varint(value: number): void {
    if (value < 0x80) {
      this.byte(value);
      return;
    }
    if (this.#at < 8) this.#grow(8);
    let length = 2;
    for (let rest = value / 0x4000; rest >= 1; rest /= 0x80) length++;
    this.#at -= length;
    let at = this.#at;
    let left = value;
    for (; left >= 0x80; left = Math.floor(left / 0x80)) this.#bytes[at++] = (left % 0x80) | 0x80;
    this.#bytes[at] = left;
  }

  /** Any 64-bit integer; negative ones take ten bytes. */
  bigVarint(value: bigint): void {
    if (this.#at < 10) this.#grow(10);
    const digits: number[] = [];
    let left = BigInt.asUintN(64, value);
    for (; left >= 0x80n; left >>= 7n) digits.push(Number(left & 0x7fn) | 0x80);
    digits.push(Number(left));
    this.#at -= digits.length;
    this.#bytes.set(digits, this.#at);
  }

  double(value: number): void {
    if (this.#at < 8) this.#grow(8);
    this.#at -= 8;
    this.#bytes.writeDoubleLE(value, this.#at);
  }

  /** UTF-8 with its length. */
  text(value: string): void {
    const { length } = value;
    if (length <= SHORT_TEXT) {
      if (this.#at < length) this.#grow(length);
      const bytes = this.#bytes;
      let at = this.#at;
      let index = length - 1;
      for (; index >= 0; index--) {
        const code = value.charCodeAt(index);
        if (code > 0x7f) break;
        bytes[--at] = code;
      }
      if (index < 0) {
        this.#at = at;
        this.byte(length);
        return;
      }
    }
    this.#encoded(value, "utf8", Buffer.byteLength(value));
  }

  /** The bytes that a base64 text stands for, with their length. */
  base64(value: string): void {
    this.#encoded(value, "base64", Buffer.byteLength(value, "base64"));
  }

  /** Bytes as they are, with their length. */
  bytes(value: Uint8Array): void {
    this.raw(value);
    this.varint(value.length);
  }

  /** Bytes as they are. */
  raw(value: Uint8Array): void {
    if (this.#at < value.length) this.#grow(value.length);
    this.#at -= value.length;
    this.#bytes.set(value, this.#at);
  }

  #encoded(value: string, encoding: "utf8" | "base64", length: number): void {
    if (this.#at < length) this.#grow(length);
    this.#at -= length;
    this.#bytes.write(value, this.#at, length, encoding);
    this.varint(length);
  }

  #grow(needed: number): void {
    const { written } = this;
    const bytes = Buffer.allocUnsafeSlow(Math.max(this.#bytes.length * 2, written + needed));
    bytes.set(this.#bytes.subarray(this.#at), bytes.length - written);
    this.#bytes = bytes;
    this.#at = bytes.length - written;
  }
}
