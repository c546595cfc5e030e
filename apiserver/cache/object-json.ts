/**
 * Object JSON: how an object becomes the bytes that are stored, and how its resourceVersion gets back in.
 *
 * Stored JSON begins `{"kind":…,"apiVersion":…,"metadata":{` and has no resourceVersion: it is known only
 * after the commit. Reading puts it in by copying bytes; nothing is parsed for that.
 */
import type { KubeObject } from "../../machinery/objects/wire.ts";

export interface StoredJson {
  readonly json: string;
  /** Offset in the UTF-8 bytes at which the resourceVersion belongs. */
  readonly versionAt: number;
}

/** `object.metadata.resourceVersion` must be absent or undefined. */
export function storedJson(object: KubeObject): StoredJson {
  const { kind, apiVersion } = object;
  const head = `{"kind":${JSON.stringify(kind)},"apiVersion":${JSON.stringify(apiVersion)},"metadata":{`;
  let json = JSON.stringify(object);
  if (!json.startsWith(head)) {
    const { kind: _kind, apiVersion: _apiVersion, metadata, ...rest } = object;
    // as text: in an object, keys like "0" would come before all others
    const others = JSON.stringify(rest).slice(1, -1);
    json = `${head.slice(0, -1)}${JSON.stringify(metadata)}${others && `,${others}`}}`;
  }
  return { json, versionAt: Buffer.byteLength(head) };
}

const VERSION_HEAD = '"resourceVersion":"';

/** Bytes that `writeVersioned` needs. */
export function versionedLength(json: Uint8Array, resourceVersion: string): number {
  return json.length + VERSION_HEAD.length + resourceVersion.length + 2;
}

/** Writes the JSON with its resourceVersion into `target`; returns the offset after it. */
export function writeVersioned(
  target: Buffer,
  offset: number,
  json: Uint8Array,
  versionAt: number,
  resourceVersion: string,
): number {
  const alone = json[versionAt] === 0x7d; // metadata has nothing else: "}" follows
  // one copy and a short one: the head is written over, then the version
  const version = `${VERSION_HEAD}${resourceVersion}${alone ? '"' : '",'}`;
  target.set(json, offset + version.length);
  target.copyWithin(offset, offset + version.length, offset + version.length + versionAt);
  target.write(version, offset + versionAt, "latin1");
  return offset + json.length + version.length;
}
