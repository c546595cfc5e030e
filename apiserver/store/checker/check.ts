/**
 * Check: is what the journal holds the history of a store as the contract has it?
 *
 * Linearizable commits and reads, and watches that are ordered, unique, gapless and resumable. Nothing here
 * knows how a store works. What it finds is told in sentences; no finding does not prove that there is no fault.
 */
import { checkCalls } from "./check-calls.ts";
import { checkWatches } from "./check-watches.ts";
import type { Journal } from "./journal.ts";
import { createTimeline } from "./timeline.ts";

/** Findings of one fault are many and alike: the first ones tell it. */
const MOST = 50;

export function checkHistory(journal: Journal): readonly string[] {
  const problems = new Set<string>();
  const complain = (problem: string) => {
    if (problems.size < MOST) problems.add(problem);
  };
  const timeline = createTimeline(journal, complain);
  checkCalls(journal, timeline, complain);
  checkWatches(journal, timeline, complain);
  return [...problems];
}
