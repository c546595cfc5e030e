/**
 * Check of calls: every answer must be that of one moment between call and return, in one order for all.
 *
 * The moment is a revision. Commits name theirs; reads get the earliest that explains their answer and is not
 * before anything that was known when they were called. Taking the earliest is safe: it forbids least later.
 */
import type { Entry, ListRequest, ListResult, Revision } from "../contract.ts";
import type { CommitCall, GetCall, Journal, JournalCall, ListCall } from "./journal.ts";
import { type Held, type Timeline, textOf } from "./timeline.ts";

type Complain = (problem: string) => void;

export function checkCalls({ calls }: Journal, timeline: Timeline, complain: Complain): void {
  const byCall = [...calls].sort((a, b) => a.called - b.called);
  const byReturn = calls.filter(({ returned }) => Number.isFinite(returned)).sort((a, b) => a.returned - b.returned);
  const moments = new Map<JournalCall, Revision>();
  let known: Revision = 0;
  let done = 0;
  for (const call of byCall) {
    for (; (byReturn[done]?.returned ?? Number.POSITIVE_INFINITY) < call.called; done++)
      known = Math.max(known, moments.get(byReturn[done] as JournalCall) ?? 0);
    const moment = momentOf(call, known, timeline, complain);
    if (moment !== undefined) moments.set(call, moment);
  }
  checkAuthors(byCall, byReturn, moments, timeline, complain);
  checkCompaction(calls, complain);
}

/** When the call took effect; undefined where it tells nothing. */
function momentOf(call: JournalCall, known: Revision, timeline: Timeline, complain: Complain): Revision | undefined {
  switch (call.kind) {
    case "commit":
      return momentOfCommit(call, known, timeline, complain);
    case "get":
      return momentOfGet(call, known, timeline, complain);
    case "list":
      return momentOfList(call, known, timeline, complain);
    case "revision":
      if (call.revision < known) complain(`revision ${call.revision} was told after ${known} was known`);
      return call.revision;
    case "compact":
      return undefined;
  }
}

function momentOfCommit(
  { result, conditions, operations }: CommitCall,
  known: Revision,
  timeline: Timeline,
  complain: Complain,
): Revision | undefined {
  if (!result) return undefined;
  const { revision } = result;
  const held = (key: string, at: Revision) => timeline.at(key, at)?.modRevision ?? 0;
  if (!result.committed) {
    if (revision < known) complain(`a commit was refused at revision ${revision} after ${known} was known`);
    conditions.forEach(({ key }, index) => {
      const told = result.current[index];
      if (!same(told, timeline.at(key, revision)))
        complain(`a commit refused at revision ${revision} was shown ${key} as ${brief(told)}`);
    });
    if (conditions.every(({ key, modRevision }) => held(key, revision) === modRevision))
      complain(`a commit was refused at revision ${revision} though its conditions held`);
    return revision;
  }
  const changed = timeline.author(revision)?.result === result;
  if (revision < known || (changed && revision === known))
    complain(`a commit became revision ${revision} after ${known} was known`);
  const before = changed ? revision - 1 : revision;
  for (const { key, modRevision } of conditions)
    if (held(key, before) !== modRevision)
      complain(`revision ${revision} was committed though ${key} was at ${held(key, before)}, not ${modRevision}`);
  if (changed && timeline.between(revision - 1, revision).length < operations.length) {
    const missing = operations.filter(({ type, key }) => type === "put" && held(key, revision) !== revision);
    for (const { key } of missing) complain(`revision ${revision} was committed without its ${key}`);
  }
  return revision;
}

function momentOfGet({ key, entry }: GetCall, known: Revision, timeline: Timeline, complain: Complain): Revision {
  if (entry) {
    if (!same(entry, timeline.at(key, entry.modRevision)))
      complain(`${key} was read as ${brief(entry)}, which it never was`);
    const until = timeline.next(key, entry.modRevision);
    if (until <= known)
      complain(`${key} was read as of ${entry.modRevision}, but ${until} was known, which changed it`);
    return Math.max(known, entry.modRevision);
  }
  let at = known;
  while (timeline.at(key, at)) {
    const next = timeline.next(key, at);
    if (!Number.isFinite(next)) {
      complain(`${key} was not found, but it was there at revision ${known} and ever since`);
      return known;
    }
    at = next;
  }
  return at;
}

function momentOfList(
  { request, result }: ListCall,
  known: Revision,
  timeline: Timeline,
  complain: Complain,
): Revision | undefined {
  if ("refused" in result) return undefined;
  const { revision } = result;
  if (request.revision !== undefined && request.revision !== revision)
    complain(`a list at revision ${request.revision} was answered at ${revision}`);
  if (request.revision === undefined && revision < known)
    complain(`a list was answered at revision ${revision} after ${known} was known`);
  const difference = differs(request, result, timeline);
  if (difference) complain(`a list of ${request.prefix} at revision ${revision} ${difference}`);
  return revision;
}

function differs(
  { prefix, after = "", limit = 0 }: ListRequest,
  { entries, remaining, revision }: ListResult,
  timeline: Timeline,
): string | undefined {
  const there = timeline.keys(prefix).filter((key) => key > after && timeline.at(key, revision));
  const expected = limit > 0 ? there.slice(0, limit) : there;
  const listed = entries.map(({ key }) => key);
  if (listed.join("\n") !== expected.join("\n"))
    return `brought ${listed.length} keys, not ${expected.length}: ${odd(listed, expected)}`;
  const wrong = entries.find((entry) => !same(entry, timeline.at(entry.key, revision)));
  if (wrong) return `brought ${brief(wrong)}`;
  return remaining === there.length - expected.length
    ? undefined
    : `left out ${remaining}, not ${there.length - expected.length}`;
}

function odd(listed: readonly string[], expected: readonly string[]): string {
  const missing = expected.filter((key) => !listed.includes(key));
  const extra = listed.filter((key) => !expected.includes(key));
  return [...missing.map((key) => `-${key}`), ...extra.map((key) => `+${key}`)].slice(0, 5).join(" ");
}

/** Commits that got no answer but happened: not before what was known when they were called. */
function checkAuthors(
  byCall: readonly JournalCall[],
  byReturn: readonly JournalCall[],
  moments: ReadonlyMap<JournalCall, Revision>,
  timeline: Timeline,
  complain: Complain,
): void {
  const happened = new Map(timeline.changes.map(({ revision }) => [timeline.author(revision), revision]));
  let known: Revision = 0;
  let done = 0;
  for (const call of byCall) {
    for (; (byReturn[done]?.returned ?? Number.POSITIVE_INFINITY) < call.called; done++)
      known = Math.max(known, moments.get(byReturn[done] as JournalCall) ?? 0);
    const revision = call.kind === "commit" && !call.result ? happened.get(call) : undefined;
    if (revision !== undefined && revision <= known)
      complain(`a commit without an answer became revision ${revision} after ${known} was known`);
  }
}

/** What is compacted is refused, and nothing else is. */
function checkCompaction(calls: readonly JournalCall[], complain: Complain): void {
  const compactions = calls.filter((call) => call.kind === "compact");
  const compactedTo = (holds: (call: { called: number; returned: number }) => boolean) =>
    compactions.filter(holds).reduce((most, { revision }) => Math.max(most, revision), 0);
  for (const call of calls) {
    if (call.kind !== "list" || call.request.revision === undefined) continue;
    const { revision } = call.request;
    const refused = "refused" in call.result && call.result.refused === "compacted";
    if (refused && compactedTo(({ called }) => called < call.returned) <= revision)
      complain(`a list at revision ${revision} was refused as compacted, which it was not`);
    if (!("refused" in call.result) && compactedTo(({ returned }) => returned < call.called) > revision)
      complain(`a list was answered at revision ${revision}, which is compacted`);
  }
}

export function same(entry: Entry | undefined, held: Held | undefined): boolean {
  if (!entry || !held) return !entry && !held;
  const { value, modRevision, createRevision } = entry;
  return textOf(value) === held.value && modRevision === held.modRevision && createRevision === held.createRevision;
}

export const brief = (entry: Entry | undefined): string =>
  entry
    ? `${entry.key}=${textOf(entry.value)} (created ${entry.createRevision}, modified ${entry.modRevision})`
    : "absent";
