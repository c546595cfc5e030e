/**
 * Protobuf numbers: which number each field has on the wire, from facts/messages.json (its form: facts.ts).
 *
 * Read only when a client first sends protobuf: a server that is asked in JSON alone never holds it.
 */
import { readFileSync } from "node:fs";

export interface NumberedField {
  readonly name: string;
  /** The message whose fields are spread into this one: Volume has those of VolumeSource. */
  readonly embedded?: string;
}

export type Numbers = (message: string) => ReadonlyMap<number, NumberedField>;

export function readNumbers(): Numbers {
  const file = readFileSync(new URL("./facts/messages.json", import.meta.url), "utf8");
  const { messages } = JSON.parse(file) as { messages: Record<string, Record<string, string>> };
  const known = new Map<string, ReadonlyMap<number, NumberedField>>();
  return (message) => {
    const found = known.get(message);
    if (found) return found;
    const dot = message.lastIndexOf(".");
    const home = message.slice(0, dot);
    const fields = parse(home, messages[home]?.[message.slice(dot + 1)] ?? "");
    known.set(message, fields);
    return fields;
  };
}

function parse(home: string, line: string): ReadonlyMap<number, NumberedField> {
  const fields = new Map<number, NumberedField>();
  for (const entry of line === "" ? [] : line.split(", ")) {
    const [name = "", number] = entry.split(" ");
    if (number === undefined) continue; // TypeMeta travels outside
    const embedded = name.startsWith("...") ? name.slice(3) : undefined;
    fields.set(Number(number), embedded ? { name, embedded: `${home}.${embedded}` } : { name });
  }
  return fields;
}
