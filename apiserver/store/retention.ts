/**
 * Retention: decides up to which revision history may go, by age and by size.
 *
 * Pure bookkeeping over coarse marks (time, revision, bytes), so that its own size is bounded.
 * Whoever asks `due` does the compaction.
 */
import type { Revision } from "./contract.ts";

export interface RetentionBounds {
  readonly historyMs: number;
  readonly historyBytes: number;
}

/** History up to `revision` and after the mark before: when it ended, and its size. */
export interface Mark {
  readonly revision: Revision;
  readonly time: number;
  readonly bytes: number;
}

export interface Retention {
  add(revision: Revision, bytes: number, now: number): void;
  /** The revision to compact to, or undefined when all may stay. */
  due(now: number): Revision | undefined;
  /** What was dropped up to `revision` counts no longer. */
  dropped(revision: Revision): void;
  /** For stores that keep marks over a restart. */
  readonly marks: readonly Mark[];
}

/** Marks a bound is divided into: history is dropped in steps of a 32nd of the bound. */
const STEPS = 32;

export function createRetention(
  { historyMs, historyBytes }: RetentionBounds,
  restored: readonly Mark[] = [],
): Retention {
  const marks: Mark[] = [...restored];
  let total = marks.reduce((sum, { bytes }) => sum + bytes, 0);
  let opened = marks.at(-1)?.time ?? Number.NEGATIVE_INFINITY;

  return {
    marks,
    add(revision, bytes, now) {
      total += bytes;
      const last = marks.at(-1);
      if (last && now - opened < historyMs / STEPS && last.bytes + bytes < historyBytes / STEPS) {
        marks[marks.length - 1] = { revision, time: now, bytes: last.bytes + bytes };
        return;
      }
      opened = now;
      marks.push({ revision, time: now, bytes });
    },
    due(now) {
      let kept = total;
      let due: Revision | undefined;
      for (const mark of marks) {
        if (now - mark.time < historyMs && kept <= historyBytes) break;
        due = mark.revision;
        kept -= mark.bytes;
      }
      return due;
    },
    dropped(revision) {
      while (marks.length > 0 && (marks[0] as Mark).revision <= revision) total -= (marks.shift() as Mark).bytes;
    },
  };
}
