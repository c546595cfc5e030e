/**
 * Scheduling loop: takes Pods from the queue one by one and tries them; what follows goes on beside it.
 *
 * A decided Pod counts on its node at once. A Pod stays in the queue, taken, until the informer shows
 * it with a node or gone: an older copy that arrives late must not bring it back. No Pod may stop the
 * loop: what a plugin throws is told of that Pod. One try is in attempt.ts, what changes do is in changes.ts.
 */
import { hostname } from "node:os";
import type { Client } from "../machinery/client/client.ts";
import type { Informers } from "../machinery/client/shared-informers.ts";
import { breather } from "../machinery/loop/breathe.ts";
import type { Events } from "../machinery/loop/events-recorder.ts";
import type { Pod } from "../machinery/objects/kinds.ts";
import type { Clock } from "../machinery/process/clock.ts";
import { limits } from "../machinery/process/limits.ts";
import type { Logger } from "../machinery/process/logging.ts";
import { type Attempt, createAttempting } from "./attempt.ts";
import { followChanges } from "./changes.ts";
import { listersOf } from "./cluster.ts";
import type { Handle } from "./framework.ts";
import { createPlacement } from "./placement.ts";
import { DEFAULT_SCHEDULER, type Profile } from "./profile.ts";
import { createSchedulingQueue, type Queued, type QueueRules } from "./queue.ts";
import type { SchedulerMetrics } from "./scheduler-metrics.ts";
import { createSlots } from "./slots.ts";
import { createSnapshot } from "./snapshot.ts";
import { createWaitingPods } from "./waiting-pods.ts";

export interface SchedulingOptions {
  readonly client: Client;
  readonly informers: Informers;
  readonly events: Events;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** The profiles of this scheduler, with plugins of their own. */
  readonly profiles: (handle: Handle) => readonly Profile[];
  readonly backoffMs?: QueueRules["backoffMs"] | undefined;
  readonly metrics?: SchedulerMetrics | undefined;
  /** Hears of each decision; must not keep what it is given for long, or much of it. */
  readonly onAttempt?: ((attempt: Attempt) => void) | undefined;
}

/** What was done, where it is not the placing itself. */
const ACTIONS: Readonly<Record<string, string>> = { Scheduled: "Binding", Preempted: "Preempting" };

/** Resolves when the signal has aborted and nothing is being written any more. */
export async function runScheduling(options: SchedulingOptions): Promise<void> {
  const { client, informers, events, clock, log, signal, metrics, onAttempt } = options;
  const listers = listersOf(informers);
  const snapshot = createSnapshot(listers);
  const { nominations } = snapshot;
  const waiting = createWaitingPods(clock);
  const slots = createSlots(limits.schedulerWrites);
  const host = hostname();
  const event: Handle["event"] = (about, type, reason, message, cause) => {
    const component = about.spec?.schedulerName ?? DEFAULT_SCHEDULER;
    const report = events.reporter(component, `${component}-${host}`);
    const action = ACTIONS[reason] ?? "Scheduling";
    report({ about, type, reason, action, note: message, cause: { revision: cause, controller: component } });
  };
  const handle: Handle = {
    client,
    listers,
    clock,
    log,
    signal,
    waiting,
    nominations,
    event,
    happened: (what) => queue.wake([what], what.object?.metadata.resourceVersion ?? ""),
  };
  const profiles = new Map(options.profiles(handle).map((profile) => [profile.schedulerName, profile]));
  const profileOf = ({ spec }: Pod) => profiles.get(spec?.schedulerName ?? DEFAULT_SCHEDULER);
  const queue = createSchedulingQueue(clock, {
    ...rulesOf([...profiles.values()], profileOf),
    helps: (hint, pod, what) => hint.helps(pod, what, snapshot.cluster),
    ...(options.backoffMs ? { backoffMs: options.backoffMs } : {}),
  });
  metrics?.watch(queue);
  const pods = informers.of("pods");
  const placement = createPlacement({ client, clock, log, signal, event, pods });
  const attempt = createAttempting({
    queue,
    snapshot,
    placement,
    nominations,
    waiting,
    clock,
    log,
    signal,
    writing: slots.run,
    onAttempt,
    onDecided: metrics?.decided,
  });
  const running = new Set<Promise<void>>();
  const breathe = breather(clock);
  const stop = followChanges({
    informers,
    queue,
    snapshot,
    nominations,
    waiting,
    isOurs: (pod) => profileOf(pod) !== undefined,
  });
  try {
    await informers.synced(signal);
    while (!signal.aborted) {
      const next = queue.take();
      if (next) run(next);
      else await queue.ready(signal);
      if (slots.full) await slots.free();
      if (running.size >= limits.schedulerReserved) await Promise.race(running);
      await breathe();
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    stop();
    await Promise.all(running);
  }

  function run(queued: Queued): void {
    const profile = profileOf(queued.info.pod);
    if (!profile) throw new Error(`no profile for ${queued.info.key}, which was in the queue`);
    const started = clock.monotonic();
    const tracked = attempt(queued, profile)
      .then((result) => metrics?.attempted(result, (clock.monotonic() - started) / 1000, profile.schedulerName))
      .catch((error: unknown) => log.error("a decision was not carried out", { error }))
      .finally(() => running.delete(tracked));
    running.add(tracked);
  }
}

/** All profiles sort alike: Pods of all stand in one queue. */
function rulesOf(
  profiles: readonly Profile[],
  profileOf: (pod: Pod) => Profile | undefined,
): Pick<QueueRules, "before" | "gate" | "hints"> {
  const [first] = profiles;
  if (!first) throw new TypeError("a scheduler needs a profile");
  return {
    before: (a, b) => first.sorting.queueSort?.(a, b) ?? a.order < b.order,
    gate(pod) {
      for (const plugin of profileOf(pod)?.enqueueing ?? []) {
        const no = plugin.preEnqueue?.(pod);
        if (no) return { plugin: plugin.name, refused: no };
      }
      return undefined;
    },
    hints: (pod, plugin) => profileOf(pod)?.hints.get(plugin) ?? [],
  };
}
