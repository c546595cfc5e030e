/**
 * Back-off of a DaemonSet: how long a Pod that failed stays before it is replaced.
 *
 * A node that refuses a Pod does so again at once; so each replacement on it waits twice as long, up to a maximum.
 * What is remembered is gone after a restart, and forgotten with the set.
 */
import type { ObjectKey } from "../machinery/client/informer.ts";

export interface DaemonBackoff {
  /** Milliseconds that the failed Pod on this node still has to stay; 0: it may go. `now` is monotonic. */
  wait(key: ObjectKey, node: string, now: number): number;
  /** The failed Pod on this node is about to go. */
  replaced(key: ObjectKey, node: string, now: number): void;
  forget(key: ObjectKey): void;
}

const FIRST_MS = 1_000;
const MAX_MS = 15 * 60_000;

interface Last {
  readonly at: number;
  readonly ms: number;
}

export function createDaemonBackoff(): DaemonBackoff {
  const last = new Map<ObjectKey, Map<string, Last>>();
  return {
    wait(key, node, now) {
      const known = last.get(key)?.get(node);
      return known ? Math.max(0, known.at + known.ms - now) : 0;
    },
    replaced(key, node, now) {
      const nodes = last.get(key) ?? new Map<string, Last>();
      const known = nodes.get(node);
      const ms = known && now - known.at <= 2 * MAX_MS ? Math.min(known.ms * 2, MAX_MS) : FIRST_MS;
      last.set(key, nodes.set(node, { at: now, ms }));
      for (const [other, { at }] of nodes) if (now - at > 2 * MAX_MS) nodes.delete(other);
    },
    forget: (key) => void last.delete(key),
  };
}
