/**
 * Protobuf fields: number and presence of each field of a message, from facts/messages.json and facts/presence.json.
 *
 * Read only when a client first speaks protobuf: a server that is asked in JSON alone never holds it.
 * Presence is what Go's types say: its marshaller writes zeros of every field that is no pointer, so only of the
 * others a zero on the wire means something. `name?` is a pointer, `name!` a value that JSON always shows; `name*`
 * is a list that stands in a message of its own.
 */
import { readFileSync } from "node:fs";
import type { Field, FieldType, Schema } from "./contract.ts";

export interface NumberedField {
  readonly number: number;
  readonly name: string;
  readonly type: FieldType;
  /** False where a zero on the wire is what JSON leaves out. */
  readonly keepsZero: boolean;
  /** A list whose items are the first field of a message of their own. */
  readonly boxed: boolean;
}

/** A message whose fields stand on the outer object in JSON: Volume has those of VolumeSource. */
export interface EmbeddedField {
  readonly number: number;
  readonly embedded: string;
}

export type ProtobufField = NumberedField | EmbeddedField;

/** The fields of a message in the order of their numbers; undefined for messages without a protobuf form. */
export type ProtobufFields = (message: string) => readonly ProtobufField[] | undefined;

type ByPackage = Readonly<Record<string, Readonly<Record<string, string>>>>;

export function readProtobufFields(schema: Schema): ProtobufFields {
  const { messages } = readFacts("messages.json") as { messages: ByPackage };
  const presence = readFacts("presence.json") as ByPackage;
  const known = new Map<string, readonly ProtobufField[] | undefined>();
  return (message) => {
    if (known.has(message)) return known.get(message);
    const dot = message.lastIndexOf(".");
    const [home, name] = [message.slice(0, dot), message.slice(dot + 1)];
    const line = messages[home]?.[name];
    const types = schema.message(message)?.fields;
    const fields =
      line === undefined || !types ? undefined : fieldsIn(line, home, marksIn(presence[home]?.[name]), types);
    // Names that clients make up are not kept.
    if (fields) known.set(message, fields);
    return fields;
  };
}

function fieldsIn(
  line: string,
  home: string,
  marks: ReadonlyMap<string, string>,
  types: ReadonlyMap<string, Field>,
): ProtobufField[] {
  const fields: ProtobufField[] = [];
  for (const entry of line === "" ? [] : line.split(", ")) {
    const [name = "", number] = entry.split(" ");
    if (number === undefined) continue; // TypeMeta travels outside
    const mark = marks.get(name);
    const type = types.get(name)?.type;
    if (name.startsWith("...")) fields.push({ number: Number(number), embedded: `${home}.${name.slice(3)}` });
    else if (type)
      fields.push({ number: Number(number), name, type, keepsZero: mark !== undefined, boxed: mark === "*" });
  }
  return fields.sort((a, b) => a.number - b.number);
}

/** "nodeName? ready!" */
function marksIn(line = ""): ReadonlyMap<string, string> {
  return new Map(line.split(" ").map((one): [string, string] => [one.slice(0, -1), one.slice(-1)]));
}

function readFacts(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`./facts/${name}`, import.meta.url), "utf8"));
}
