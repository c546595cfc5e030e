/**
 * Watchers: who must hear of a change, found by index.
 *
 * Watchers of the same objects in the same form are one audience, which stands in exactly one bucket: the narrowest
 * that its selection names. So a change of a Pod touches the audiences of its name, its node, its namespace, and
 * those of everything. What an audience hears, and who in it is cut off: audience.ts.
 */
import type { Clock } from "../../machinery/process/clock.ts";
import type { Revision } from "../store/contract.ts";
import { Audience, Watcher } from "./audience.ts";
import type { Change } from "./change.ts";
import type { ObjectName, Representation, Selection } from "./contract.ts";
import type { Version } from "./version.ts";

export interface Joining {
  readonly selection: Selection;
  readonly representation: Representation | undefined;
  /** Changes up to this revision are known to the watcher, though they are not here yet; 0: what is here is known. */
  readonly after: Revision;
}

export interface Watchers {
  join(joining: Joining): Watcher;
  /** False when it has left before. */
  remove(watcher: Watcher): boolean;
  dispatch(change: Change): void;
  endAll(why: "reset" | "closed"): void;
  readonly size: number;
}

/** Namespace and name as they stand in a version's key. */
export type NameOf = (key: string) => ObjectName;

/** Audiences by what they have in common. */
type Bucket = Map<string, Audience>;

export function createWatchers(prefix: string, nameOf: NameOf, clock: Pick<Clock, "monotonic" | "after">): Watchers {
  const everything: Bucket = new Map();
  const byName = new Map<string, Bucket>();
  const byNode = new Map<string, Bucket>();
  const byNamespace = new Map<string, Bucket>();
  const common = createCommon();
  const keys = new WeakMap<Audience, string>();
  let size = 0;

  /** The place of a selection: an index and the value in it, or everything. */
  const place = ({ name, nodeName, namespace }: Selection): [Map<string, Bucket>, string] | undefined => {
    if (name !== undefined) return [byName, name];
    if (nodeName !== undefined) return [byNode, nodeName];
    if (namespace !== undefined) return [byNamespace, namespace];
    return undefined;
  };

  const bucketOf = (selection: Selection): Bucket => {
    const at = place(selection);
    if (!at) return everything;
    const [index, value] = at;
    const found = index.get(value);
    if (found) return found;
    const bucket: Bucket = new Map();
    index.set(value, bucket);
    return bucket;
  };

  const tell = (bucket: Bucket | undefined, change: Change) => {
    if (bucket) for (const audience of bucket.values()) audience.hear(change);
  };

  return {
    join(joining) {
      const { selection } = joining;
      const bucket = bucketOf(selection);
      const key = common(joining);
      let audience = bucket.get(key);
      if (!audience) {
        audience = new Audience({ ...joining, selects: compile(selection, prefix) }, clock);
        keys.set(audience, key);
        bucket.set(key, audience);
      }
      const watcher = new Watcher(audience);
      audience.members.add(watcher);
      size++;
      return watcher;
    },
    remove(watcher) {
      const { audience } = watcher;
      if (!audience.members.delete(watcher)) return false;
      size--;
      if (audience.members.size > 0) return true;
      const { selection } = audience;
      const bucket = bucketOf(selection);
      bucket.delete(keys.get(audience) as string);
      const at = place(selection);
      if (at && bucket.size === 0) at[0].delete(at[1]);
      return true;
    },
    dispatch(change) {
      if (size === 0) return;
      const version = (change.current ?? change.previous) as Version;
      tell(everything, change);
      if (byName.size > 0 || byNamespace.size > 0) {
        const { namespace, name } = nameOf(version.key);
        tell(byName.get(name), change);
        if (namespace !== undefined) tell(byNamespace.get(namespace), change);
      }
      if (byNode.size === 0) return;
      const now = change.current?.nodeName;
      const before = change.previous?.nodeName;
      if (now !== undefined) tell(byNode.get(now), change);
      if (before !== undefined && before !== now) tell(byNode.get(before), change);
    },
    endAll(why) {
      for (const index of [[everything], ...[byName, byNode, byNamespace].map((one) => one.values())])
        for (const bucket of index)
          for (const { members } of bucket.values()) for (const watcher of members) watcher.end(why);
    },
    get size() {
      return size;
    },
  };
}

/** What those who hear the same have in common; a selection of functions without a key is like no other. */
function createCommon(): (joining: Joining) => string {
  let alone = 0;
  return ({ selection, representation, after }) => {
    const { namespace, name, nodeName, labels, fields, matches, key } = selection;
    const own = key === undefined && (labels ?? fields ?? matches) ? ++alone : key;
    return JSON.stringify([namespace, name, nodeName, own, representation?.key, after]);
  };
}

/** The selection as one predicate; undefined when everything matches. The cheapest questions come first. */
export function compile(selection: Selection, prefix: string): ((version: Version) => boolean) | undefined {
  const { namespace, name, nodeName, labels, fields, matches } = selection;
  const start = namespace === undefined ? undefined : `${prefix}${namespace}/`;
  const end = name === undefined ? undefined : `/${name}`;
  const all: ((version: Version) => boolean)[] = [];
  if (start !== undefined) all.push(({ key }) => key.startsWith(start));
  if (end !== undefined) all.push(({ key }) => key.endsWith(end));
  if (nodeName !== undefined) all.push((version) => version.nodeName === nodeName);
  if (labels) all.push((version) => labels(version.labels));
  if (fields) all.push((version) => fields.matches(version.fields(fields.of)));
  if (matches) all.push((version) => matches(version.object));
  if (all.length <= 1) return all[0];
  return (version) => {
    for (const one of all) if (!one(version)) return false;
    return true;
  };
}

/** Where a selection's objects lie, and what it asks beyond that. */
export function scope(
  resourcePrefix: string,
  { namespace, ...rest }: Selection,
): { readonly prefix: string; readonly selects: ((version: Version) => boolean) | undefined } {
  const prefix = namespace === undefined ? resourcePrefix : `${resourcePrefix}${namespace}/`;
  return { prefix, selects: compile(rest, resourcePrefix) };
}
