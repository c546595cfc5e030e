/**
 * Run: the one loop behind all controllers: changes become keys, keys are reconciled, failures retried.
 *
 * A controller starts when all it watches is synced. Its writes carry their cause. Nothing here
 * decides anything: a controller is read in its own file, its queue in work-queue.ts.
 */
import type { Client } from "../client/client.ts";
import { createClient } from "../client/create-client.ts";
import type { Change, Lister } from "../client/informer.ts";
import type { Informers } from "../client/shared-informers.ts";
import type { ResourceName } from "../objects/kinds.ts";
import { ApiError, isConflict } from "../objects/status.ts";
import type { StoredObject } from "../objects/wire.ts";
import type { Clock } from "../process/clock.ts";
import type { Logger } from "../process/logging.ts";
import { breather } from "./breathe.ts";
import type { Controller, Enqueue } from "./controller.ts";
import type { Events } from "./events-recorder.ts";
import type { ControllerMetrics, LoopMetrics, ReconcileResult } from "./loop-metrics.ts";
import { createStopwatch } from "./stopwatch.ts";
import { createWorkQueue, type QueueCause, type QueueItem, type WorkQueue } from "./work-queue.ts";

export interface LoopOptions {
  readonly controllers: readonly Controller[];
  readonly client: Client;
  readonly informers: Informers;
  readonly events: Events;
  readonly clock: Clock;
  readonly log: Logger;
  readonly signal: AbortSignal;
  readonly metrics?: LoopMetrics | undefined;
}

export interface ControllerStats {
  readonly waiting: number;
  readonly active: number;
  readonly delayed: number;
  readonly retrying: number;
  readonly reconciled: number;
  readonly failed: number;
  readonly conflicts: number;
  /** Time spent in reconcile, waiting for answers included. */
  readonly totalMs: number;
  readonly longestMs: number;
}

export interface Loop {
  stats(): Readonly<Record<string, ControllerStats>>;
  /** True when no key waits, is worked on or is about to be tried again; appointments do not count. */
  idle(): boolean;
  /** Resolves when the signal has aborted and every reconcile has ended. */
  readonly stopped: Promise<void>;
}

type Counters = { reconciled: number; failed: number; conflicts: number; totalMs: number; longestMs: number };
type AnyListers = Readonly<Record<string, Lister<StoredObject>>>;

export function runLoop(options: LoopOptions): Loop {
  const running = options.controllers.map((controller) => ({ controller, ...start(controller, options) }));
  return {
    stats: () =>
      Object.fromEntries(
        running.map(({ controller, queue, counters }) => [
          controller.name,
          {
            waiting: queue.length,
            active: queue.active,
            delayed: queue.delayed,
            retrying: queue.retrying,
            ...counters,
          },
        ]),
      ),
    idle: () => running.every(({ queue }) => queue.length + queue.active + queue.retrying === 0),
    stopped: Promise.all(running.map(({ stopped }) => stopped)).then(() => undefined),
  };
}

function start(controller: Controller, options: LoopOptions) {
  const { informers, clock, signal } = options;
  const log = options.log.child({ controller: controller.name });
  const metrics = options.metrics?.of(controller.name);
  const queue = createWorkQueue(clock, metrics?.adds);
  options.metrics?.watch(controller.name, queue, controller.workers ?? 1);
  const counters: Counters = { reconciled: 0, failed: 0, conflicts: 0, totalMs: 0, longestMs: 0 };

  const resources = Object.keys(controller.watches) as ResourceName[];
  const listers: Record<string, Lister<StoredObject>> = {};
  for (const resource of resources) listers[resource] = informers.of(resource) as unknown as Lister<StoredObject>;

  const unsubscribe = resources.map((resource) =>
    informers.of(resource).subscribe((change) => {
      const enqueue = controller.watches[resource] as unknown as Enqueue<StoredObject>;
      const seen = change as Change<StoredObject>;
      for (const key of enqueue(seen, listers))
        if (!queue.add(key, causeOf(seen))) log.error("the queue is full, a key was dropped", { object: key });
    }),
  );

  const { onTick } = controller;
  const tick = () => {
    for (const key of onTick?.keys() ?? []) queue.add(key);
  };
  if (onTick) unsubscribe.push(onTick.ticks(tick));

  const work = async () => {
    for (const resource of resources) await informers.of(resource).synced(signal);
    const pace = createPace(clock);
    const workers = Array.from({ length: controller.workers ?? 1 }, () =>
      worker(controller, queue, listers, counters, { ...options, log }, pace, metrics),
    );
    await Promise.all(workers);
  };
  const stopped = work()
    .catch((error: unknown) => {
      if (!signal.aborted) log.error("a controller ended", { error });
    })
    .finally(() => {
      for (const stop of unsubscribe) stop();
    });
  return { queue, counters, stopped };
}

async function worker(
  controller: Controller,
  queue: WorkQueue,
  listers: AnyListers,
  counters: Counters,
  { client, clock, events, log, signal }: LoopOptions,
  pace: Pace,
  metrics: ControllerMetrics | undefined,
): Promise<void> {
  const breathe = breather(clock);
  for (let item = await queue.next(signal); item; item = await queue.next(signal)) {
    const started = clock.monotonic();
    metrics?.waited.observe(item.waitedMs / 1000);
    let result: ReconcileResult = "success";
    const answers = createStopwatch(clock);
    const cause = { revision: item.cause.revision, controller: controller.name };
    const context = {
      ...listers,
      client: createClient(answers.timed(client.transport), cause),
      clock,
      events: events.recorder(controller.name, cause),
      log,
      signal,
    };
    try {
      const { after } = await controller.reconcile(item.key, context as never);
      if (after !== undefined) result = "requeue_after";
      queue.finish(item, { after, rest: controller.paced ? pace(clock.monotonic() - started - answers.ms) : 0 });
    } catch (error) {
      if (signal.aborted) return;
      result = "error";
      if (metrics) metrics.retries.value++;
      failed(item, error, queue, counters, log);
    }
    const took = clock.monotonic() - started;
    metrics?.done(result, took / 1000);
    log.debug("reconciled", { object: item.key, revision: cause.revision, ms: Math.round(took) });
    counters.reconciled++;
    counters.totalMs += took;
    counters.longestMs = Math.max(counters.longestMs, took);
    await breathe();
  }
}

/** How long a key rests after so much work. */
type Pace = (worked: number) => number;

/**
 * Keys that cost much take part of the time only, all of them together: many changes of a large object are looked at
 * at once. Waiting for the server costs nothing here, and is no reason to wait longer.
 */
function createPace(clock: Pick<Clock, "monotonic">): Pace {
  let rested = 0;
  return (worked) => {
    if (worked < PACED_FROM_MS) return 0;
    const now = clock.monotonic();
    rested = Math.min(Math.max(rested, now) + worked * PACE, now + PACED_MAX_MS);
    return rested - now;
  };
}

const PACED_FROM_MS = 2;
const PACE = 4;
const PACED_MAX_MS = 1_000;

/** A conflict only says that the cache was behind, so it is no failure to report. */
function failed(item: QueueItem, error: unknown, queue: WorkQueue, counters: Counters, log: Logger): void {
  const waitMs = queue.retry(
    item,
    isUnreachable(error) ? UNREACHABLE_RETRY_MS : undefined,
    isConflict(error) ? CONFLICT_RETRY_MS : 0,
  );
  const fields = { object: item.key, revision: item.cause.revision, waitMs };
  if (isConflict(error)) {
    counters.conflicts++;
    log.debug("a reconcile met a newer version", { ...fields, error: error.message });
  } else {
    counters.failed++;
    log.warn("a reconcile failed", { ...fields, error });
  }
}

/** No fault of the key: a server that is away for a while must not make it wait for long after that. */
const isUnreachable = (error: unknown): boolean =>
  error instanceof ApiError && (error.reason === "ServiceUnavailable" || error.reason === "Timeout");
const UNREACHABLE_RETRY_MS = 1_000;

/** The newer version that a conflict tells of brings the key by itself: before that, another attempt is another conflict. */
const CONFLICT_RETRY_MS = 50;

function causeOf({ type, object, old }: Change<StoredObject>): QueueCause {
  const { resourceVersion, generation, deletionTimestamp } = object.metadata;
  const wanted =
    type !== "updated" ||
    generation !== old?.metadata.generation ||
    deletionTimestamp !== old?.metadata.deletionTimestamp;
  return { revision: resourceVersion, wanted };
}
