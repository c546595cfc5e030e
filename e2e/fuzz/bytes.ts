/**
 * Bytes: bodies that are no good text of any kind, and good ones cut, filled and turned around.
 */
import type { Choices } from "./choices.ts";

const text = (value: string): Buffer => Buffer.from(value, "utf8");
const MAGIC = Buffer.from([0x6b, 0x38, 0x73, 0x00]);

const BOMB = ["a: &a [x, x, x, x, x, x, x, x, x]"]
  .concat(
    [..."bcdefghijk"].map((name, index) => {
      const before = "abcdefghij"[index];
      return `${name}: &${name} [${Array.from({ length: 9 }, () => `*${before}`).join(", ")}]`;
    }),
  )
  .join("\n");

/** What is neither JSON nor YAML nor protobuf, or is it in an odd way. */
export const ODD_BODIES: readonly Uint8Array[] = [
  text(""),
  text(" "),
  text("null"),
  text("[]"),
  text("{}"),
  text('""'),
  text("5"),
  text("nan"),
  text("{"),
  text('{"kind":"Pod","kind":"Node"}'),
  text('{"metadata":{"name":"a"}}{"metadata":{"name":"b"}}'),
  text('{"metadata":{"name":"a"},}'),
  text("{'metadata':{}}"),
  text("// comment\n{}"),
  text("\ufeff{}"),
  text('{"metadata":{"name":"\u0000"}}'),
  Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]),
  Buffer.from([0xff, 0xfe, 0x7b, 0x00, 0x7d, 0x00]),
  text("[".repeat(100_000)),
  text(BOMB),
  text("a: *a"),
  text("&a [*a]"),
  text("<<: {a: 1}\nb: 2"),
  text("? {a: b}\n: c"),
  text("a: b\n---\nc: d"),
  text("%YAML 9.9\n---\na: b"),
  text("!!binary x"),
  text("a: !!js/function 'x'"),
  text("metadata:\n\tname: a"),
  text("a: |\n  x\n b: y"),
  text("{a: 1, a: 2}"),
  text("__proto__: {polluted: true}"),
  text("metadata: {__proto__: {polluted: true}}"),
  text("a: 0x1F\nb: 0o17\nc: 1_000\nd: .inf\ne: .nan\nf: ~\ng: yes"),
  Buffer.from([0xd9, 0xd9, 0xf7, 0xa0]),
  Buffer.from([0xa1, 0x64, 0x6b, 0x69, 0x6e, 0x64, 0x63, 0x50, 0x6f, 0x64]),
  Buffer.concat([Buffer.from([0xd9, 0xd9, 0xf7]), Buffer.alloc(2_000, 0x81)]),
  MAGIC,
  Buffer.concat([MAGIC, Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f])]),
  Buffer.concat([MAGIC, Buffer.from([0x0a, 0x00, 0x12, 0x00])]),
  Buffer.concat([MAGIC, Buffer.from([0x12, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01])]),
  Buffer.concat([MAGIC, Buffer.alloc(3_000, 0x0b)]),
];

export function anyBytes(choices: Choices): Uint8Array {
  return Buffer.from(Array.from({ length: choices.below(60) }, () => choices.below(256)));
}

/** Good bytes with up to three injuries. */
export function injured(choices: Choices, good: Uint8Array): Uint8Array {
  let bytes = Buffer.from(good);
  for (let times = 1 + choices.below(3); times > 0; times--) {
    const at = choices.below(bytes.length + 1);
    switch (choices.below(5)) {
      case 0:
        bytes = bytes.subarray(0, at);
        break;
      case 1:
        bytes = Buffer.concat([bytes.subarray(0, at), anyBytes(choices).subarray(0, 6), bytes.subarray(at)]);
        break;
      case 2:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + choices.below(8))]);
        break;
      case 3:
        if (at < bytes.length) bytes[at] = choices.below(256);
        break;
      default:
        if (at < bytes.length) bytes[at] = (bytes[at] as number) ^ (1 << choices.below(8));
    }
  }
  return bytes;
}
