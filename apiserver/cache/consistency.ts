/**
 * Consistency: compares the cache with the store from time to time, and says so loudly when they differ.
 *
 * Both are read at one revision, so that a difference is a fault and not a delay. Only keys and revisions are
 * read, in slices, and nothing at all while nothing has changed. What was found wrong is loaded anew: a cache
 * that lost an event would otherwise be wrong until that object changes again.
 */
import { breather } from "../../machinery/loop/breathe.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import { limits } from "../../machinery/process/limits.ts";
import type { Logger } from "../../machinery/process/logging.ts";
import type { Entry, Revision, Store } from "../store/contract.ts";
import type { ConsistencyChecks } from "./contract.ts";
import type { Freshness } from "./freshness.ts";
import type { Shelf } from "./source.ts";
import type { Version } from "./version.ts";

export interface ConsistencyOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly freshness: Freshness;
  readonly shelves: ReadonlyMap<string, Shelf>;
  /** Called with what is wrong; loads everything anew. */
  readonly reload: (why: string) => void;
}

export interface Consistency {
  /** Compares everything until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
  /** By the resources' prefixes. */
  readonly checks: ReadonlyMap<string, ConsistencyChecks>;
}

interface Difference {
  readonly missing: string[];
  readonly surplus: string[];
  readonly outdated: string[];
}

/** Keys that a message names. */
const NAMED = 5;

export function createConsistency(options: ConsistencyOptions): Consistency {
  const { store, clock, log, freshness, shelves, reload } = options;
  const checks = new Map<string, { success: number; failure: number; error: number }>();
  /** The state that was found right last: of the store, and of each shelf. */
  let verified: Revision = -1;
  const generations = new Map<string, number>();

  const count = (prefix: string, outcome: keyof ConsistencyChecks): void => {
    const counts = checks.get(prefix) ?? { success: 0, failure: 0, error: 0 };
    counts[outcome]++;
    checks.set(prefix, counts);
  };

  const compare = async (prefix: string, { objects }: Shelf): Promise<Difference | undefined> => {
    // one step: this is what the cache holds at this revision
    const revision = freshness.seen;
    const { versions } = objects.range(prefix, undefined, 0);
    const { entries } = await store.list({ prefix, revision, versionsOnly: true });
    const breath = breather(clock);
    const difference: Difference = { missing: [], surplus: [], outdated: [] };
    let [left, right] = [0, 0];
    while (left < versions.length || right < entries.length) {
      const pause = breath();
      if (pause) await pause;
      const order = inOrder(versions[left], entries[right]);
      if (order < 0) difference.surplus.push((versions[left++] as Version).key);
      else if (order > 0) difference.missing.push((entries[right++] as Entry).key);
      else if (versions[left++]?.revision !== entries[right++]?.modRevision)
        difference.outdated.push((versions[left - 1] as Version).key);
    }
    return Object.values(difference).some((keys) => keys.length > 0) ? difference : undefined;
  };

  const check = async (prefix: string, shelf: Shelf): Promise<boolean> => {
    try {
      const difference = await compare(prefix, shelf);
      count(prefix, difference ? "failure" : "success");
      if (!difference) return true;
      const { missing, surplus, outdated } = difference;
      log.error("the watch cache differs from the store", {
        resource: prefix,
        missing: missing.length,
        surplus: surplus.length,
        outdated: outdated.length,
        keys: [...missing, ...surplus, ...outdated].slice(0, NAMED),
      });
      reload(`the watch cache differs from the store in ${prefix}`);
    } catch (error) {
      // compacted meanwhile, or a store that does not answer: nothing is known
      count(prefix, "error");
      log.debug("the watch cache could not be compared with the store", { resource: prefix, error });
    }
    return false;
  };

  const isIdle = async (): Promise<boolean> => {
    const revision = await store.revision().catch(() => undefined);
    return (
      revision === verified && [...shelves].every(([key, { objects }]) => generations.get(key) === objects.generation)
    );
  };

  const checkAll = async (signal: AbortSignal): Promise<void> => {
    if (await isIdle()) return;
    const revision = freshness.seen;
    const before = new Map([...shelves].map(([key, { objects }]) => [key, objects.generation]));
    let right = true;
    for (const [prefix, shelf] of [...shelves]) {
      if (signal.aborted) return;
      if (right) right = await check(prefix, shelf);
    }
    verified = right ? revision : -1;
    for (const [key, generation] of before) generations.set(key, generation);
  };

  return {
    checks,
    async run(signal) {
      while (!signal.aborted) {
        // spread, so that several servers do not ask their store together
        const wait = limits.consistencyCheckMs * (0.9 + clock.random() * 0.2);
        await pause(clock, wait, signal);
        if (!signal.aborted) await checkAll(signal);
      }
    },
  };
}

/** Keeps no process alive. */
function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      timer.cancel();
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = clock.after(ms, end, { background: true });
    signal.addEventListener("abort", end, { once: true });
  });
}

function inOrder(version: Version | undefined, entry: Entry | undefined): number {
  if (!version) return 1;
  if (!entry) return -1;
  return version.key < entry.key ? -1 : version.key > entry.key ? 1 : 0;
}
