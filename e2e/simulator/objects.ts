/**
 * Objects: everything that is stored now, read from the bytes when it is first asked for, with what finds it quickly.
 */
import type { Kinds, Pod, ResourceName } from "../../machinery/objects/kinds.ts";
import { controllerOf } from "../../machinery/objects/owners.ts";
import type { StoredObject } from "../../machinery/objects/wire.ts";

/** All objects as they are now. */
export interface Objects {
  of<K extends ResourceName>(resource: K): readonly Kinds[K][];
  get<K extends ResourceName>(resource: K, namespace: string | undefined, name: string): Kinds[K] | undefined;
  all(): Iterable<readonly [resource: string, object: StoredObject]>;
  byUid(uid: string): StoredObject | undefined;
  /** Pods whose controller has this uid. */
  podsOf(owner: string): readonly Pod[];
  podsOn(node: string): readonly Pod[];
}

/** One version of an object; nobody may change what it gives. */
export class Version {
  readonly json: Uint8Array;
  readonly revision: number;
  #object: StoredObject | undefined;

  constructor(json: Uint8Array, revision: number) {
    this.json = json;
    this.revision = revision;
  }

  get object(): StoredObject {
    if (!this.#object) {
      this.#object = JSON.parse(Buffer.from(this.json).toString()) as StoredObject;
      this.#object.metadata.resourceVersion = String(this.revision);
    }
    return this.#object;
  }
}

/** What comes often and owns nothing: read when all is looked at. */
const UNREAD = new Set(["events", "leases", "endpoints", "endpointslices", "serviceaccounts"]);

interface Shelf {
  readonly versions: Map<string, Version>;
  list: readonly StoredObject[] | undefined;
}

export interface Shelves extends Objects {
  held(resource: string, key: string): Version | undefined;
  put(resource: string, key: string, version: Version | undefined): void;
}

export function createObjects(): Shelves {
  const shelves = new Map<string, Shelf>();
  const uids = new Map<string, StoredObject>();
  const owned = createIndex<Pod>();
  const placed = createIndex<Pod>();
  const shelfOf = (resource: string): Shelf => {
    const found = shelves.get(resource);
    if (found) return found;
    const shelf: Shelf = { versions: new Map(), list: undefined };
    shelves.set(resource, shelf);
    return shelf;
  };
  const listOf = (shelf: Shelf) => {
    shelf.list ??= [...shelf.versions.values()].map(({ object }) => object);
    return shelf.list;
  };
  const index = (resource: string, key: string, object: StoredObject, there: boolean) => {
    if (there) uids.set(object.metadata.uid, object);
    else uids.delete(object.metadata.uid);
    if (resource !== "pods") return;
    const pod = object as Pod;
    const owner = controllerOf(pod)?.uid;
    if (owner) owned.set(owner, key, there ? pod : undefined);
    if (pod.spec?.nodeName) placed.set(pod.spec.nodeName, key, there ? pod : undefined);
  };
  return {
    of: <K extends ResourceName>(resource: K) => listOf(shelfOf(resource)) as unknown as readonly Kinds[K][],
    get<K extends ResourceName>(resource: K, namespace: string | undefined, name: string) {
      const own = ({ metadata }: StoredObject) => metadata.name === name && metadata.namespace === namespace;
      return listOf(shelfOf(resource)).find(own) as unknown as Kinds[K] | undefined;
    },
    *all() {
      for (const [resource, shelf] of shelves) for (const object of listOf(shelf)) yield [resource, object];
    },
    byUid: (uid) => uids.get(uid),
    podsOf: owned.of,
    podsOn: placed.of,
    held: (resource, key) => shelfOf(resource).versions.get(key),
    put(resource, key, version) {
      const shelf = shelfOf(resource);
      const before = shelf.versions.get(key);
      shelf.list = undefined;
      if (version) shelf.versions.set(key, version);
      else shelf.versions.delete(key);
      if (UNREAD.has(resource)) return;
      if (before) index(resource, key, before.object, false);
      if (version) index(resource, key, version.object, true);
    },
  };
}

function createIndex<T>() {
  const entries = new Map<string, { readonly kept: Map<string, T>; list: readonly T[] | undefined }>();
  return {
    set(value: string, key: string, object: T | undefined) {
      const entry = entries.get(value) ?? { kept: new Map<string, T>(), list: undefined };
      entry.list = undefined;
      if (object) entry.kept.set(key, object);
      else entry.kept.delete(key);
      if (entry.kept.size > 0) entries.set(value, entry);
      else entries.delete(value);
    },
    of(value: string): readonly T[] {
      const entry = entries.get(value);
      if (!entry) return [];
      entry.list ??= [...entry.kept.values()];
      return entry.list;
    },
  };
}
