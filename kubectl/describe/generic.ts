/** describe of any kind that has no describer of its own: its fields, with titles made of their names. */
import { isMap, type Json } from "../merge/values.ts";
import { textOf } from "../output/jsonpath.ts";
import type { Describer } from "./describer.ts";
import type { Document } from "./document.ts";
import { writeEvents } from "./events.ts";
import { writeAnnotations, writeLabels } from "./fields.ts";

export const describeGeneric: Describer = async (object, document, context) => {
  const { name = "", namespace = "", labels, annotations } = object.metadata;
  document.write(0, `Name:\t${name}\n`);
  document.write(0, `Namespace:\t${namespace}\n`);
  writeLabels(document, "Labels", labels);
  writeAnnotations(document, "Annotations", annotations);
  const { metadata, ...rest } = object;
  const { name: _n, namespace: _ns, labels: _l, annotations: _a, managedFields: _m, ...meta } = metadata as Json;
  writeFields(document, 0, { ...rest, metadata: meta });
  await writeEvents(object, document, context);
};

function writeFields(document: Document, level: number, fields: Json): void {
  for (const key of Object.keys(fields).sort()) {
    const value = fields[key];
    const title = titleOf(key);
    if (isMap(value)) {
      document.write(level, `${title}:\n`);
      writeFields(document, level + 1, value);
    } else if (Array.isArray(value)) {
      document.write(level, `${title}:\n`);
      for (const item of value) {
        if (isMap(item)) writeFields(document, level + 1, item);
        else document.write(level + 1, `${textOf(item)}\n`);
      }
    } else document.write(level, `${title}:\t${textOf(value)}\n`);
  }
}

const ACRONYMS = new Set(["API", "URL", "UID", "OSB", "GUID", "IP", "IPS"]);

/** "apiVersion" ► "API Version". */
function titleOf(key: string): string {
  const words = key.match(/[A-Z]+(?![a-z])|[A-Z]?[^A-Z]+/g) ?? [key];
  return words
    .map((word) => {
      const upper = word.toUpperCase();
      return ACRONYMS.has(upper) ? upper : word[0]!.toUpperCase() + word.slice(1);
    })
    .join(" ");
}
