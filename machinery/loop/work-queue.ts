/**
 * Work queue: keys that wait to be reconciled, each at most once, and why.
 *
 * A key that is being reconciled waits until that is over; so one key never runs twice at a time.
 * With each key goes its cause: the revision of the change that put it in. A change of what is
 * wanted (spec, creation, deletion) outranks a change of what is (status); otherwise the first counts.
 */
import type { ObjectKey } from "../client/informer.ts";
import type { Clock, Timer } from "../process/clock.ts";
import { limits } from "../process/limits.ts";
import type { Counter } from "../process/metrics.ts";

export interface QueueCause {
  readonly revision?: string | undefined;
  /** The change was one of what is wanted. */
  readonly wanted?: boolean;
}

export interface QueueItem {
  readonly key: ObjectKey;
  readonly cause: QueueCause;
  /** How long it waited for a worker. */
  readonly waitedMs: number;
}

export interface WorkQueue {
  /** Puts a key in; false where the queue is full and dropped it. */
  add(key: ObjectKey, cause?: QueueCause): boolean;
  /** The next key, marked as being worked on; undefined when the signal has aborted. */
  next(signal: AbortSignal): Promise<QueueItem | undefined>;
  /**
   * The work on a key is over. It comes again if it was added meanwhile, and after `after` ms where given;
   * but it rests for `rest` ms first, so that many changes make one.
   */
  finish(item: QueueItem, options?: { readonly after?: number | undefined; readonly rest?: number }): void;
  /** The work on a key failed: it comes again after its back-off, from `minMs` to `maxMs`, which is returned. */
  retry(item: QueueItem, maxMs?: number, minMs?: number): number;
  /** How often in a row the key has failed. */
  failures(key: ObjectKey): number;
  /** Keys that wait for a worker, or for the end of their rest. */
  readonly length: number;
  /** Keys that are worked on now. */
  readonly active: number;
  /** How long each of them has been, in ms. */
  working(): readonly number[];
  /** Keys that come again at a later time. */
  readonly delayed: number;
  /** Keys whose last attempt failed. */
  readonly retrying: number;
}

const FIRST_RETRY_MS = 5;

/** `adds` counts the keys that come in. */
export function createWorkQueue(clock: Clock, adds: Counter = { value: 0 }): WorkQueue {
  const waiting = new Map<ObjectKey, QueueCause>();
  /** Since when, of those that wait. */
  const since = new Map<ObjectKey, number>();
  /** Since when, of those that are worked on. */
  const active = new Map<ObjectKey, number>();
  /** Added while active: to be queued when the work is over. */
  const dirty = new Map<ObjectKey, QueueCause>();
  /** Still in `active`, so that nobody takes them. */
  const resting = new Set<ObjectKey>();
  const timers = new Map<ObjectKey, Timer>();
  const failures = new Map<ObjectKey, number>();
  const idleWorkers: (() => void)[] = [];

  const add = (key: ObjectKey, cause: QueueCause = {}): boolean => {
    const into = active.has(key) ? dirty : waiting;
    const known = into.get(key);
    if (!known && waiting.size + dirty.size >= limits.queueKeys) return false;
    if (!known || (cause.wanted && !known.wanted)) into.set(key, cause);
    if (!known) {
      adds.value++;
      if (into === waiting) since.set(key, clock.monotonic());
    }
    if (into === waiting) idleWorkers.shift()?.();
    return true;
  };

  const later = (key: ObjectKey, ms: number, cause: QueueCause) => {
    timers.get(key)?.cancel();
    const timer = clock.after(ms, () => {
      timers.delete(key);
      add(key, cause);
    });
    timers.set(key, timer);
  };

  const release = (key: ObjectKey) => {
    active.delete(key);
    resting.delete(key);
    const cause = dirty.get(key);
    if (!cause) return;
    dirty.delete(key);
    add(key, cause);
  };

  return {
    add,

    async next(signal) {
      for (;;) {
        if (signal.aborted) return undefined;
        for (const [key, cause] of waiting) {
          waiting.delete(key);
          const now = clock.monotonic();
          active.set(key, now);
          const waitedMs = now - (since.get(key) as number);
          since.delete(key);
          return { key, cause, waitedMs };
        }
        await new Promise<void>((resolve) => {
          const wake = () => {
            signal.removeEventListener("abort", wake);
            resolve();
          };
          idleWorkers.push(wake);
          signal.addEventListener("abort", wake, { once: true });
        });
      }
    },

    finish({ key, cause }, { after, rest = 0 } = {}) {
      failures.delete(key);
      timers.get(key)?.cancel();
      timers.delete(key);
      if (after !== undefined) later(key, after, cause);
      if (rest <= 0) return release(key);
      resting.add(key);
      clock.after(rest, () => release(key));
    },

    retry({ key, cause }, maxMs = limits.queueMaxBackoffMs, minMs = 0) {
      const count = failures.get(key) ?? 0;
      failures.set(key, count + 1);
      const wait = Math.min(Math.max(FIRST_RETRY_MS * 2 ** count, minMs), maxMs);
      later(key, wait, cause);
      release(key);
      return wait;
    },

    failures: (key) => failures.get(key) ?? 0,
    get length() {
      return waiting.size + [...resting].filter((key) => dirty.has(key)).length;
    },
    get active() {
      return active.size - resting.size;
    },
    working() {
      const now = clock.monotonic();
      return [...active].filter(([key]) => !resting.has(key)).map(([, at]) => now - at);
    },
    get delayed() {
      return timers.size;
    },
    get retrying() {
      return failures.size;
    },
  };
}
