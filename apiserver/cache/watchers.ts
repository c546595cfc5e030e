/**
 * Watchers: who must hear of a change, found by index.
 *
 * A watcher stands in exactly one bucket, the narrowest that its selection names, so that a change of a
 * Pod touches the watchers of its name, its node, its namespace, and those of everything. A watcher that
 * does not read is cut off when its queue is full: nothing is buffered without limit.
 */
import type { WatchItem } from "../../machinery/client/transport/contract.ts";
import { limits } from "../../machinery/process/limits.ts";
import type { Revision } from "../store/contract.ts";
import type { Change } from "./change.ts";
import type { ObjectName, Representation, Selection } from "./contract.ts";
import type { Version } from "./version.ts";

export class Watcher {
  readonly selection: Selection;
  readonly selects: ((version: Version) => boolean) | undefined;
  readonly representation: Representation | undefined;
  /** Set when the watch must end. */
  ended: "reset" | "slow" | "closed" | undefined;
  readonly #after: Revision;
  #queue: WatchItem[] = [];
  /** Of the objects that wait: what a watcher who does not read may keep alive. */
  #bytes = 0;
  #wake: (() => void) | undefined;

  /** `after`: changes up to this revision are known to the watcher. */
  constructor(selection: Selection, prefix: string, representation: Representation | undefined, after: Revision) {
    this.selection = selection;
    this.#after = after;
    this.selects = compile(selection, prefix);
    this.representation = representation;
  }

  hear(change: Change): void {
    if (this.ended || change.revision <= this.#after) return;
    const type = change.typeFor(this.selects);
    if (!type) return;
    this.#bytes += (change.current ?? change.previous)?.bytes ?? 0;
    if (this.#queue.length >= limits.watchQueueEvents || this.#bytes > limits.watchQueueBytes) this.end("slow");
    else this.#queue.push(change.item(type, this.representation));
    this.wake();
  }

  /** Drops what waits: nobody may read on after an end. */
  end(why: "reset" | "slow" | "closed"): void {
    this.ended ??= why;
    this.#queue = [];
    this.wake();
  }

  /** What has been heard since the last call. */
  take(): readonly WatchItem[] {
    if (this.#queue.length === 0) return this.#queue;
    const taken = this.#queue;
    this.#queue = [];
    this.#bytes = 0;
    return taken;
  }

  wake(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  /** Resolves when there is something to take, at the latest at the next `wake`. */
  next(): Promise<void> {
    if (this.#queue.length > 0 || this.ended) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

export interface Watchers {
  add(watcher: Watcher): void;
  remove(watcher: Watcher): void;
  dispatch(change: Change): void;
  endAll(why: "reset" | "closed"): void;
  readonly size: number;
}

/** Namespace and name as they stand in a version's key. */
export type NameOf = (key: string) => ObjectName;

export function createWatchers(nameOf: NameOf): Watchers {
  const all = new Set<Watcher>();
  const everything = new Set<Watcher>();
  const byName = new Map<string, Set<Watcher>>();
  const byNode = new Map<string, Set<Watcher>>();
  const byNamespace = new Map<string, Set<Watcher>>();

  /** The bucket of a selection: an index and the value in it, or everything. */
  const place = ({ name, nodeName, namespace }: Selection): [Map<string, Set<Watcher>>, string] | undefined => {
    if (name !== undefined) return [byName, name];
    if (nodeName !== undefined) return [byNode, nodeName];
    if (namespace !== undefined) return [byNamespace, namespace];
    return undefined;
  };

  const tell = (bucket: ReadonlySet<Watcher> | undefined, change: Change) => {
    if (bucket) for (const watcher of bucket) watcher.hear(change);
  };

  return {
    add(watcher) {
      all.add(watcher);
      const at = place(watcher.selection);
      if (!at) return void everything.add(watcher);
      const [index, value] = at;
      const bucket = index.get(value);
      if (bucket) bucket.add(watcher);
      else index.set(value, new Set([watcher]));
    },
    remove(watcher) {
      all.delete(watcher);
      const at = place(watcher.selection);
      if (!at) return void everything.delete(watcher);
      const [index, value] = at;
      const bucket = index.get(value);
      bucket?.delete(watcher);
      if (bucket?.size === 0) index.delete(value);
    },
    dispatch(change) {
      if (all.size === 0) return;
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
      for (const watcher of all) watcher.end(why);
    },
    get size() {
      return all.size;
    },
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
