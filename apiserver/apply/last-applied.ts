/**
 * Last applied: how `kubectl apply --server-side` takes over from client-side apply.
 *
 * Only for the manager "kubectl": conflicts over fields that the annotation says kubectl applied, and that still hold
 * what it applied, are no conflicts; and the annotation follows what is applied now.
 */
import type { Fields } from "./contract.ts";
import type { FieldSets } from "./field-sets.ts";
import { isObject, type JsonObject } from "./shapes/shape.ts";
import type { Struct } from "./shapes/struct.ts";

export const KUBECTL = "kubectl";
const ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration";

/** Fields that client-side apply set and nobody changed since. */
export function lastAppliedFields(
  sets: FieldSets,
  shape: Struct,
  live: Readonly<JsonObject>,
  apiVersion: string,
): Fields | undefined {
  const config = parsed(annotationsOf(live)?.[ANNOTATION]);
  if (!isObject(config) || config["apiVersion"] !== apiVersion) return undefined;
  const problems: string[] = [];
  shape.check(config, "", problems);
  const owned = problems.length > 0 ? undefined : shape.applied(config);
  if (!owned) return undefined;
  const differ = shape.compareBut(config, live, undefined);
  const same = sets.difference(owned, differ?.changed);
  return same && sets.difference(same, differ?.removed);
}

/** Gives the object the annotation of this configuration, where it has one of another. */
export function updateLastApplied(object: JsonObject, config: JsonObject): void {
  const annotations = annotationsOf(object);
  if (!annotations?.[ANNOTATION]) return;
  const { [ANNOTATION]: _, ...others } = annotationsOf(config) ?? {};
  const metadata: JsonObject = { ...(config["metadata"] as JsonObject), annotations: others };
  if (Object.keys(others).length === 0) delete metadata["annotations"];
  const text = `${JSON.stringify({ ...config, metadata }, sortedKeys)}\n`;
  object["metadata"] = { ...(object["metadata"] as JsonObject), annotations: { ...annotations, [ANNOTATION]: text } };
}

function parsed(text: unknown): unknown {
  if (typeof text !== "string") return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function annotationsOf(object: Readonly<JsonObject>): JsonObject | undefined {
  const { metadata } = object;
  const annotations = isObject(metadata) ? metadata["annotations"] : undefined;
  return isObject(annotations) ? annotations : undefined;
}

/** As Go writes maps. */
function sortedKeys(_key: string, value: unknown): unknown {
  if (!isObject(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
