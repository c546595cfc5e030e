/**
 * Answer cache: what other servers said, for as long as they said it holds.
 *
 * Bounded by number and bytes; what was not asked for longest goes first. Answers that are over stay
 * as long as there is room: an old one is better than none while no server can be reached (RFC 8767).
 */
import type { Clock } from "../../machinery/process/clock.ts";
import { limits } from "../../machinery/process/limits.ts";
import type { PassedAnswer } from "./passed-answer.ts";

export interface CachedAnswer {
  readonly answer: PassedAnswer;
  readonly ageSeconds: number;
  /** False when its time is over. */
  readonly fresh: boolean;
}

export interface AnswerCache {
  get(key: string): CachedAnswer | undefined;
  put(key: string, answer: PassedAnswer): void;
  clear(): void;
  readonly size: number;
}

/** What an entry takes beside its bytes. */
const OVERHEAD_BYTES = 500;
const LONGEST_STALE_MS = 3_600_000;

export function createAnswerCache(clock: Clock): AnswerCache {
  const entries = new Map<string, { readonly answer: PassedAnswer; readonly since: number }>();
  let kept = 0;
  const cost = (key: string, { bytes }: PassedAnswer) => key.length + bytes.length + OVERHEAD_BYTES;
  const drop = (key: string) => {
    const entry = entries.get(key);
    if (!entry) return;
    kept -= cost(key, entry.answer);
    entries.delete(key);
  };
  return {
    get size() {
      return entries.size;
    },
    get(key) {
      const entry = entries.get(key);
      if (!entry) return undefined;
      const age = clock.monotonic() - entry.since;
      if (age > entry.answer.lifetimeSeconds * 1000 + LONGEST_STALE_MS) {
        drop(key);
        return undefined;
      }
      entries.delete(key);
      entries.set(key, entry);
      const ageSeconds = Math.floor(age / 1000);
      return { answer: entry.answer, ageSeconds, fresh: age < entry.answer.lifetimeSeconds * 1000 };
    },
    clear() {
      entries.clear();
      kept = 0;
    },
    put(key, answer) {
      drop(key);
      // A copy of its own: what came in may be a small part of a large buffer.
      const own = { ...answer, bytes: Buffer.from(answer.bytes) };
      entries.set(key, { answer: own, since: clock.monotonic() });
      kept += cost(key, own);
      for (const [oldest] of entries) {
        if (entries.size <= limits.dnsCachedAnswers && kept <= limits.dnsCachedBytes) break;
        drop(oldest);
      }
    },
  };
}
