/**
 * Protobuf reader: messages in Kubernetes' protobuf form, as JSON values. The envelope around them: protobuf.ts.
 *
 * One closure a field, made when a message is first read. The result still has to be decoded (decode.ts). Go writes
 * every field that is no pointer, zero or not, so zeros are dropped where JSON leaves them out: protobuf-fields.ts.
 */
import { parseJson } from "../../machinery/objects/json.ts";
import type { FieldType } from "./contract.ts";
import type { NumberedField, ProtobufFields } from "./protobuf-fields.ts";
import { FIXED64, LENGTH, ProtobufError, ProtobufInput, VARINT } from "./protobuf-input.ts";
import { readForm, readSpecial } from "./protobuf-values.ts";

type JsonObject = Record<string, unknown>;

/** Reads what is left of the input as the message's fields, into an object that may have some already. */
export type MessageReader = (input: ProtobufInput, into: JsonObject) => JsonObject;

/** Puts a field's value, of the wire type that it came with, into the object. */
type FieldReader = (input: ProtobufInput, wire: number, into: JsonObject) => void;
type ValueReader = (input: ProtobufInput) => unknown;

type ReaderOf = (name: string) => MessageReader;

/** The reader of a message by its name. Each is compiled once. */
export function messageReaders(fieldsOf: ProtobufFields): ReaderOf {
  const known = new Map<string, MessageReader>();
  const readerOf: ReaderOf = (name) => {
    const found = known.get(name);
    if (found) return found;
    let fields: readonly (FieldReader | undefined)[] | undefined;
    const reader: MessageReader = (input, into) => {
      fields ??= compileFields(fieldsOf, name, readerOf);
      while (input.more) {
        const tag = input.varint();
        const field = fields[Math.floor(tag / 8)];
        if (field) field(input, tag % 8, into);
        else input.skip(tag);
      }
      return into;
    };
    known.set(name, reader);
    return reader;
  };
  return readerOf;
}

function compileFields(fieldsOf: ProtobufFields, name: string, readerOf: ReaderOf): (FieldReader | undefined)[] {
  const fields: (FieldReader | undefined)[] = [];
  for (const field of fieldsOf(name) ?? []) {
    if (!("embedded" in field)) {
      fields[field.number] = compileField(field, readerOf);
      continue;
    }
    const read = readerOf(field.embedded);
    fields[field.number] = (input, wire, into) => {
      expect(wire, LENGTH, field.embedded);
      input.nested(() => read(input, into));
    };
  }
  return fields;
}

function compileField({ name, type, keepsZero, boxed }: NumberedField, readerOf: ReaderOf): FieldReader {
  if (boxed && type.kind === "list") {
    const [expected, read] = compileItems(type.of, readerOf);
    return (input, wire, into) => {
      expect(wire, expected, name);
      into[name] = read(input);
    };
  }
  if (type.kind === "list") return compileList(name, type.of, readerOf);
  if (type.kind === "map") return compileMap(name, type.of, readerOf);
  const [expected, read] = compileValue(type, readerOf);
  const dropsZero = !keepsZero && WITH_ZERO.has(type.kind);
  return (input, wire, into) => {
    expect(wire, expected, name);
    const value = read(input);
    if (value === undefined || (dropsZero && isZero(value))) return;
    into[name] = value;
  };
}

const WITH_ZERO: ReadonlySet<FieldType["kind"]> = new Set([
  "string",
  "boolean",
  "int32",
  "int64",
  "double",
  "bytes",
  "intOrString",
]);

const isZero = (value: unknown): boolean => value === "" || value === 0 || value === false;

function expect(wire: number, expected: number, name: string): void {
  if (wire !== expected) throw new ProtobufError(`proto: wrong wireType = ${wire} for field ${capital(name)}`);
}

const capital = (name: string): string => name.charAt(0).toUpperCase() + name.slice(1);

/** Numbers may be packed into one value. */
function compileList(name: string, of: FieldType, readerOf: ReaderOf): FieldReader {
  const [expected, read] = compileValue(of, readerOf);
  return (input, wire, into) => {
    into[name] ??= [];
    const list = into[name] as unknown[];
    if (wire === LENGTH && expected !== LENGTH) {
      input.nested(() => {
        while (input.more) list.push(read(input));
      });
      return;
    }
    expect(wire, expected, name);
    list.push(read(input));
  };
}

function compileMap(name: string, of: FieldType, readerOf: ReaderOf): FieldReader {
  const item = of.kind === "list" ? compileItems(of.of, readerOf) : compileValue(of, readerOf);
  const [expected, read] = item;
  const entry = (input: ProtobufInput, into: JsonObject) => {
    let key = "";
    let value: unknown;
    while (input.more) {
      const tag = input.varint();
      if (tag === 8 + LENGTH) key = input.text();
      else if (tag === 16 + expected) value = read(input);
      else input.skip(tag);
    }
    value ??= read(EMPTY());
    // Plain assignment of "__proto__" would set the prototype; maps compare as equal to those read from JSON.
    if (key !== "__proto__") into[key] = value;
    else Object.defineProperty(into, key, { value, enumerable: true, writable: true, configurable: true });
  };
  return (input, wire, into) => {
    expect(wire, LENGTH, name);
    into[name] ??= {};
    const map = into[name] as JsonObject;
    input.nested(() => entry(input, map));
  };
}

/** What the zero of any type reads from: a length, a number or a double of 0. */
const EMPTY = (): ProtobufInput => new ProtobufInput(new Uint8Array(8));

/** A list as a map's value is a message with the list as its first field. */
function compileItems(of: FieldType, readerOf: ReaderOf): [number, ValueReader] {
  const items = compileList("items", of, readerOf);
  const read = (input: ProtobufInput) => {
    const message: { items?: unknown } = {};
    input.nested(() => {
      while (input.more) {
        const tag = input.varint();
        if (Math.floor(tag / 8) === 1) items(input, tag % 8, message);
        else input.skip(tag);
      }
    });
    return message.items ?? [];
  };
  return [LENGTH, read];
}

/** Wire type, and how a value is read. */
function compileValue(type: FieldType, readerOf: ReaderOf): [number, ValueReader] {
  switch (type.kind) {
    case "string":
      return [LENGTH, (input) => input.text()];
    case "boolean":
      return [VARINT, (input) => input.varint() !== 0];
    case "int32":
    case "int64":
      return [VARINT, (input) => input.integer()];
    case "double":
      return [FIXED64, (input) => input.double()];
    case "bytes":
      return [LENGTH, (input) => input.bytes().toString("base64")];
    case "message": {
      const read = readerOf(type.name);
      return [LENGTH, (input) => input.nested(() => read(input, {}))];
    }
    case "raw": {
      const form = readForm(type.name, readerOf);
      return [LENGTH, (input) => input.nested(() => (form ? form(input) : readJson(input)))];
    }
    case "list":
    case "map":
    case "deduced":
      throw new Error(`protobuf has no ${type.kind} as an item`);
    default: {
      const read = readSpecial[type.kind];
      return [LENGTH, (input) => input.nested(() => read(input))];
    }
  }
}

/** RawExtension, FieldsV1, JSON: the text is the first field. Undefined when there is none. */
function readJson(input: ProtobufInput): unknown {
  let text = "";
  while (input.more) {
    const tag = input.varint();
    if (tag === 8 + LENGTH) text = input.text();
    else input.skip(tag);
  }
  if (text === "") return undefined;
  try {
    return parseJson(text);
  } catch (error) {
    throw new ProtobufError(error instanceof Error ? error.message : String(error));
  }
}
