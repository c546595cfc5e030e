/**
 * Payload: the files that a volume of configuration holds, before anything is written. Pure.
 *
 * One builder a source: configMap, secret, downwardAPI; projected joins them. A missing key is an
 * error unless the source is optional. Writing them: atomic-write.ts.
 */
import type { V1DownwardAPIVolumeFile, V1KeyToPath } from "@kubernetes/client-node";
import type { ConfigMap, Pod, Secret } from "../../machinery/objects/kinds.ts";
import type { Wire } from "../../machinery/objects/wire.ts";
import { type NodeFacts, podField, resourceField } from "../pods/fields.ts";

export interface PayloadFile {
  readonly data: Uint8Array;
  readonly mode: number;
  /** Owner, where it is not root. */
  readonly uid?: number;
}

/** Path inside the volume ► file. */
export type Payload = ReadonlyMap<string, PayloadFile>;

export const DEFAULT_MODE = 0o644;

type Items = readonly Wire<V1KeyToPath>[] | undefined;

export interface Selection {
  readonly kind: "configmap" | "secret";
  readonly items: Items;
  readonly mode: number;
  readonly optional: boolean;
}

export function keysPayload(data: ReadonlyMap<string, Uint8Array>, selection: Selection): Payload {
  const { kind, items, mode, optional } = selection;
  const files = new Map<string, PayloadFile>();
  if (!items?.length) {
    for (const [key, bytes] of data) files.set(key, { data: bytes, mode });
    return files;
  }
  for (const item of items) {
    const bytes = data.get(item.key);
    if (bytes) files.set(item.path, { data: bytes, mode: item.mode ?? mode });
    else if (!optional)
      throw new Error(
        `${kind === "configmap" ? "configmap" : "secret"} references non-existent ${kind === "configmap" ? "config" : "secret"} key: ${item.key}`,
      );
  }
  return files;
}

export function configMapBytes(configMap: ConfigMap): ReadonlyMap<string, Uint8Array> {
  return new Map([
    ...Object.entries(configMap.data ?? {}).map(([key, text]) => [key, Buffer.from(text, "utf8")] as const),
    ...Object.entries(configMap.binaryData ?? {}).map(([key, text]) => [key, Buffer.from(text, "base64")] as const),
  ]);
}

export function secretBytes(secret: Secret): ReadonlyMap<string, Uint8Array> {
  return new Map(Object.entries(secret.data ?? {}).map(([key, text]) => [key, Buffer.from(text, "base64")]));
}

export function downwardPayload(
  pod: Pod,
  items: readonly Wire<V1DownwardAPIVolumeFile>[],
  mode: number,
  node: NodeFacts,
): Payload {
  const files = new Map<string, PayloadFile>();
  for (const item of items) {
    const text = item.fieldRef
      ? podField(pod, item.fieldRef.fieldPath, [], node)
      : item.resourceFieldRef
        ? resourceField(pod, undefined, item.resourceFieldRef, node)
        : "";
    files.set(item.path, { data: Buffer.from(text, "utf8"), mode: item.mode ?? mode });
  }
  return files;
}
