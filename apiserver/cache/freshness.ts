/**
 * Freshness: how a read from memory is as good as a read from the store.
 *
 * The store says which revision is the current one, and the read waits until the cache has seen it. When
 * the watch lags behind, a key of our own is touched to make it move; when that does not help either, the
 * caller reads the store itself.
 */
import type { Clock } from "../../machinery/process/clock.ts";
import type { Logger } from "../../machinery/process/logging.ts";
import type { Revision, Store } from "../store/contract.ts";
import { progressKey } from "./keys.ts";

/** A cache that is this far behind gets a push. */
const TOUCH_AFTER_MS = 500;
/** A cache that is this far behind is read past. */
export const GIVE_UP_AFTER_MS = 3_000;

export interface Freshness {
  /** The revision that the cache has seen. */
  readonly seen: Revision;
  advance(revision: Revision): void;
  /** Why the last question to the store failed; undefined when it was answered. */
  readonly failure: string | undefined;
  /** A revision at least as new as everything committed before this call. */
  quorum(): Promise<Revision>;
  /** Writes a key of our own, so that the watch brings something. */
  touch(): Promise<void>;
  /** True when the cache has seen `revision`, false after 3 s without. */
  reached(revision: Revision): Promise<boolean>;
}

export interface FreshnessOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
}

interface Waiter {
  readonly revision: Revision;
  readonly resolve: () => void;
}

export function createFreshness({ store, clock, log }: FreshnessOptions): Freshness {
  let seen: Revision = 0;
  let waiters: Waiter[] = [];
  let running: Promise<Revision> | undefined;
  let next: Promise<Revision> | undefined;
  let failure: string | undefined;

  const question = async (): Promise<Revision> => {
    try {
      const revision = await store.revision();
      failure = undefined;
      return revision;
    } catch (error) {
      failure = error instanceof Error ? error.message : String(error);
      throw error;
    }
  };

  const ask = (): Promise<Revision> => {
    next = undefined;
    const asked = question().finally(() => {
      if (running === asked) running = undefined;
    });
    running = asked;
    return asked;
  };

  const touch = async (): Promise<void> => {
    try {
      await store.commit([], [{ type: "put", key: progressKey, value: new Uint8Array(0) }]);
    } catch (error) {
      log.warn("progress key could not be written", { error });
    }
  };

  const wait = (revision: Revision): Promise<boolean> =>
    new Promise((resolve) => {
      const finish = (reached: boolean) => {
        push.cancel();
        stop.cancel();
        resolve(reached);
      };
      const waiter: Waiter = { revision, resolve: () => finish(true) };
      const push = clock.after(TOUCH_AFTER_MS, () => void touch(), { background: true });
      const stop = clock.after(GIVE_UP_AFTER_MS, () => {
        waiters = waiters.filter((one) => one !== waiter);
        finish(false);
      });
      waiters.push(waiter);
    });

  return {
    get seen() {
      return seen;
    },
    get failure() {
      return failure;
    },
    advance(revision) {
      if (revision <= seen) return;
      seen = revision;
      if (waiters.length === 0) return;
      const ready = waiters.filter((one) => one.revision <= seen);
      waiters = waiters.filter((one) => one.revision > seen);
      for (const { resolve } of ready) resolve();
    },
    quorum() {
      // an answer that was asked for before this call may be too old: share the one after it
      if (!running) return ask();
      next ??= running.then(ask, ask);
      return next;
    },
    touch,
    reached: async (revision) => seen >= revision || (await wait(revision)),
  };
}
