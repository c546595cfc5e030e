/**
 * Queue: which Pod is scheduled next, and when one that did not fit is tried again.
 *
 * Active Pods go by priority, then in the order in which they became active, so that old Pods that
 * never fit cannot keep new ones waiting. A Pod that was refused waits until something happens
 * that may help it, five minutes at most, and then for the rest of its back-off (1 s doubling to 10 s).
 * A Pod that was taken stays here, not to be taken again, until it is refused, retried or removed.
 * https://github.com/kubernetes/community/blob/master/contributors/devel/sig-scheduling/scheduler_queues.md
 */
import { isDeepStrictEqual } from "node:util";
import type { Pod } from "../machinery/objects/kinds.ts";
import type { Clock } from "../machinery/process/clock.ts";
import type { Happening } from "./happenings.ts";
import { createHeap } from "./heap.ts";

export interface Queued {
  readonly pod: Pod;
  /** Revision of the change that made the Pod worth a try: its own, or what happened since. */
  readonly cause: string;
}

/** By the name of the queue they wait in. */
export interface PendingPods {
  readonly active: number;
  readonly backoff: number;
  readonly unschedulable: number;
}

export interface SchedulingQueue {
  /** A new or changed Pod that has no node. */
  put(pod: Pod): void;
  /** Gone, or seen with a node. */
  remove(uid: string): void;
  /** The next Pod; undefined when none is to be tried now. */
  take(): Queued | undefined;
  /** Resolves when `take` has one, for one caller at a time. Rejects with the signal's reason when it aborts. */
  ready(signal: AbortSignal): Promise<void>;
  /** The Pod that was taken fits nowhere until one of these happens. */
  refused(uid: string, helpedBy: readonly Happening[]): void;
  /** The Pod that was taken could not be placed for reasons of ours: again after its back-off. */
  retry(uid: string): void;
  wake(happened: readonly Happening[], cause: string): void;
  /** Pods that wait for anything. */
  readonly length: number;
  pending(): PendingPods;
}

const BACKOFF_MS = { first: 1_000, last: 10_000 };
const UNSCHEDULABLE_MS = 5 * 60_000;

interface Entry {
  pod: Pod;
  cause: string;
  attempts: number;
  /** Of becoming active: smaller is earlier. */
  order: number;
  place: "active" | "backoff" | "unschedulable" | "taken";
  failedAt: number;
  helpedBy: readonly Happening[];
  /** What happened while it was being tried, with its revision: the try may not have seen it. */
  readonly missed: Map<Happening | "changed", string>;
}

export function createSchedulingQueue(clock: Clock): SchedulingQueue {
  const entries = new Map<string, Entry>();
  const active = createHeap<Entry>(isBefore);
  const backoff = createHeap<Entry>((a, b) => backoffEnd(a) < backoffEnd(b));
  /** In order of `failedAt`. */
  const unschedulable = new Set<Entry>();
  const byHelp = new Map<Happening, Set<Entry>>();
  const taken = new Set<Entry>();
  let order = 0;
  let nudge = () => {};

  const leave: Readonly<Record<Entry["place"], (entry: Entry) => void>> = {
    active: (entry) => active.remove(entry),
    backoff: (entry) => backoff.remove(entry),
    taken: (entry) => void taken.delete(entry),
    unschedulable(entry) {
      unschedulable.delete(entry);
      for (const happening of entry.helpedBy) byHelp.get(happening)?.delete(entry);
    },
  };
  const enter: typeof leave = {
    active: (entry) => active.push(entry),
    backoff: (entry) => backoff.push(entry),
    taken: (entry) => void taken.add(entry),
    unschedulable(entry) {
      unschedulable.add(entry);
      for (const happening of entry.helpedBy) waitingFor(happening).add(entry);
    },
  };

  function move(entry: Entry, place: Entry["place"]): void {
    leave[entry.place](entry);
    entry.place = place;
    if (place === "active") entry.order = order++;
    enter[place](entry);
    nudge();
  }

  function waitingFor(happening: Happening): Set<Entry> {
    const found = byHelp.get(happening) ?? new Set();
    byHelp.set(happening, found);
    return found;
  }

  /** An unschedulable Pod is worth another try, when its back-off is over. */
  function revive(entry: Entry, cause: string): void {
    entry.cause = cause;
    move(entry, backoffEnd(entry) <= clock.monotonic() ? "active" : "backoff");
  }

  function happen(entry: Entry, what: Happening | "changed", cause: string): void {
    if (entry.place === "taken") entry.missed.set(what, cause);
    else if (entry.place === "unschedulable") revive(entry, cause);
  }

  /** The entry of a Pod whose try has ended. */
  function tried(uid: string): Entry | undefined {
    const entry = entries.get(uid);
    if (entry?.place !== "taken") return undefined;
    entry.attempts++;
    entry.failedAt = clock.monotonic();
    return entry;
  }

  /** Back-offs that have ended, and Pods that have waited long enough. */
  function promote(): void {
    const now = clock.monotonic();
    for (let entry = backoff.first; entry && backoffEnd(entry) <= now; entry = backoff.first) move(entry, "active");
    for (const entry of unschedulable) {
      if (entry.failedAt + UNSCHEDULABLE_MS > now) break;
      move(entry, "active");
    }
  }

  /** When `promote` will have something to do. */
  function nextDue(): number {
    const [oldest] = unschedulable;
    const ends = backoff.first ? backoffEnd(backoff.first) : Number.POSITIVE_INFINITY;
    return Math.min(ends, oldest ? oldest.failedAt + UNSCHEDULABLE_MS : Number.POSITIVE_INFINITY);
  }

  /** Resolves at the next move of an entry, or when one is due. */
  async function change(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const due = nextDue();
    const timer = Number.isFinite(due)
      ? clock.after(Math.max(due - clock.monotonic(), 1), resolve, { background: true })
      : undefined;
    signal.addEventListener("abort", resolve as () => void, { once: true });
    nudge = resolve;
    await promise;
    nudge = () => {};
    signal.removeEventListener("abort", resolve as () => void);
    timer?.cancel();
  }

  return {
    put(pod) {
      const { uid, resourceVersion } = pod.metadata;
      const found = entries.get(uid);
      if (found) {
        const asksOtherwise = !asksTheSame(found.pod, pod);
        found.pod = pod;
        if (asksOtherwise) happen(found, "changed", resourceVersion);
        return;
      }
      const entry: Entry = {
        pod,
        cause: resourceVersion,
        attempts: 0,
        order: 0,
        place: "active",
        failedAt: 0,
        helpedBy: [],
        missed: new Map(),
      };
      entries.set(uid, entry);
      move(entry, "active");
    },
    remove(uid) {
      const entry = entries.get(uid);
      if (!entry) return;
      entries.delete(uid);
      leave[entry.place](entry);
    },
    take() {
      promote();
      const entry = active.first;
      if (!entry) return undefined;
      entry.missed.clear();
      move(entry, "taken");
      return { pod: entry.pod, cause: entry.cause };
    },
    async ready(signal) {
      for (;;) {
        signal.throwIfAborted();
        promote();
        if (active.size > 0) return;
        await change(signal);
      }
    },
    refused(uid, helpedBy) {
      const entry = tried(uid);
      if (!entry) return;
      entry.helpedBy = helpedBy;
      move(entry, "unschedulable");
      const missed = ["changed" as const, ...helpedBy].find((what) => entry.missed.has(what));
      if (missed) revive(entry, entry.missed.get(missed) as string);
    },
    retry(uid) {
      const entry = tried(uid);
      if (entry) move(entry, "backoff");
    },
    wake(happened, cause) {
      for (const what of happened) {
        for (const entry of byHelp.get(what) ?? []) happen(entry, what, cause);
        for (const entry of taken) happen(entry, what, cause);
      }
    },
    get length() {
      return entries.size - taken.size;
    },
    pending: () => ({ active: active.size, backoff: backoff.size, unschedulable: unschedulable.size }),
  };
}

function isBefore(a: Entry, b: Entry): boolean {
  const [first, second] = [a.pod.spec?.priority ?? 0, b.pod.spec?.priority ?? 0];
  return first === second ? a.order < b.order : first > second;
}

const backoffEnd = ({ failedAt, attempts }: Entry) =>
  failedAt + Math.min(BACKOFF_MS.first * 2 ** (attempts - 1), BACKOFF_MS.last);

/** Its status may change, and what nobody selects by. */
function asksTheSame(before: Pod, after: Pod): boolean {
  return (
    before.metadata.generation === after.metadata.generation &&
    isDeepStrictEqual(before.metadata.labels, after.metadata.labels)
  );
}
