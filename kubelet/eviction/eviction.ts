/**
 * Eviction: keeps the node from running out of memory, disk or processes by ending Pods, one at a time.
 *
 * Every look reads the signals; where one is short for long enough, what nobody needs is removed first, and only
 * when that was not enough does the Pod that ranks first go. The next one waits until it is gone. Critical Pods
 * are never evicted. Which threshold acts when: pressure.ts; who goes: ranking.ts.
 * https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/
 */
import type { EventRecorder } from "../../machinery/loop/controller.ts";
import type { Node, Pod } from "../../machinery/objects/kinds.ts";
import { tolerates } from "../../machinery/objects/tolerations.ts";
import type { Clock } from "../../machinery/process/clock.ts";
import type { Logger } from "../../machinery/process/logging.ts";
import { isTerminal } from "../pods/pod-spec.ts";
import { qosClass } from "../pods/qos.ts";
import type { PodWorker } from "../pods/worker.ts";
import type { Refusal } from "../refusals.ts";
import { refusal, shortage } from "./messages.ts";
import { atEase, mostUrgent, nextPressure, type PressureState } from "./pressure.ts";
import { type Candidate, isCritical, type PodUsage, rank } from "./ranking.ts";
import {
  crossed,
  type Observations,
  type PressureCondition,
  SIGNALS,
  type Starved,
  type Threshold,
} from "./thresholds.ts";

export interface EvictionContext {
  readonly thresholds: readonly Threshold[];
  readonly transitionMs: number;
  /** The most that a Pod gets on a soft threshold. */
  readonly maxGraceSeconds: number;
  readonly observe: () => Promise<Observations>;
  readonly usages: (workers: readonly PodWorker[]) => Promise<ReadonlyMap<string, PodUsage>>;
  /** Removes what no Pod needs, where that helps. */
  readonly reclaim: (threshold: Threshold) => Promise<void>;
  readonly workers: () => readonly PodWorker[];
  readonly node: () => Node | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly events: EventRecorder;
  /** The conditions changed. */
  readonly onChange: () => void;
  /** A Pod was evicted for this signal. */
  readonly onEvicted: (signal: string) => void;
}

export interface Eviction {
  readonly conditions: () => ReadonlySet<PressureCondition>;
  /** Why the node does not take this Pod now. */
  refuses(pod: Pod): Refusal | undefined;
  /** Looks until the signal aborts. */
  run(): Promise<void>;
  /** One look: resolves to the Pod that must go, if any. */
  look(): Promise<PodWorker | undefined>;
}

const LOOK_MS = 10_000;
/** Memory goes faster than all else: near its threshold it is looked at more often. */
const NEAR_MS = 1_000;
const NEAR_FACTOR = 2;
const GONE_LOOK_MS = 500;
const GONE_MS = 30_000;
const HARD_GRACE_SECONDS = 1;

export const EVICTED = "Evicted";

export function createEviction(context: EvictionContext): Eviction {
  const { thresholds, clock, log, signal, events } = context;
  let state: PressureState = atEase;
  let observations: Observations = new Map();

  async function look(): Promise<PodWorker | undefined> {
    observations = await context.observe();
    const before = state.conditions;
    const input = { thresholds, observations, transitionMs: context.transitionMs, now: clock.now() };
    state = nextPressure(state, input);
    if (before.symmetricDifference(state.conditions).size > 0) context.onChange();
    const threshold = mostUrgent(state.acting);
    if (!threshold) return undefined;
    const starved = SIGNALS[threshold.signal].resource;
    const node = context.node();
    if (node) events.warning(node, "EvictionThresholdMet", `Attempting to reclaim ${starved}`);
    await context.reclaim(threshold);
    if (SIGNALS[threshold.signal].condition === "DiskPressure") {
      observations = await context.observe();
      if (crossed(thresholds, observations, true).length === 0) return undefined;
    }
    return evictOne(threshold, starved);
  }

  async function evictOne(threshold: Threshold, starved: Starved): Promise<PodWorker | undefined> {
    const workers = context.workers().filter((worker) => isActive(worker) && !isCritical(worker.pod()));
    if (workers.length === 0) {
      log.warn("the node is short of a resource, and has no Pod that may be evicted", { resource: starved });
      return undefined;
    }
    const usages = await context.usages(workers);
    const candidates = workers.map((worker) => ({
      worker,
      pod: worker.pod(),
      usage: usages.get(worker.pod().metadata.uid),
    }));
    const [first] = rank(candidates, starved) as readonly (Candidate & { readonly worker: PodWorker })[];
    if (!first) return undefined;
    const { worker, pod, usage } = first;
    const message = shortage({ pod, usage, starved, acting: state.acting, observations });
    events.warning(pod, EVICTED, message);
    const graceSeconds = threshold.graceMs === 0 ? HARD_GRACE_SECONDS : context.maxGraceSeconds;
    const condition = { type: "DisruptionTarget", reason: "TerminationByKubelet", message };
    worker.terminate({ reason: EVICTED, message, graceSeconds, condition });
    context.onEvicted(threshold.signal);
    log.info("a Pod is evicted", {
      object: `pods/${pod.metadata.namespace}/${pod.metadata.name}`,
      signal: threshold.signal,
    });
    return worker;
  }

  /** With all that it took; but one that hangs does not keep the others safe. */
  async function untilGone(worker: PodWorker): Promise<void> {
    const until = clock.monotonic() + GONE_MS;
    while (!worker.released() && clock.monotonic() < until) await clock.sleep(GONE_LOOK_MS, signal);
  }

  function pauseMs(): number {
    const memory = observations.get("memory.available");
    const near = memory && { ...memory, available: memory.available / NEAR_FACTOR };
    const close = near && crossed(thresholds, new Map([["memory.available", near]]), false).length > 0;
    return close ? NEAR_MS : LOOK_MS;
  }

  return {
    look,
    conditions: () => state.conditions,
    refuses(pod) {
      const { conditions } = state;
      if (conditions.size === 0 || isCritical(pod)) return undefined;
      const onlyMemory = conditions.size === 1 && conditions.has("MemoryPressure");
      if (onlyMemory && (qosClass(pod) !== "BestEffort" || toleratesMemoryPressure(pod))) return undefined;
      return { reason: EVICTED, message: refusal(conditions) };
    },
    async run() {
      while (!signal.aborted) {
        try {
          const evicted = await look();
          if (evicted) await untilGone(evicted);
          else await clock.sleep(pauseMs(), signal);
        } catch (error) {
          if (signal.aborted) return;
          log.warn("the node's pressure could not be read", { error });
          await clock.sleep(LOOK_MS, signal).catch(() => undefined);
        }
      }
    },
  };
}

/** It may still use something, and does not end already. */
function isActive(worker: PodWorker): boolean {
  return !isTerminal(worker.pod()) && !worker.ends() && isRunning(worker);
}

function isRunning(worker: PodWorker): boolean {
  return worker.runtime()?.containers.some(({ state }) => state === "running") ?? false;
}

function toleratesMemoryPressure(pod: Pod): boolean {
  const taint = { key: "node.kubernetes.io/memory-pressure", effect: "NoSchedule" };
  return (pod.spec?.tolerations ?? []).some((toleration) => tolerates(toleration, taint));
}
