/**
 * Queue: which Pod is scheduled next, and when one that did not fit is tried again.
 *
 * Active Pods go in the order of the profile's queueSort. A Pod that was refused waits until something happens
 * of which a plugin that refused it says that it may help (hints), five minutes at most, and then for the rest
 * of its back-off (1 s doubling to 10 s), which is cut short where nothing else is to do. A Pod that a plugin
 * keeps out (gated) is not tried at all. A Pod that was taken stays here, not to be taken again, until it is
 * refused, retried or removed; what happens meanwhile is looked at when its try is over.
 * https://github.com/kubernetes/community/blob/master/contributors/devel/sig-scheduling/scheduler_queues.md
 */
import type { Pod } from "../machinery/objects/kinds.ts";
import type { Clock } from "../machinery/process/clock.ts";
import type { Hint, Refused, Waiting } from "./framework.ts";
import type { Happened, Happening } from "./happenings.ts";
import { createHeap } from "./heap.ts";
import { asksTheSame, type PodInfo, podInfo } from "./pod-info.ts";
import { createRecent } from "./recent.ts";

export interface Queued {
  readonly info: PodInfo;
  /** Revision of the change that made the Pod worth a try: its own, or what happened since. */
  readonly cause: string;
  readonly attempts: number;
}

/** By the name of the queue they wait in. */
export interface PendingPods {
  readonly active: number;
  readonly backoff: number;
  readonly unschedulable: number;
  readonly gated: number;
}

export interface SchedulingQueue {
  /** A new or changed Pod that has no node. */
  put(pod: Pod): void;
  /** Gone, or seen with a node. */
  remove(uid: string): void;
  get(uid: string): PodInfo | undefined;
  /** The next Pod; undefined when none is to be tried now. */
  take(): Queued | undefined;
  /** Resolves when `take` has one, for one caller at a time. Rejects with the signal's reason when it aborts. */
  ready(signal: AbortSignal): Promise<void>;
  /** The Pod that was taken fits nowhere, as these plugins say; again when one of their hints comes. */
  refused(uid: string, refusedBy: Iterable<string>): void;
  /** The Pod that was taken could not be placed for reasons of ours: again after its back-off. */
  retry(uid: string): void;
  wake(happened: readonly Happened[], cause: string): void;
  /** Pods that wait for anything. */
  readonly length: number;
  pending(): PendingPods;
}

export interface QueueRules {
  before(a: Waiting, b: Waiting): boolean;
  /** Who keeps the Pod out. */
  gate(pod: Pod): { readonly plugin: string; readonly refused: Refused } | undefined;
  hints(pod: Pod, plugin: string): readonly Hint[];
  helps(hint: Exclude<Hint, string>, pod: PodInfo, what: Happened): boolean;
  readonly backoffMs?: { readonly first: number; readonly last: number };
}

const BACKOFF_MS = { first: 1_000, last: 10_000 };
const UNSCHEDULABLE_MS = 5 * 60_000;
/** Without a plugin that could say what helps, a node may. */
const ANY_NODE: readonly Hint[] = ["node-added"];

type Place = "active" | "backoff" | "failed" | "unschedulable" | "gated" | "taken";

interface Entry {
  info: PodInfo;
  readonly pod: Pod;
  cause: string;
  attempts: number;
  /** Of becoming active: smaller is earlier. */
  order: number;
  place: Place;
  failedAt: number;
  helpedBy: ReadonlyMap<Happening, readonly Hint[]>;
  /** Of what has happened, where its try began. */
  since: number;
  /** It asks for something else since its try began. */
  changed: string | undefined;
}

const NO_HELP: Entry["helpedBy"] = new Map();

export function createSchedulingQueue(clock: Clock, rules: QueueRules): SchedulingQueue {
  const { first, last } = rules.backoffMs ?? BACKOFF_MS;
  const backoffEnd = ({ failedAt, attempts }: Entry) => failedAt + Math.min(first * 2 ** (attempts - 1), last);
  const sooner = (a: Entry, b: Entry) => backoffEnd(a) < backoffEnd(b);
  const entries = new Map<string, Entry>();
  const active = createHeap<Entry>((a, b) => rules.before(a, b));
  const backoff = createHeap<Entry>(sooner);
  /** Their back-off is not cut short: the fault was not theirs, and may last. */
  const failed = createHeap<Entry>(sooner);
  /** In order of `failedAt`. */
  const unschedulable = new Set<Entry>();
  const gated = new Set<Entry>();
  const byHelp = new Map<Happening, Set<Entry>>();
  const taken = new Set<Entry>();
  const recent = createRecent();
  let order = 0;
  let nudge = () => {};

  const heaps = { active, backoff, failed } as const;
  const sets = { unschedulable, gated, taken } as const;

  function leave(entry: Entry): void {
    const { place } = entry;
    if (place === "active" || place === "backoff" || place === "failed") heaps[place].remove(entry);
    else sets[place].delete(entry);
    for (const happening of entry.helpedBy.keys()) byHelp.get(happening)?.delete(entry);
    entry.helpedBy = NO_HELP;
    if (taken.size === 0) recent.clear();
  }

  function enter(entry: Entry, place: Place): void {
    entry.place = place;
    if (place === "active") entry.order = order++;
    if (place === "active" || place === "backoff" || place === "failed") heaps[place].push(entry);
    else sets[place].add(entry);
    nudge();
  }

  function move(entry: Entry, place: Place): void {
    leave(entry);
    enter(entry, place);
  }

  /** Waits, unschedulable or gated, for what the plugins say. */
  function park(entry: Entry, place: "unschedulable" | "gated", plugins: Iterable<string>): void {
    move(entry, place);
    const helpedBy = new Map<Happening, Hint[]>();
    const note = (hint: Hint) => {
      const on = typeof hint === "string" ? hint : hint.on;
      helpedBy.set(on, [...(helpedBy.get(on) ?? []), hint]);
    };
    for (const plugin of plugins) for (const hint of rules.hints(entry.pod, plugin)) note(hint);
    if (helpedBy.size === 0 && place === "unschedulable") for (const hint of ANY_NODE) note(hint);
    entry.helpedBy = helpedBy;
    for (const happening of helpedBy.keys()) {
      const waiting = byHelp.get(happening);
      if (waiting) waiting.add(entry);
      else byHelp.set(happening, new Set([entry]));
    }
  }

  const isHelped = (entry: Entry, what: Happened): boolean =>
    (entry.helpedBy.get(what.what) ?? []).some(
      (hint) => typeof hint === "string" || rules.helps(hint, entry.info, what),
    );

  /** A waiting Pod is worth another try, when its back-off is over. */
  function revive(entry: Entry, cause: string): void {
    entry.cause = cause;
    admit(entry, entry.attempts === 0 || backoffEnd(entry) <= clock.monotonic() ? "active" : "backoff");
  }

  /** Where no plugin keeps it out. */
  function admit(entry: Entry, place: "active" | "backoff"): void {
    const gate = rules.gate(entry.pod);
    if (gate) park(entry, "gated", [gate.plugin]);
    else move(entry, place);
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
    for (const heap of [backoff, failed])
      for (let entry = heap.first; entry && backoffEnd(entry) <= now; entry = heap.first) move(entry, "active");
    for (const entry of unschedulable) {
      if (entry.failedAt + UNSCHEDULABLE_MS > now) break;
      admit(entry, "active");
    }
  }

  /** When `promote` will have something to do. */
  function nextDue(): number {
    const [oldest] = unschedulable;
    return Math.min(
      failed.first ? backoffEnd(failed.first) : Number.POSITIVE_INFINITY,
      oldest ? oldest.failedAt + UNSCHEDULABLE_MS : Number.POSITIVE_INFINITY,
    );
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

  function putAgain(entry: Entry, pod: Pod): void {
    const { resourceVersion } = pod.metadata;
    const same = asksTheSame(entry.pod, pod);
    (entry as { pod: Pod }).pod = pod;
    if (same) {
      (entry.info as { pod: Pod }).pod = pod;
      return;
    }
    entry.info = podInfo(pod);
    if (entry.place === "taken") entry.changed = resourceVersion;
    else if (entry.place === "unschedulable" || entry.place === "gated") revive(entry, resourceVersion);
    else if (rules.gate(pod)) admit(entry, "active");
  }

  return {
    put(pod) {
      const { uid, resourceVersion } = pod.metadata;
      const found = entries.get(uid);
      if (found) return putAgain(found, pod);
      const entry: Entry = {
        info: podInfo(pod),
        pod,
        cause: resourceVersion,
        attempts: 0,
        order: 0,
        place: "active",
        failedAt: 0,
        helpedBy: NO_HELP,
        since: 0,
        changed: undefined,
      };
      entries.set(uid, entry);
      admit(entry, "active");
    },
    remove(uid) {
      const entry = entries.get(uid);
      if (!entry) return;
      entries.delete(uid);
      leave(entry);
    },
    get: (uid) => entries.get(uid)?.info,
    take() {
      promote();
      const entry = active.first ?? backoff.first;
      if (!entry) return undefined;
      entry.since = recent.position;
      entry.changed = undefined;
      move(entry, "taken");
      return { info: entry.info, cause: entry.cause, attempts: entry.attempts };
    },
    async ready(signal) {
      for (;;) {
        signal.throwIfAborted();
        promote();
        if (active.size + backoff.size > 0) return;
        await change(signal);
      }
    },
    refused(uid, refusedBy) {
      const entry = tried(uid);
      if (!entry) return;
      const missed = recent.after(entry.since);
      park(entry, "unschedulable", refusedBy);
      const helping = missed.find(({ what }) => what === undefined || isHelped(entry, what));
      const cause = entry.changed ?? helping?.cause;
      if (cause !== undefined) revive(entry, cause);
    },
    retry(uid) {
      const entry = tried(uid);
      if (entry) move(entry, "failed");
    },
    wake(happened, cause) {
      for (const what of happened) {
        if (taken.size > 0) recent.add(what, cause);
        for (const entry of [...(byHelp.get(what.what) ?? [])]) if (isHelped(entry, what)) revive(entry, cause);
      }
    },
    get length() {
      return entries.size - taken.size;
    },
    pending: () => ({
      active: active.size,
      backoff: backoff.size + failed.size,
      unschedulable: unschedulable.size,
      gated: gated.size,
    }),
  };
}
