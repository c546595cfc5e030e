/**
 * Check of watches: each brings every change once, in order, whole revisions at a time, and claims to have
 * brought no more than it has.
 */
import type { Revision, StoreEvent } from "../contract.ts";
import { brief, same } from "./check-calls.ts";
import type { CompactCall, Journal, WatchSession } from "./journal.ts";
import type { KeyChange, Timeline } from "./timeline.ts";

type Complain = (problem: string) => void;

export function checkWatches({ sessions, calls }: Journal, timeline: Timeline, complain: Complain): void {
  const compactions = calls.filter((call): call is CompactCall => call.kind === "compact");
  for (const session of sessions) {
    const name = `the watch of ${session.prefix} after ${session.after}`;
    const cursor = checkBatches(session, timeline, (problem) => complain(`${name} ${problem}`));
    const compacted = compactions.some(
      ({ revision, called }) => revision > session.after && called < Number.POSITIVE_INFINITY,
    );
    if (session.ended === "compacted" && !compacted) complain(`${name} ended as compacted, which it was not`);
    if (session.ended !== undefined) continue;
    const missing = timeline.between(cursor, timeline.last).find(({ key }) => key.startsWith(session.prefix));
    if (missing) complain(`${name} never brought ${missing.key} at ${missing.revision}`);
  }
}

/** Returns how far the watch came. */
function checkBatches({ prefix, after, batches }: WatchSession, timeline: Timeline, complain: Complain): Revision {
  let cursor = after;
  for (const { at, batch } of batches) {
    if (batch.revision < cursor) complain(`went back from ${cursor} to ${batch.revision}`);
    const expected = timeline.between(cursor, batch.revision).filter(({ key }) => key.startsWith(prefix));
    compare(batch.events, expected, timeline, complain);
    for (const { revision } of batch.events)
      if ((timeline.author(revision)?.called ?? 0) > at) complain(`brought ${revision} before it was asked for`);
    cursor = Math.max(cursor, batch.revision);
  }
  return cursor;
}

function compare(
  events: readonly StoreEvent[],
  expected: readonly KeyChange[],
  timeline: Timeline,
  complain: Complain,
): void {
  const idOf = ({ key, revision }: { key: string; revision: Revision }) => `${key} at ${revision}`;
  const due = new Map(expected.map((change) => [idOf(change), change]));
  let last = 0;
  for (const event of events) {
    const { revision, type, key, entry } = event;
    if (revision < last) complain(`brought ${revision} after ${last}`);
    last = revision;
    const change = due.get(idOf(event));
    if (!change) complain(`brought ${idOf(event)} out of turn`);
    else if ((change.value === undefined) !== (type === "delete")) complain(`brought ${idOf(event)} as a ${type}`);
    else if (entry && !same(entry, timeline.at(key, revision))) complain(`brought ${brief(entry)}`);
    due.delete(idOf(event));
  }
  for (const id of due.keys()) complain(`did not bring ${id} though it claims to have come so far`);
}
