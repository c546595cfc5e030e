/**
 * Facts: reads facts/, the published API types as compact data, into fields.
 *
 * One line a message: "TypeMeta, metadata 1 meta.ObjectMeta, ports 6 [ContainerPort], limits 1 {quantity},
 * ...VolumeSource 2": JSON name, protobuf number, type; `[x]` is a list, `{x}` a map by string, `...` spreads
 * an embedded struct. A message is named inside its package, or as "meta.ObjectMeta" outside it.
 * Required flags and texts are not here: see models.ts.
 */
import { readFile } from "node:fs/promises";
import type { Field, FieldType } from "./contract.ts";

type Marks = Omit<Field, "name" | "type" | "required" | "enum" | "enumName"> & { readonly enum?: string };

interface MessagesFile {
  /** Package ► "apps/v1". The meta package belongs to every group. */
  readonly groupVersions: Readonly<Record<string, string>>;
  readonly messages: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

interface MarksFile {
  readonly enums: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>;
  readonly atomicMessages: Readonly<Record<string, readonly string[]>>;
  readonly fields: Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, Marks>>>>>>;
}

/** A field without what the models say of it. */
export type FactField = Omit<Field, "required">;

export interface FactMessage {
  readonly name: string;
  readonly package: string;
  readonly fields: readonly FactField[];
  /** It names its own apiVersion and kind: an object, a list, options. */
  readonly typed: boolean;
  readonly atomic: boolean;
}

export interface Facts {
  readonly messages: readonly FactMessage[];
  readonly groupVersions: Readonly<Record<string, string>>;
}

export const META_PACKAGE = "io.k8s.apimachinery.pkg.apis.meta.v1";
const APIEXTENSIONS_PACKAGE = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1";

const SCALARS: ReadonlyMap<string, FieldType> = new Map(
  (
    [
      "string",
      "boolean",
      "double",
      "int32",
      "int64",
      "bytes",
      "quantity",
      "intOrString",
      "time",
      "microTime",
      "duration",
    ] as const
  ).map((kind): [string, FieldType] => [kind, { kind }]),
);

/** Types that hold any JSON: their shape is decided by whoever reads them. */
const RAW: ReadonlyMap<string, FieldType> = new Map(
  [
    ["RawExtension", "io.k8s.apimachinery.pkg.runtime"],
    ["FieldsV1", META_PACKAGE],
    ["JSON", APIEXTENSIONS_PACKAGE],
    ["JSONSchemaPropsOrArray", APIEXTENSIONS_PACKAGE],
    ["JSONSchemaPropsOrBool", APIEXTENSIONS_PACKAGE],
    ["JSONSchemaPropsOrStringArray", APIEXTENSIONS_PACKAGE],
  ].map(([name, home]): [string, FieldType] => [name!, { kind: "raw", name: `${home}.${name}` }]),
);

const TYPE_META: readonly FactField[] = ["apiVersion", "kind"].map((name) => ({ name, type: { kind: "string" } }));

export async function readFacts(): Promise<Facts> {
  const [messages, marks] = await Promise.all([
    readJson<MessagesFile>("messages.json"),
    readJson<MarksFile>("marks.json"),
  ]);
  return parseFacts(messages, marks);
}

async function readJson<T>(file: string): Promise<T> {
  return JSON.parse(await readFile(new URL(`./facts/${file}`, import.meta.url), "utf8")) as T;
}

function parseFacts({ messages, groupVersions }: MessagesFile, marks: MarksFile): Facts {
  const fieldsOf = (home: string, name: string): FactField[] => {
    const line = messages[home]?.[name];
    if (line === undefined) throw new Error(`facts: no message ${home}.${name}`);
    if (line === "") return [];
    const marked = marks.fields[home]?.[name];
    return line.split(", ").flatMap((entry) => {
      if (entry === "TypeMeta") return TYPE_META;
      const [field, , type] = entry.split(" ") as [string, string, string];
      if (field.startsWith("...")) return fieldsOf(home, field.slice(3));
      return [{ name: field, type: typeOf(type, home), ...resolved(marked?.[field], marks.enums[home]) }];
    });
  };

  const all = Object.entries(messages).flatMap(([home, lines]) => {
    const atomic = new Set(marks.atomicMessages[home]);
    return Object.entries(lines).map(([name, line]) => ({
      name: `${home}.${name}`,
      package: home,
      fields: fieldsOf(home, name),
      typed: line.startsWith("TypeMeta"),
      atomic: atomic.has(name),
    }));
  });
  return { messages: all, groupVersions };
}

function resolved(marks: Marks | undefined, enums: Readonly<Record<string, readonly string[]>> | undefined) {
  if (marks?.enum === undefined) return marks as Omit<Marks, "enum"> | undefined;
  const values = enums?.[marks.enum];
  if (!values) throw new Error(`facts: no enum ${marks.enum}`);
  return { ...marks, enum: values, enumName: marks.enum };
}

function typeOf(text: string, home: string): FieldType {
  if (text.startsWith("[")) return { kind: "list", of: typeOf(text.slice(1, -1), home) };
  if (text.startsWith("{")) return { kind: "map", of: typeOf(text.slice(1, -1), home) };
  const known = SCALARS.get(text) ?? RAW.get(text);
  if (known) return known;
  const [group, name] = text.includes(".") ? text.split(".") : [undefined, text];
  if (!group) return { kind: "message", name: `${home}.${name}` };
  return { kind: "message", name: `${group === "meta" ? META_PACKAGE : `io.k8s.api.${group}.v1`}.${name}` };
}
