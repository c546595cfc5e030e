/**
 * Go text: the bytes of a body as the text that Go's JSON decoder makes of them.
 *
 * What is no UTF-8 becomes U+FFFD byte by byte (not by sequence, as elsewhere), and so does half a surrogate pair
 * that is written as an escape. A body that has neither pays for two short looks at it.
 */
const REPLACEMENT = "\ufffd";

export function goText(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = buffer.toString("utf8");
  return text.includes(REPLACEMENT) ? byteByByte(buffer, text) : text;
}

function byteByByte(bytes: Buffer, decoded: string): string {
  if (bytes.equals(Buffer.from(decoded))) return decoded;
  let text = "";
  let from = 0;
  for (let at = 0; at < bytes.length; ) {
    const length = sequenceAt(bytes, at);
    if (length === 0) {
      text += bytes.toString("utf8", from, at) + REPLACEMENT;
      from = ++at;
    } else at += length;
  }
  return text + bytes.toString("utf8", from);
}

/** Bytes of the valid sequence that begins here; 0 where none does. */
function sequenceAt(bytes: Buffer, at: number): number {
  const [first = 0, second = 0] = [bytes[at], bytes[at + 1]];
  if (first < 0x80) return 1;
  const length = first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  // Overlong forms, surrogates and what lies past the last character show in the second byte.
  const [low, high] = SECOND[first] ?? [0x80, 0xbf];
  if (length === 0 || second < low || second > high) return 0;
  for (let next = at + 2; next < at + length; next++) if (((bytes[next] ?? 0) & 0xc0) !== 0x80) return 0;
  return length;
}

const SECOND: Readonly<Record<number, readonly [number, number]>> = {
  224: [0xa0, 0xbf],
  237: [0x80, 0x9f],
  240: [0x90, 0xbf],
  244: [0x80, 0x8f],
};

const SURROGATE = /\\u[dD][89a-fA-F]/;

/** The value without halves of surrogate pairs: `text` is the JSON that it was read from. */
export function wellFormed(value: unknown, text: string): unknown {
  return text.includes("\\u") && SURROGATE.test(text) ? repaired(value) : value;
}

/** Depth is bounded by who read the text. */
function repaired(value: unknown): unknown {
  if (typeof value === "string") return value.toWellFormed();
  if (Array.isArray(value)) return value.map(repaired);
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key.toWellFormed(), repaired(one)]));
}
