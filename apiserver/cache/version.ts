/**
 * Version: one version of one object in the cache; what the pipeline sees as CachedObject.
 *
 * It holds the store's bytes and parses them when somebody asks for the object. A version that the
 * pipeline just wrote has its object already. Objects are frozen before anyone sees them. Versions of the
 * cache let their objects go when they are not used (parsed.ts), but keep what selectors ask for.
 */
import { parseJson } from "../../machinery/objects/json.ts";
import type { KubeObject, StoredObject } from "../../machinery/objects/wire.ts";
import type { Entry, Revision } from "../store/contract.ts";
import { type Cause, decodeEnvelope, type Envelope } from "../store/envelope.ts";
import type { CachedObject, FieldsOf, ObjectEncoding } from "./contract.ts";
import { deepFreeze } from "./freeze.ts";
import { versionedLength, writeVersioned } from "./object-json.ts";
import type { Keeper, Parsed } from "./parsed.ts";

/** What selectors ask of an object. */
interface Summary {
  readonly labels: StoredObject["metadata"]["labels"];
  readonly nodeName: string | undefined;
  of?: FieldsOf;
  fields?: Readonly<Record<string, string>>;
}

export class Version implements CachedObject, Keeper {
  readonly key: string;
  readonly revision: Revision;
  readonly resourceVersion: string;
  readonly #value: Uint8Array;
  #object: StoredObject | undefined;
  #weak: WeakRef<StoredObject> | undefined;
  #summary: Summary | undefined;
  #parsed: Parsed | undefined;
  #held = false;
  #used = false;
  #encoding: { readonly by: ObjectEncoding; readonly bytes: Uint8Array } | undefined;
  #measuredBy: ObjectEncoding | undefined;
  #encodedLength = 0;

  /** `revision` and `resourceVersion` are the entry's own, or a deletion's for the last state of an object. */
  constructor(key: string, value: Uint8Array, revision: Revision, resourceVersion: string) {
    this.key = key;
    this.revision = revision;
    this.resourceVersion = resourceVersion;
    this.#value = value;
  }

  static of(entry: Entry, offset: number): Version {
    return new Version(entry.key, entry.value, entry.modRevision, String(entry.modRevision + offset));
  }

  /** Takes the object that these bytes were made from, instead of parsing them. */
  adopt(object: KubeObject): this {
    object.metadata.resourceVersion = this.resourceVersion;
    this.#object = deepFreeze(object) as StoredObject;
    return this;
  }

  /** Joins those that keep their objects only while they are used. */
  share(parsed: Parsed): this {
    this.#parsed = parsed;
    if (this.#object) this.#hold();
    return this;
  }

  get object(): StoredObject {
    this.#used = true;
    if (this.#object) return this.#object;
    const elsewhere = this.#weak?.deref();
    if (elsewhere) return elsewhere;
    this.#object = this.#parse();
    this.#hold();
    return this.#object;
  }

  glance(): StoredObject {
    return this.#object ?? this.#weak?.deref() ?? this.#read();
  }

  get labels(): Summary["labels"] {
    return this.#summarized().labels;
  }

  /** spec.nodeName: "" where there is none. */
  get nodeName(): string | undefined {
    return this.#summarized().nodeName;
  }

  fields(of: FieldsOf): Readonly<Record<string, string>> {
    const summary = this.#summarized();
    if (summary.of !== of || !summary.fields) {
      summary.fields = of(this.glance());
      summary.of = of;
    }
    return summary.fields;
  }

  get cause(): Cause {
    return this.#decoded().cause;
  }

  json(): Uint8Array {
    const bytes = Buffer.allocUnsafe(this.jsonLength);
    return bytes.subarray(0, this.writeJson(bytes, 0));
  }

  /** An upper bound of what `writeJson` writes. */
  get jsonLength(): number {
    return versionedLength(this.#decoded().json, this.resourceVersion);
  }

  writeJson(target: Buffer, offset: number): number {
    const { json, versionAt } = this.#decoded();
    return writeVersioned(target, offset, json, versionAt, this.resourceVersion);
  }

  encodedAs(by: ObjectEncoding): Uint8Array {
    // An object that nobody needs otherwise is parsed for this alone: it would take more memory than both encodings.
    this.#used = true;
    if (this.#encoding?.by === by) return this.#encoding.bytes;
    this.#encoding = { by, bytes: by.encode(this.glance()) };
    this.#measuredBy = by;
    this.#encodedLength = this.#encoding.bytes.length;
    this.#hold();
    return this.#encoding.bytes;
  }

  encodedLength(by: ObjectEncoding): number {
    return this.#measuredBy === by ? this.#encodedLength : this.encodedAs(by).length;
  }

  /** The same state under the revision at which it ended. */
  endedAt(revision: Revision, resourceVersion: string): Version {
    const ended = new Version(this.key, this.#value, revision, resourceVersion);
    const object = this.#object;
    if (object) ended.#object = deepFreeze({ ...object, metadata: { ...object.metadata, resourceVersion } });
    return ended;
  }

  /** Drops the parsed object and what was made of it; it is parsed again if anyone asks. For versions that are history. */
  forget(): void {
    this.#object = undefined;
    this.#weak = undefined;
    this.#encoding = undefined;
  }

  rested(): boolean {
    const used = this.#used;
    this.#used = false;
    return !used;
  }

  cool(): void {
    this.#held = false;
    if (this.#object) this.#weak = new WeakRef(this.#object);
    this.#object = undefined;
    this.#encoding = undefined;
  }

  #hold(): void {
    if (this.#held || !this.#parsed) return;
    this.#held = true;
    this.#parsed.hold(this);
  }

  #summarized(): Summary {
    if (this.#summary) return this.#summary;
    const { metadata, spec } = this.glance() as StoredObject & { readonly spec?: { readonly nodeName?: unknown } };
    const nodeName = spec?.nodeName ?? "";
    this.#summary = { labels: metadata.labels, nodeName: typeof nodeName === "string" ? nodeName : undefined };
    return this.#summary;
  }

  /** Bytes that this version keeps in memory, without its parsed object. */
  get bytes(): number {
    return this.#value.length;
  }

  /** Not kept: it would take as much memory as a small object, for every version in the cache. */
  #decoded(): Envelope {
    return decodeEnvelope(this.#value);
  }

  #parse(): StoredObject {
    return deepFreeze(this.#read());
  }

  #read(): StoredObject {
    const { json } = this.#decoded();
    const text = Buffer.from(json.buffer, json.byteOffset, json.byteLength).toString("utf8");
    const object = parseJson(text) as StoredObject;
    object.metadata.resourceVersion = this.resourceVersion;
    return object;
  }
}
