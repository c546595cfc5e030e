/**
 * Timeline: what happened to each key at each revision, put together from everything that anyone was told.
 *
 * Two accounts of one revision must agree, and every change must be some commit's: revisions order the whole
 * history, so that no search for an order is needed. The store was empty at the beginning.
 */
import type { Entry, Revision, StoreEvent } from "../contract.ts";
import type { CommitCall, Journal } from "./journal.ts";

export interface KeyChange {
  readonly key: string;
  readonly revision: Revision;
  /** Undefined for a deletion. */
  readonly value: string | undefined;
}

/** What a key holds. */
export interface Held {
  readonly value: string;
  readonly modRevision: Revision;
  readonly createRevision: Revision;
}

export interface Timeline {
  /** All changes by revision. */
  readonly changes: readonly KeyChange[];
  readonly last: Revision;
  /** The commit that made a revision. */
  author(revision: Revision): CommitCall | undefined;
  /** What the key held at a revision. */
  at(key: string, revision: Revision): Held | undefined;
  /** The first change of the key after a revision. */
  next(key: string, revision: Revision): Revision;
  /** Keys that begin so, in order. */
  keys(prefix: string): readonly string[];
  /** Changes after one revision and up to another. */
  between(after: Revision, upTo: Revision): readonly KeyChange[];
}

export const textOf = (value: Uint8Array): string => Buffer.from(value).toString("latin1");

export function createTimeline(journal: Journal, complain: (problem: string) => void): Timeline {
  const found = new Map<string, KeyChange>();
  const tell = (key: string, revision: Revision, value: string | undefined, who: string): void => {
    const id = `${revision} ${key}`;
    const known = found.get(id);
    if (!known) found.set(id, { key, revision, value });
    else if (known.value !== value)
      complain(`${who} says that revision ${revision} made ${key} ${shown(value)}, others say ${shown(known.value)}`);
  };
  const authors = new Map<Revision, CommitCall>();
  collectCommits(journal, tell, authors, complain);
  collectReads(journal, tell);

  const changes = [...found.values()].sort((a, b) => a.revision - b.revision || (a.key < b.key ? -1 : 1));
  const byKey = Map.groupBy(changes, ({ key }) => key);
  const keys = [...byKey.keys()].sort();
  attribute(journal, changes, authors, complain);

  const indexAt = (all: readonly KeyChange[], revision: Revision): number => {
    let [low, high] = [0, all.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((all[middle] as KeyChange).revision <= revision) low = middle + 1;
      else high = middle;
    }
    return low;
  };

  return {
    changes,
    last: changes.at(-1)?.revision ?? 0,
    author: (revision) => authors.get(revision),
    at(key, revision) {
      const all = byKey.get(key) ?? [];
      const index = indexAt(all, revision) - 1;
      const { value, revision: modRevision } = all[index] ?? { value: undefined, revision: 0 };
      if (value === undefined) return undefined;
      let first = index;
      while (first > 0 && all[first - 1]?.value !== undefined) first--;
      return { value, modRevision, createRevision: (all[first] as KeyChange).revision };
    },
    next(key, revision) {
      const all = byKey.get(key) ?? [];
      return all[indexAt(all, revision)]?.revision ?? Number.POSITIVE_INFINITY;
    },
    keys: (prefix) => keys.filter((key) => key.startsWith(prefix)),
    between: (after, upTo) => changes.slice(indexAt(changes, after), indexAt(changes, upTo)),
  };
}

type Tell = (key: string, revision: Revision, value: string | undefined, who: string) => void;

function collectCommits(
  { calls }: Journal,
  tell: Tell,
  authors: Map<Revision, CommitCall>,
  complain: (problem: string) => void,
): void {
  for (const call of calls) {
    if (call.kind !== "commit" || !call.result?.committed) continue;
    const { revision } = call.result;
    const effective = call.operations.filter((one) => one.type === "put" || isConditional(call, one.key));
    if (effective.length === 0) continue;
    if (authors.has(revision)) complain(`two commits were told that they are revision ${revision}`);
    authors.set(revision, call);
    for (const one of effective)
      tell(one.key, revision, one.type === "put" ? textOf(one.value) : undefined, "a commit");
  }
}

/** A delete that names the version it deletes has deleted something. */
const isConditional = ({ conditions }: CommitCall, key: string): boolean =>
  conditions.some((one) => one.key === key && one.modRevision > 0);

function collectReads({ calls, sessions }: Journal, tell: Tell): void {
  const entry = (found: Entry | undefined, who: string) => {
    if (found) tell(found.key, found.modRevision, textOf(found.value), who);
  };
  const event = ({ key, revision, entry: put }: StoreEvent) => tell(key, revision, put && textOf(put.value), "a watch");
  for (const call of calls) {
    if (call.kind === "get") entry(call.entry, "a get");
    if (call.kind === "list" && "entries" in call.result) for (const one of call.result.entries) entry(one, "a list");
    if (call.kind === "commit" && call.result?.committed === false)
      for (const one of call.result.current) entry(one, "a refused commit");
  }
  for (const { batches } of sessions) for (const { batch } of batches) batch.events.forEach(event);
}

/** Finds the commit of each change whose author is not known: one of those that got no answer. */
function attribute(
  { calls }: Journal,
  changes: readonly KeyChange[],
  authors: Map<Revision, CommitCall>,
  complain: (problem: string) => void,
): void {
  const doubtful = calls.filter((call): call is CommitCall => call.kind === "commit" && !call.result);
  const taken = new Set<CommitCall>();
  const before = new Map<string, Revision>();
  for (const [revision, made] of Map.groupBy(changes, (change) => change.revision)) {
    const author = authors.get(revision) ?? doubtful.find((one) => !taken.has(one) && explains(one, made, before));
    if (!author)
      complain(`nobody wrote revision ${revision}: ${made.map(({ key, value }) => `${key} ${shown(value)}`)}`);
    else {
      authors.set(revision, author);
      if (!author.result) taken.add(author);
      else if (!explains(author, made, undefined))
        complain(`revision ${revision} did more than its commit: ${made.map(({ key }) => key).join(", ")}`);
    }
    for (const { key, value } of made) before.set(key, value === undefined ? 0 : revision);
  }
}

function explains(
  { operations, conditions }: CommitCall,
  made: readonly KeyChange[],
  before: ReadonlyMap<string, Revision> | undefined,
): boolean {
  if (before && conditions.some(({ key, modRevision }) => (before.get(key) ?? 0) !== modRevision)) return false;
  return made.every(({ key, value }) =>
    operations.some((one) => one.key === key && (one.type === "put" ? textOf(one.value) : undefined) === value),
  );
}

const shown = (value: string | undefined): string => (value === undefined ? "deleted" : JSON.stringify(value));
