/**
 * Change: one event of a resource, and what it is to each watcher.
 *
 * To a watcher with selectors an update may be an ADDED or a DELETED. Each of the few things it can be is
 * made once and encoded once per representation, on demand; every watcher gets the same buffer.
 */
import type { WatchEvent, WatchEventType, WatchItem } from "../../machinery/client/transport/contract.ts";
import type { StoredObject } from "../../machinery/objects/wire.ts";
import type { Revision } from "../store/contract.ts";
import type { Representation } from "./contract.ts";
import type { Version } from "./version.ts";

type ObjectEventType = Extract<WatchEventType, "ADDED" | "MODIFIED" | "DELETED">;

export class Change {
  readonly revision: Revision;
  /** Undefined for a deletion. */
  readonly current: Version | undefined;
  /** Undefined for a creation. */
  readonly previous: Version | undefined;
  readonly #resourceVersion: string;
  #items: { readonly type: ObjectEventType; readonly key: string; readonly item: WatchItem }[] = [];
  #ended: Version | undefined;

  constructor(
    revision: Revision,
    resourceVersion: string,
    current: Version | undefined,
    previous: Version | undefined,
  ) {
    this.revision = revision;
    this.current = current;
    this.previous = previous;
    this.#resourceVersion = resourceVersion;
  }

  /** What the change is to someone who sees only what `selects` lets through; undefined: nothing. */
  typeFor(selects: ((version: Version) => boolean) | undefined): ObjectEventType | undefined {
    const { current, previous } = this;
    const is = current !== undefined && (selects === undefined || selects(current));
    const was = previous !== undefined && (selects === undefined || selects(previous));
    if (is) return was ? "MODIFIED" : "ADDED";
    return was ? "DELETED" : undefined;
  }

  item(type: ObjectEventType, representation: Representation | undefined): WatchItem {
    const key = representation?.key ?? "";
    for (const made of this.#items) if (made.type === type && made.key === key) return made.item;
    const item = itemOf(type, this.#shown(type), representation);
    this.#items.push({ type, key, item });
    return item;
  }

  /** Drops what can be made again: the change is history now. */
  forget(): void {
    this.#items = [];
    this.#ended = undefined;
    this.previous?.forget();
  }

  /** Bytes that the change keeps in memory: the version that it ended. */
  get bytes(): number {
    return this.previous?.bytes ?? 0;
  }

  #shown(type: ObjectEventType): Version {
    if (type !== "DELETED") return this.current as Version;
    this.#ended ??= (this.previous as Version).endedAt(this.revision, this.#resourceVersion);
    return this.#ended;
  }
}

/** An event about a version, in a representation. */
export function itemOf(type: ObjectEventType, version: Version, representation?: Representation): WatchItem {
  return representation
    ? new ConvertedItem(type, () => version.object, representation, version)
    : new StoredItem(type, version);
}

/** An event whose object is not in the store: a bookmark or an error. */
export function madeItem(type: "BOOKMARK" | "ERROR", object: StoredObject, representation?: Representation): WatchItem {
  return new ConvertedItem(type, () => object, representation ?? asItIs);
}

const asItIs: Representation = { key: "", convert: (object) => object };

/** The stored JSON, framed as an event by copying bytes. */
class StoredItem implements WatchItem {
  readonly #type: ObjectEventType;
  readonly #version: Version;
  #encoded: Uint8Array | undefined;

  constructor(type: ObjectEventType, version: Version) {
    this.#type = type;
    this.#version = version;
  }

  event(): WatchEvent {
    return { type: this.#type, object: this.#version.object };
  }

  encoded(): Uint8Array {
    this.#encoded ??= framed(this.#type, this.#version);
    return this.#encoded;
  }
}

function framed(type: ObjectEventType, version: Version): Uint8Array {
  const head = `{"type":"${type}","object":`;
  const line = Buffer.allocUnsafe(head.length + version.jsonLength + 2);
  let at = line.write(head, 0, "latin1");
  at = version.writeJson(line, at);
  at += line.write("}\n", at, "latin1");
  return line.subarray(0, at);
}

/** What `convert` makes of an object, and the bytes of that: each once. */
export class ConvertedItem implements WatchItem {
  readonly #type: WatchEventType;
  readonly #object: () => StoredObject;
  readonly #representation: Representation;
  readonly #source: Version | undefined;
  #shown: unknown;
  #encoded: Uint8Array | undefined;

  constructor(type: WatchEventType, object: () => StoredObject, representation: Representation, source?: Version) {
    this.#type = type;
    this.#object = object;
    this.#representation = representation;
    this.#source = source;
  }

  /** The same event in the form of those that are a watcher's first. */
  asFirst(): WatchItem {
    const { first } = this.#representation;
    return first ? new ConvertedItem(this.#type, this.#object, first, this.#source) : this;
  }

  event(): WatchEvent {
    return { type: this.#type, object: this.#show() as StoredObject };
  }

  encoded(): Uint8Array {
    this.#encoded ??=
      this.#representation.encode?.(this.#type, () => this.#show(), this.#source) ??
      Buffer.from(`${JSON.stringify(this.event())}\n`);
    return this.#encoded;
  }

  #show(): unknown {
    this.#shown ??= this.#representation.convert(this.#object(), this.#type);
    return this.#shown;
  }
}
