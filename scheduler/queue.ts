/**
 * Queue: which Pod is scheduled next, and when one that did not fit is tried again.
 *
 * Active Pods go by priority, then age. One that failed waits in back-off (1 s doubling to 10 s)
 * once something happened that may help it, and as unschedulable until then, five minutes at most.
 * https://github.com/kubernetes/community/blob/master/contributors/devel/sig-scheduling/scheduler_queues.md
 */

import type { Pod } from "../machinery/objects/kinds.ts";
import type { Clock, Timer } from "../machinery/process/clock.ts";

export interface Queued {
  readonly pod: Pod;
  /** Revision of the change that made the Pod worth a try: its own, or a node's. */
  readonly cause: string;
}

export interface SchedulingQueue {
  /** A new or changed Pod that has no node. */
  put(pod: Pod): void;
  /** Gone, or bound by whomever. */
  remove(key: string): void;
  /** The Pod did not fit now. */
  failed(pod: Pod): void;
  /** Something happened that may make room: every unschedulable Pod is worth another try. */
  wake(cause: string): void;
  /** The next Pod; waits for one. Rejects with the signal's reason when it aborts. */
  take(signal: AbortSignal): Promise<Queued>;
  readonly length: number;
}

const BACKOFF_MS = { first: 1_000, last: 10_000 };
const UNSCHEDULABLE_MS = 5 * 60_000;

interface Entry {
  pod: Pod;
  cause: string;
  attempts: number;
  readonly order: number;
  /** Not before this monotonic time. */
  notBefore: number;
  state: "active" | "unschedulable" | "taken";
  /** Woken while it was being tried: what the try saw is out of date. */
  woken: boolean;
}

export function createSchedulingQueue(clock: Clock): SchedulingQueue {
  const entries = new Map<string, Entry>();
  let order = 0;
  let waiting: (() => void) | undefined;
  let timer: Timer | undefined;

  const nudge = () => {
    waiting?.();
    waiting = undefined;
  };

  function best(): Entry | undefined {
    const now = clock.monotonic();
    let chosen: Entry | undefined;
    for (const entry of entries.values()) {
      if (entry.state !== "active" || entry.notBefore > now) continue;
      if (!chosen || before(entry, chosen)) chosen = entry;
    }
    return chosen;
  }

  /** Worth another try, when its back-off is over. One that is being tried now comes again if it fails. */
  function revive(entry: Entry, cause: string): void {
    entry.cause = cause;
    if (entry.state === "taken") entry.woken = true;
    if (entry.state !== "unschedulable") return;
    const failedAt = entry.notBefore - UNSCHEDULABLE_MS;
    entry.state = "active";
    entry.notBefore = failedAt + Math.min(BACKOFF_MS.first * 2 ** (entry.attempts - 1), BACKOFF_MS.last);
    nudge();
  }

  /** Wakes the taker when the first back-off ends, or an unschedulable Pod has waited long enough. */
  function wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = () => {
        signal.removeEventListener("abort", onAbort);
        timer?.cancel();
        resolve();
      };
      const onAbort = () => {
        timer?.cancel();
        waiting = undefined;
        reject(signal.reason);
      };
      signal.addEventListener("abort", onAbort, { once: true });
      waiting = settle;
      const times = [...entries.values()].filter(({ state }) => state !== "taken").map(({ notBefore }) => notBefore);
      if (times.length)
        timer = clock.after(Math.max(Math.min(...times) - clock.monotonic(), 1), nudge, { background: true });
    });
  }

  return {
    put(pod) {
      const key = keyOf(pod);
      const found = entries.get(key);
      if (found && found.pod.metadata.uid === pod.metadata.uid) {
        const respecified = found.pod.metadata.generation !== pod.metadata.generation;
        found.pod = pod;
        if (respecified) revive(found, pod.metadata.resourceVersion);
        return;
      }
      const cause = pod.metadata.resourceVersion;
      entries.set(key, { pod, cause, attempts: 0, order: order++, notBefore: 0, state: "active", woken: false });
      nudge();
    },
    remove: (key) => void entries.delete(key),
    failed(pod) {
      const entry = entries.get(keyOf(pod));
      if (!entry || entry.pod.metadata.uid !== pod.metadata.uid) return;
      entry.attempts++;
      entry.state = "unschedulable";
      entry.notBefore = clock.monotonic() + UNSCHEDULABLE_MS;
      if (entry.woken) revive(entry, entry.cause);
      entry.woken = false;
    },
    wake(cause) {
      for (const entry of entries.values()) revive(entry, cause);
    },
    async take(signal) {
      for (;;) {
        signal.throwIfAborted();
        expire();
        const entry = best();
        if (entry) {
          entry.state = "taken";
          return { pod: entry.pod, cause: entry.cause };
        }
        await wait(signal);
      }
    },
    get length() {
      return entries.size;
    },
  };

  function expire(): void {
    const now = clock.monotonic();
    for (const entry of entries.values())
      if (entry.state === "unschedulable" && entry.notBefore <= now) entry.state = "active";
  }
}

const keyOf = ({ metadata }: Pod) => `${metadata.namespace}/${metadata.name}`;

function before(a: Entry, b: Entry): boolean {
  const [first, second] = [a.pod.spec?.priority ?? 0, b.pod.spec?.priority ?? 0];
  return first === second ? a.order < b.order : first > second;
}
