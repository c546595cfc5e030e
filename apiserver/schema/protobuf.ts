/**
 * Protobuf: Kubernetes' binary form of objects, lists and watch events, with the envelope that names their type.
 *
 * An envelope is four bytes, then a message `Unknown` with apiVersion, kind and the object's own bytes. Items of
 * lists have no envelope: their kind is the list's. A watch is frames of a length and a WatchEvent whose object
 * stands in an envelope. Custom kinds have no such form: `canWrite` says so before anything is written.
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#protobuf-encoding
 */
import type { Schema } from "./contract.ts";
import { META_PACKAGE } from "./facts.ts";
import { type MessageWriter, messageWriters } from "./protobuf-compile.ts";
import { type ProtobufFields, readProtobufFields } from "./protobuf-fields.ts";
import { LENGTH, ProtobufError, ProtobufInput } from "./protobuf-input.ts";
import { ProtobufOutput } from "./protobuf-output.ts";
import { type MessageReader, messageReaders } from "./protobuf-reader.ts";

export const PROTOBUF = "application/vnd.kubernetes.protobuf";

interface Typed {
  readonly apiVersion: string;
  readonly kind: string;
}

export interface Protobuf {
  /**
   * Throws a ProtobufError for bytes that are none. An envelope that names no type holds what was `expected`; of a
   * kind that is not known its name alone is told.
   */
  read(bytes: Uint8Array, expected?: Typed): Record<string, unknown>;
  /** Whether objects of the kind have this form. */
  canWrite(type: Typed): boolean;
  /** An object of any kind, lists and Status among them. */
  write(value: Typed): Uint8Array;
  /** An object's own bytes, without envelope: what a list holds of it. */
  readonly item: { encode(value: Typed): Uint8Array };
  /** The same in its envelope. */
  wrap(type: Typed, item: Uint8Array): Uint8Array;
  /** A list in slices, of items whose lengths are known; each is asked for when its turn has come. */
  writeList(
    list: Typed & { readonly metadata: unknown },
    lengths: readonly number[],
    item: (at: number) => Uint8Array,
  ): Iterable<Uint8Array>;
  /** One frame of a watch: an event about an object in its envelope. */
  watchFrame(type: string, object: Uint8Array): Uint8Array;
}

const MAGIC = Buffer.from([0x6b, 0x38, 0x73, 0x00]);
/** Content encoding and type of an envelope: both empty. */
const ENVELOPE_END = Buffer.from([0x1a, 0x00, 0x22, 0x00]);
const FIRST = 8 + LENGTH;
const SECOND = 16 + LENGTH;
const SLICE_BYTES = 64 * 1024;

interface Compiled {
  readonly fieldsOf: ProtobufFields;
  readonly writerOf: (name: string) => MessageWriter;
  readonly readerOf: (name: string) => MessageReader;
}

function compile(schema: Schema): Compiled {
  const fieldsOf = readProtobufFields(schema);
  return { fieldsOf, writerOf: messageWriters(fieldsOf), readerOf: messageReaders(fieldsOf) };
}

export function createProtobuf(schema: Schema): Protobuf {
  const output = new ProtobufOutput();
  let made: Compiled | undefined;
  const compiled = (): Compiled => {
    made ??= compile(schema);
    return made;
  };

  /** Undefined for kinds that are not built in. */
  const messageOf = ({ apiVersion, kind }: Typed): string | undefined => {
    const [version = "", group = ""] = apiVersion.split("/").reverse();
    const inMeta = group === "meta.k8s.io" ? schema.message(`${META_PACKAGE}.${kind}`) : undefined;
    const message = inMeta ?? schema.kind(group, version, kind);
    return message && compiled().fieldsOf(message.name) ? message.name : undefined;
  };

  const writing = <T>(write: () => T): T => {
    try {
      return write();
    } catch (error) {
      output.reset();
      throw error;
    }
  };

  const written = (value: Typed): void => {
    const message = messageOf(value);
    if (message === undefined) throw new Error(`${value.kind} in ${value.apiVersion} has no protobuf form`);
    compiled().writerOf(message)(output, value as unknown as Record<string, unknown>);
  };

  /** Puts the envelope around what was written, which is the beginning of so many bytes. */
  const wrapped = ({ apiVersion, kind }: Typed, length: number): void => {
    output.varint(length);
    output.byte(SECOND);
    const start = output.written;
    output.text(kind);
    output.byte(SECOND);
    output.text(apiVersion);
    output.byte(FIRST);
    output.varint(output.written - start);
    output.byte(FIRST);
    output.raw(MAGIC);
  };

  const withEnd = (head: Uint8Array): Uint8Array => Buffer.concat([head, ENVELOPE_END]);

  return {
    canWrite: (type) => messageOf(type) !== undefined,
    read: (bytes, expected) => readEnvelope(bytes, messageOf, (name) => compiled().readerOf(name), expected),
    write: (value) =>
      writing(() => {
        written(value);
        wrapped(value, output.written);
        return withEnd(output.take());
      }),
    item: {
      encode: (value) =>
        writing(() => {
          written(value);
          return output.take();
        }),
    },
    wrap: (type, item) =>
      writing(() => {
        output.raw(item);
        wrapped(type, item.length);
        return withEnd(output.take());
      }),
    writeList(list, lengths, item) {
      const head = writing(() => {
        written({ ...list, items: undefined } as Typed);
        return output.take();
      });
      const sizes = lengths.reduce((sum, length) => sum + 1 + varintBytes(length) + length, 0);
      const front = writing(() => {
        output.raw(head);
        wrapped(list, head.length + sizes);
        return output.take();
      });
      return slices(front, lengths, item);
    },
    watchFrame: (type, object) =>
      writing(() => {
        output.bytes(object);
        output.byte(FIRST);
        output.varint(output.written);
        output.byte(SECOND);
        output.text(type);
        output.byte(FIRST);
        const length = output.written;
        output.raw(Uint8Array.of(length >>> 24, length >>> 16, length >>> 8, length));
        return output.take();
      }),
  };
}

function readEnvelope(
  bytes: Uint8Array,
  messageOf: (type: Typed) => string | undefined,
  readerOf: (name: string) => MessageReader,
  expected: Typed = { apiVersion: "", kind: "" },
): Record<string, unknown> {
  if (!MAGIC.equals(bytes.subarray(0, MAGIC.length)))
    throw new ProtobufError(
      `provided data does not appear to be a protobuf message, expected prefix [${[...MAGIC].join(" ")}]`,
    );
  if (bytes.length === MAGIC.length) throw new ProtobufError("empty body");
  const { raw, ...given } = envelopeOf(new ProtobufInput(bytes.subarray(MAGIC.length)));
  const type = { apiVersion: given.apiVersion || expected.apiVersion, kind: given.kind || expected.kind };
  if (type.kind === "")
    throw new ProtobufError(`Object 'Kind' is missing in 'runtime.TypeMeta{APIVersion:"", Kind:""}'`);
  const message = messageOf(type);
  if (message === undefined) return { ...type };
  try {
    return readerOf(message)(new ProtobufInput(raw), type);
  } catch (error) {
    if (error instanceof ProtobufError) error.type = type;
    throw error;
  }
}

function envelopeOf(input: ProtobufInput): { apiVersion: string; kind: string; raw: Uint8Array } {
  const type: [string, string] = ["", ""];
  let raw: Uint8Array = new Uint8Array();
  while (input.more) {
    const tag = input.varint();
    if (tag === FIRST)
      input.nested(() => {
        while (input.more) {
          const part = input.varint();
          if (part === FIRST) type[0] = input.text();
          else if (part === SECOND) type[1] = input.text();
          else input.skip(part);
        }
      });
    else if (tag === SECOND) raw = input.bytes();
    else input.skip(tag);
  }
  return { apiVersion: type[0], kind: type[1], raw };
}

const varintBytes = (value: number): number => (value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : 4);

/** A reader that is done with a slice asks for the next with `next(true)`: then that gets its memory. */
function* slices(
  front: Uint8Array,
  lengths: readonly number[],
  item: (at: number) => Uint8Array,
): Generator<Uint8Array, void, boolean | undefined> {
  let slice = Buffer.allocUnsafe(Math.max(SLICE_BYTES, front.length));
  slice.set(front);
  let at = front.length;
  for (const [index, whole] of lengths.entries()) {
    const needed = whole + 5;
    if (at + needed > slice.length) {
      const free = yield slice.subarray(0, at);
      if (!free || needed > slice.length) slice = Buffer.allocUnsafe(Math.max(SLICE_BYTES, needed));
      at = 0;
    }
    slice[at++] = SECOND;
    let length = whole;
    for (; length >= 0x80; length >>>= 7) slice[at++] = (length & 0x7f) | 0x80;
    slice[at++] = length;
    const bytes = item(index);
    if (bytes.length !== whole) throw new Error(`an item has ${bytes.length} bytes and not ${whole}`);
    slice.set(bytes, at);
    at += whole;
  }
  yield slice.subarray(0, at);
  yield ENVELOPE_END;
}
