/**
 * Recent: what has happened while Pods were being tried, for those whose try could not see it.
 *
 * It keeps so much and no more; whoever missed what is forgotten is told that something happened.
 */
import { limits } from "../machinery/process/limits.ts";
import type { Happened } from "./happenings.ts";

export interface Missed {
  /** Undefined: something that is not remembered any more. */
  readonly what: Happened | undefined;
  readonly cause: string;
}

export interface Recent {
  /** Grows with each `add`. */
  readonly position: number;
  add(what: Happened, cause: string): void;
  after(position: number): readonly Missed[];
  clear(): void;
}

export function createRecent(): Recent {
  let kept: Missed[] = [];
  let forgotten = 0;
  return {
    get position() {
      return forgotten + kept.length;
    },
    add(what, cause) {
      kept.push({ what, cause });
      if (kept.length <= limits.schedulerMissed) return;
      const half = kept.length >> 1;
      kept = kept.slice(half);
      forgotten += half;
    },
    after(position) {
      if (position >= forgotten) return kept.slice(position - forgotten);
      return [{ what: undefined, cause: kept.at(-1)?.cause ?? "" }];
    },
    clear() {
      if (kept.length === 0) return;
      forgotten += kept.length;
      kept = [];
    },
  };
}
