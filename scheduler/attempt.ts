/**
 * Attempt: one try to place a Pod, from the decision to the binding, and what follows when it fails.
 *
 * The decision and all reservations are made at once; from the permit on it goes on beside the loop, while the
 * Pod counts on its node already. Whatever fails after that gives everything back: the room on the node, then
 * the reservations in reverse order. What is written is in placement.ts.
 */

import type { Clock } from "../machinery/process/clock.ts";
import type { Logger } from "../machinery/process/logging.ts";
import type { Cluster } from "./cluster.ts";
import { type Decision, decide, type Refusal } from "./decide.ts";
import { failureMessage } from "./failure-message.ts";
import type { PostFilterResult, Refused, Reservation } from "./framework.ts";
import type { NominationBook } from "./nominations.ts";
import type { Placement } from "./placement.ts";
import type { PodInfo } from "./pod-info.ts";
import type { Profile } from "./profile.ts";
import type { Queued, SchedulingQueue } from "./queue.ts";
import type { AttemptResult } from "./scheduler-metrics.ts";
import type { NodeInfo, Snapshot } from "./snapshot.ts";
import { createVerdictMemo } from "./verdict-memo.ts";
import type { WaitingBook } from "./waiting-pods.ts";

/** What is known after a decision, for whoever wants to say why. */
export interface Attempt {
  readonly pod: PodInfo;
  readonly decision: Decision;
  readonly profile: Profile;
  readonly cluster: Cluster;
  /** Where no node fits: as the event says it. */
  readonly message?: string;
  readonly at: number;
}

export interface AttemptOptions {
  readonly queue: SchedulingQueue;
  readonly snapshot: Snapshot;
  readonly placement: Placement;
  readonly nominations: NominationBook;
  readonly waiting: WaitingBook;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  /** Runs one write when there is room for it. */
  readonly writing: <T>(work: () => Promise<T>) => Promise<T>;
  readonly onAttempt?: ((attempt: Attempt) => void) | undefined;
  readonly onDecided?: ((seconds: number) => void) | undefined;
}

interface Reserved {
  readonly plugin: string;
  readonly reservation: Reservation;
}

/** Never rejects. */
export type Attempting = (queued: Queued, profile: Profile) => Promise<AttemptResult>;

export function createAttempting(options: AttemptOptions): Attempting {
  const { queue, snapshot, placement, nominations, waiting, clock, log, signal, writing, onAttempt } = options;
  const { cluster } = snapshot;
  const search = { random: () => clock.random(), nominations, start: 0, memo: createVerdictMemo() };

  return async (queued, profile) => {
    const { info, cause } = queued;
    const started = clock.monotonic();
    let decision: Decision;
    let kept: readonly Reserved[] | Refusal = [];
    try {
      decision = decideOn(info, profile);
      if (decision.node) kept = reserve(info, decision.node, profile);
    } catch (error) {
      log.error("a Pod could not be judged", { object: `pods/${info.key}`, error });
      return fail(queued, (error as Error).message);
    } finally {
      options.onDecided?.((clock.monotonic() - started) / 1000);
    }
    const { node } = decision;
    if (!node) return refuse(queued, profile, decision);
    onAttempt?.({ pod: info, decision, profile, cluster, at: clock.now() });
    if ("reasons" in kept) return turnedDown(queued, kept, []);
    try {
      const no = (await permitted(info, node, profile)) ?? (await preBound(kept));
      if (no) return turnedDown(queued, no, kept);
    } catch (error) {
      giveBack(info, kept, cause);
      if (signal.aborted) return "error";
      log.error("a Pod could not be made ready to be bound", { object: `pods/${info.key}`, node: node.name, error });
      return fail(queued, (error as Error).message);
    }
    return bind(queued, node.name, profile, kept);
  };

  /** First where room was made for it, then anywhere. */
  function decideOn(info: PodInfo, profile: Profile): Decision {
    const nominated = nominations.of(info.pod.metadata.uid);
    if (nominated !== undefined && cluster.node(nominated)) {
      const there = decide(info, cluster, profile, { ...search, only: nominated });
      if (there.node) return there;
    }
    const decision = decide(info, cluster, profile, search);
    if (decision.nodes > 0) search.start = (search.start + decision.asked.length) % decision.nodes;
    return decision;
  }

  /** The Pod counts on the node from here. */
  function reserve(info: PodInfo, node: NodeInfo, profile: Profile): readonly Reserved[] | Refusal {
    snapshot.assume(info, node.name);
    nominations.remove(info.pod.metadata.uid);
    const kept: Reserved[] = [];
    for (const plugin of profile.reserving) {
      let reservation: Reservation | Refused | undefined;
      try {
        reservation = plugin.reserve?.(info, node, cluster);
      } catch (error) {
        release(info, kept);
        throw error;
      }
      if (!reservation) continue;
      if ("reasons" in reservation) {
        for (const one of kept.toReversed()) one.reservation.release();
        return { plugin: plugin.name, ...reservation };
      }
      kept.push({ plugin: plugin.name, reservation });
    }
    return kept;
  }

  async function permitted(info: PodInfo, node: NodeInfo, profile: Profile): Promise<Refusal | undefined> {
    const holds = new Map<string, number>();
    for (const plugin of profile.permitting) {
      const permit = plugin.permit?.(info, node);
      if (!permit) continue;
      if ("reasons" in permit) return { plugin: plugin.name, ...permit };
      holds.set(plugin.name, permit.waitMs);
    }
    if (holds.size === 0) return undefined;
    const rejected = await waiting.wait(info, holds, signal);
    return rejected && { plugin: rejected.plugin, reasons: [rejected.message], final: false };
  }

  async function preBound(kept: readonly Reserved[]): Promise<Refusal | undefined> {
    for (const { plugin, reservation } of kept) {
      const no = await reservation.preBind?.(signal);
      if (no) return { plugin, ...no };
    }
    return undefined;
  }

  async function bind(
    { info, cause }: Queued,
    node: string,
    profile: Profile,
    kept: readonly Reserved[],
  ): Promise<AttemptResult> {
    const { uid } = info.pod.metadata;
    const outcome = await writing(() => placement.bind(info, cause, node, profile));
    if (outcome === "bound") {
      for (const { reservation } of kept) reservation.postBind?.();
      return "scheduled";
    }
    for (const { reservation } of kept.toReversed()) reservation.release();
    if (outcome === "free") {
      forget(info, cause);
      queue.retry(uid);
    } else if (outcome !== "known") snapshot.setPod(outcome.elsewhere, outcome.elsewhere.spec?.nodeName as string);
    return "error";
  }

  function forget(info: PodInfo, cause: string): void {
    if (snapshot.removePod(info.pod.metadata.uid))
      queue.wake([{ what: "pod-gone", object: info.pod, deleted: true }], cause);
  }

  function release(info: PodInfo, kept: readonly Reserved[]): void {
    for (const { reservation } of kept.toReversed()) reservation.release();
    snapshot.removePod(info.pod.metadata.uid);
  }

  function giveBack(info: PodInfo, kept: readonly Reserved[], cause: string): void {
    for (const { reservation } of kept.toReversed()) reservation.release();
    forget(info, cause);
  }

  /** The node that was chosen is none after all. */
  async function turnedDown(queued: Queued, refusal: Refusal, kept: readonly Reserved[]): Promise<AttemptResult> {
    const { info, cause } = queued;
    giveBack(info, kept, cause);
    if (signal.aborted || !queue.get(info.pod.metadata.uid)) return "error"; // gone meanwhile: nobody to tell
    const message = failureMessage({ nodes: 1, asked: [], refusals: [refusal] });
    await writing(() => placement.explain(info.pod, cause, { reason: "Unschedulable", message }));
    queue.refused(info.pod.metadata.uid, [refusal.plugin]);
    return "unschedulable";
  }

  async function refuse(queued: Queued, profile: Profile, decision: Decision): Promise<AttemptResult> {
    const { info, cause } = queued;
    const { uid } = info.pod.metadata;
    let results: readonly PostFilterResult[];
    try {
      results = decision.nodes === 0 ? [] : postFilter(info, profile, decision);
    } catch (error) {
      log.error("no room could be looked for", { object: `pods/${info.key}`, error });
      return fail(queued, (error as Error).message);
    }
    const message = failureMessage(decision, results.flatMap((one) => one.message ?? []).join(", "));
    onAttempt?.({ pod: info, decision, profile, cluster, message, at: clock.now() });
    const nominated = results.findLast((one) => one.nominated !== undefined)?.nominated;
    if (nominated) nominations.nominate(info, nominated);
    else if (nominated === "") nominations.remove(uid);
    await writing(() => placement.explain(info.pod, cause, { reason: "Unschedulable", message, nominated }));
    try {
      for (const one of results) await writing(async () => one.carryOut?.(cause, signal));
    } catch (error) {
      if (signal.aborted) return "error";
      log.error("room could not be made", { object: `pods/${info.key}`, node: nominated, error });
      nominations.remove(uid);
      queue.retry(uid);
      return "error";
    }
    queue.refused(uid, decision.refusedBy);
    return "unschedulable";
  }

  function postFilter(pod: PodInfo, profile: Profile, decision: Decision): readonly PostFilterResult[] {
    const results: PostFilterResult[] = [];
    for (const plugin of profile.postFiltering) {
      const result = plugin.postFilter?.({ pod, cluster, decision, filters: decision.filters });
      if (!result) continue;
      results.push(result);
      if (result.nominated) return [result];
    }
    return results;
  }

  async function fail({ info, cause }: Queued, message: string): Promise<AttemptResult> {
    await writing(() => placement.explain(info.pod, cause, { reason: "SchedulerError", message }));
    queue.retry(info.pod.metadata.uid);
    return "error";
  }
}
