/** The annotation in which `apply` keeps what a manifest said, so that the next one knows what it dropped. */

import { parseJson } from "../machinery/objects/json.ts";
import type { KubeObject } from "../machinery/objects/wire.ts";
import type { Json } from "./merge/values.ts";
import { ordered } from "./output/ordered.ts";

export const LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration";

/** The object with its own configuration in the annotation. */
export function annotated(object: KubeObject): KubeObject {
  const { [LAST_APPLIED]: _, ...annotations } = object.metadata.annotations ?? {};
  const bare = { ...object, metadata: { ...object.metadata, annotations } };
  const text = `${goJson(bare)}\n`;
  return { ...bare, metadata: { ...bare.metadata, annotations: { ...annotations, [LAST_APPLIED]: text } } };
}

export function lastApplied(object: KubeObject): Json | undefined {
  const text = object.metadata.annotations?.[LAST_APPLIED];
  return text === undefined ? undefined : (parseJson(text) as Json);
}

const HTML: Readonly<Record<string, string>> = { "<": "\\u003c", ">": "\\u003e", "&": "\\u0026" };

/** As Go writes JSON: keys sorted, signs that HTML knows escaped. */
function goJson(value: unknown): string {
  return JSON.stringify(ordered(value)).replace(/[<>&]/g, (sign) => HTML[sign]!);
}
