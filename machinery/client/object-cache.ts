/**
 * Object cache: the copy behind an informer, indexed by key, namespace, controlling owner and node.
 *
 * Every method that changes the copy returns what changed, so that a change is told once and
 * only once: the same resourceVersion again is no change. It does no I/O: see list-watch.ts.
 */
import type { StoredObject } from "../objects/wire.ts";
import { type Change, keyOf, type Lister, type ObjectKey } from "./informer.ts";

export interface ObjectCache<T extends StoredObject> extends Lister<T> {
  readonly size: number;
  keys(): Iterable<ObjectKey>;
  /** Takes an object as it is now. Two changes where an object was replaced by one of the same name. */
  put(object: T): readonly Change<T>[];
  /** The object is gone; `last` is its final state where that is known. */
  remove(key: ObjectKey, last?: T): readonly Change<T>[];
}

type Index<T> = Map<string, Map<ObjectKey, T>>;

export function createObjectCache<T extends StoredObject>(): ObjectCache<T> {
  const all = new Map<ObjectKey, T>();
  const byNamespace: Index<T> = new Map();
  const byOwner: Index<T> = new Map();
  const orphans: Index<T> = new Map();
  const byNode: Index<T> = new Map();

  const insert = (key: ObjectKey, object: T) => {
    all.set(key, object);
    add(byNamespace, object.metadata.namespace ?? "", key, object);
    const owner = controllerUid(object);
    if (owner !== undefined) add(byOwner, owner, key, object);
    else add(orphans, object.metadata.namespace ?? "", key, object);
    const node = nodeNameOf(object);
    if (node !== undefined) add(byNode, node, key, object);
  };
  const displace = (key: ObjectKey, object: T) => {
    const node = nodeNameOf(object);
    if (node !== undefined) drop(byNode, node, key);
  };
  const disown = (key: ObjectKey, object: T) => {
    const owner = controllerUid(object);
    if (owner !== undefined) drop(byOwner, owner, key);
    else drop(orphans, object.metadata.namespace ?? "", key);
  };
  const withdraw = (key: ObjectKey, object: T) => {
    all.delete(key);
    drop(byNamespace, object.metadata.namespace ?? "", key);
    disown(key, object);
    displace(key, object);
  };

  const remove = (key: ObjectKey, last?: T): readonly Change<T>[] => {
    const old = all.get(key);
    if (!old) return [];
    withdraw(key, old);
    return [{ type: "deleted", key, object: last ?? old, old }];
  };

  return {
    get size() {
      return all.size;
    },
    keys: () => all.keys(),
    get: (key) => all.get(key),
    list: (namespace) => [...((namespace === undefined ? all : byNamespace.get(namespace))?.values() ?? [])],
    ownedBy: (uid) => [...(byOwner.get(uid)?.values() ?? [])],
    orphans: (namespace = "") => [...(orphans.get(namespace)?.values() ?? [])],
    placedOn: (node) => [...(byNode.get(node)?.values() ?? [])],
    remove,
    put(object) {
      const key = keyOf(object);
      const old = all.get(key);
      if (!old) {
        insert(key, object);
        return [{ type: "added", key, object }];
      }
      if (old.metadata.resourceVersion === object.metadata.resourceVersion) return [];
      if (old.metadata.uid !== object.metadata.uid) {
        const gone = remove(key);
        insert(key, object);
        return [...gone, { type: "added", key, object }];
      }
      if (controllerUid(old) !== controllerUid(object)) disown(key, old);
      if (nodeNameOf(old) !== nodeNameOf(object)) displace(key, old);
      insert(key, object);
      return [{ type: "updated", key, object, old }];
    },
  };
}

function controllerUid({ metadata }: StoredObject): string | undefined {
  return metadata.ownerReferences?.find((owner) => owner.controller)?.uid;
}

function nodeNameOf(object: StoredObject): string | undefined {
  const name = (object as { spec?: { nodeName?: unknown } }).spec?.nodeName;
  return typeof name === "string" && name !== "" ? name : undefined;
}

function add<T>(index: Index<T>, value: string, key: ObjectKey, object: T): void {
  const entries = index.get(value);
  if (entries) entries.set(key, object);
  else index.set(value, new Map([[key, object]]));
}

function drop<T>(index: Index<T>, value: string, key: ObjectKey): void {
  const entries = index.get(value);
  entries?.delete(key);
  if (entries?.size === 0) index.delete(value);
}
