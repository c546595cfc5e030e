/**
 * Compiled protobuf writers: one closure a field, made when a message is first written.
 *
 * What is written is what the JSON has: a field that is absent is a zero to whoever reads it, and a zero that is
 * there is written, so that pointers arrive as they were. Empty lists and maps have no form of their own.
 * Bytes run backwards: protobuf-output.ts. Types that are a message on the wire and one value in JSON: protobuf-values.ts.
 */
import type { FieldType } from "./contract.ts";
import type { ProtobufField, ProtobufFields } from "./protobuf-fields.ts";
import type { ProtobufOutput } from "./protobuf-output.ts";
import { writeInteger, writeRaw, writeSpecial } from "./protobuf-values.ts";

type JsonObject = Readonly<Record<string, unknown>>;

export type MessageWriter = (output: ProtobufOutput, value: JsonObject) => void;

/** Writes a value with its tag; lists and maps once an item. */
type FieldWriter = (output: ProtobufOutput, value: unknown) => void;

const VARINT = 0;
const FIXED64 = 1;
const LENGTH = 2;

type WriterOf = (name: string) => MessageWriter;

/** The writer of a message by its name. Each is compiled once. */
export function messageWriters(fieldsOf: ProtobufFields): WriterOf {
  const known = new Map<string, MessageWriter>();
  const writerOf = (name: string): MessageWriter => {
    const found = known.get(name);
    if (found) return found;
    let compiled: MessageWriter | undefined;
    // Messages hold each other: this one is known before its fields are.
    const writer: MessageWriter = (output, value) => {
      compiled ??= compileMessage(fieldsOf(name) ?? [], writerOf);
      compiled(output, value);
    };
    known.set(name, writer);
    return writer;
  };
  return writerOf;
}

function compileMessage(fields: readonly ProtobufField[], writerOf: WriterOf): MessageWriter {
  const backwards = fields.toReversed();
  const names = backwards.map((field) => ("embedded" in field ? undefined : field.name));
  const writers = backwards.map((field): FieldWriter => {
    if (!("embedded" in field)) {
      if (field.boxed && field.type.kind === "list") return compileItems(writerOf, field.number, field.type.of);
      return compileField(writerOf, field.number, field.type);
    }
    const write = writerOf(field.embedded);
    const tag = field.number * 8 + LENGTH;
    return (output, value) => {
      const start = output.written;
      write(output, value as JsonObject);
      if (output.written === start) return;
      output.varint(output.written - start);
      output.varint(tag);
    };
  });
  return (output, value) => {
    for (let at = 0; at < writers.length; at++) {
      const name = names[at];
      const field = name === undefined ? value : value[name];
      if (field !== undefined && field !== null) (writers[at] as FieldWriter)(output, field);
    }
  };
}

function compileField(writerOf: WriterOf, number: number, type: FieldType): FieldWriter {
  if (type.kind === "list") {
    const item = compileField(writerOf, number, type.of);
    return (output, value) => {
      const list = value as readonly unknown[];
      for (let at = list.length - 1; at >= 0; at--) item(output, list[at]);
    };
  }
  if (type.kind === "map") return compileMap(writerOf, number, type.of);
  const [wire, write] = compileValue(writerOf, type);
  const tag = number * 8 + wire;
  return (output, value) => {
    write(output, value);
    output.varint(tag);
  };
}

/** An entry a key, in the order of the keys, so that equal objects are equal bytes. */
function compileMap(writerOf: WriterOf, number: number, of: FieldType): FieldWriter {
  const value = of.kind === "list" ? compileItems(writerOf, 2, of.of) : compileField(writerOf, 2, of);
  const tag = number * 8 + LENGTH;
  return (output, map) => {
    const keys = Object.keys(map as JsonObject);
    if (keys.length > 1) keys.sort();
    for (let at = keys.length - 1; at >= 0; at--) {
      const key = keys[at] as string;
      const start = output.written;
      value(output, (map as JsonObject)[key]);
      output.text(key);
      output.byte(8 + LENGTH);
      output.varint(output.written - start);
      output.varint(tag);
    }
  };
}

/** A list as a map's value is a message with the list as its first field. */
function compileItems(writerOf: WriterOf, number: number, of: FieldType): FieldWriter {
  const items = compileField(writerOf, 1, { kind: "list", of });
  return (output, value) => {
    const start = output.written;
    items(output, value);
    output.varint(output.written - start);
    output.varint(number * 8 + LENGTH);
  };
}

/** Wire type, and how the value is written with its length, where that has one. */
function compileValue(writerOf: WriterOf, type: FieldType): [number, FieldWriter] {
  switch (type.kind) {
    case "string":
      return [LENGTH, (output, value) => output.text(value as string)];
    case "boolean":
      return [VARINT, (output, value) => output.byte(value ? 1 : 0)];
    case "int32":
    case "int64":
      return [VARINT, writeInteger];
    case "double":
      return [FIXED64, (output, value) => output.double(value as number)];
    case "bytes":
      return [LENGTH, (output, value) => output.base64(value as string)];
    case "message":
      return [LENGTH, sized(writerOf(type.name))];
    case "raw":
      return [LENGTH, sized(writeRaw(type.name, (name) => sized(writerOf(name))))];
    case "list":
    case "map":
    case "deduced":
      throw new Error(`protobuf has no ${type.kind} as an item`);
    default:
      return [LENGTH, sized(writeSpecial[type.kind])];
  }
}

/** The same with its length before it. */
function sized<T>(write: (output: ProtobufOutput, value: T) => void): FieldWriter {
  return (output, value) => {
    const start = output.written;
    write(output, value as T);
    output.varint(output.written - start);
  };
}
