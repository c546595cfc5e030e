/**
 * Scale of a Job: makes and deletes its Pods, and lets go of those that are counted.
 *
 * Either Pods are deleted or made in one go, never both. A Pod that is deleted because the Job failed counts as failed;
 * others lose the finalizer first, so that they do not. When each is called for: job.ts.
 */
import type { Lister } from "../machinery/client/informer.ts";
import type { Services } from "../machinery/loop/controller.ts";
import type { Expectations } from "../machinery/loop/expectations.ts";
import type { OwnWrites } from "../machinery/loop/own-writes.ts";
import type { Job, Pod } from "../machinery/objects/kinds.ts";
import { isConflict, isNotFound } from "../machinery/objects/status.ts";
import { type Ending, isSuspended, wantedActive } from "./job-ending.ts";
import { isIndexed, missingIndexes, superfluous } from "./job-indexes.ts";
import type { JobMetrics } from "./job-metrics.ts";
import {
  backoffLeft,
  backoffOfIndex,
  draftPod,
  endOf,
  isFailed,
  isSucceeded,
  isTracked,
  podNamePrefix,
  replacesEnded,
  TRACKING,
} from "./job-pods.ts";
import { hasLimitPerIndex } from "./job-policies.ts";
import type { Tally } from "./job-tally.ts";
import type { PodCreations } from "./pod-creations.ts";
import { podsToDelete } from "./pod-deletion-order.ts";
import { isTerminal } from "./pod-state.ts";
import { isTerminatingNamespace } from "./replicaset.ts";

export type JobContext = { readonly jobs: Lister<Job>; readonly pods: Lister<Pod> } & Services;

/** What was written and may not be in the cache. */
export interface Asked {
  readonly expectations: Expectations;
  readonly creations: PodCreations;
  readonly writes: OwnWrites;
  readonly metrics: JobMetrics;
  /** Pods that lost their finalizer, by uid, until the cache shows it. */
  readonly released: Set<string>;
  /** When Pods failed that leave nothing behind, for they were deleted: by the Job's key, and by uid. */
  readonly vanished: Map<string, Map<string, number>>;
}

export interface Scaled {
  /** How many are active then, as far as is known. */
  readonly active: number;
  /** Those that were told to end just now, by uid. */
  readonly removed: readonly string[];
  /** Milliseconds until more may be made. */
  readonly wait?: number | undefined;
  readonly error?: unknown;
}

/** Most Pods created or deleted in one go. */
const BURST = 500;
/** Requests that are under way at a time. */
const AT_ONCE = 50;

export async function scale(
  key: string,
  job: Job,
  pods: readonly Pod[],
  counts: Tally,
  ending: Ending | undefined,
  context: JobContext,
  asked: Asked,
): Promise<Scaled> {
  const { active } = counts;
  if (ending || isSuspended(job)) {
    const counted = ending?.type === "FailureTarget";
    return remove(key, job, active, active.length, counted, context, asked);
  }
  const now = context.clock.now();
  const target = wantedActive(job, counts);
  const tooMany = inExcess(job, active, active.length - target, now);
  if (tooMany.length > 0) return remove(key, job, tooMany, active.length, false, context, asked);
  const awaited = replacesEnded(job) ? counts.terminating.length : 0;
  const missing = Math.min(target - active.length - awaited, BURST);
  if (missing <= 0) return { active: active.length, removed: [] };
  return create(key, job, pods, counts, missing, context, asked);
}

/** First those that no index needs, then those that have got least far. */
function inExcess(job: Job, active: readonly Pod[], excess: number, now: number): readonly Pod[] {
  const first = (pods: readonly Pod[]) => podsToDelete(pods, [], pods.length - 1, now);
  const wrong = superfluous(job, active, first);
  const rest = active.filter((pod) => !wrong.includes(pod));
  return [...wrong, ...podsToDelete(rest, [], Math.max(0, excess - wrong.length), now)];
}

async function create(
  key: string,
  job: Job,
  pods: readonly Pod[],
  counts: Tally,
  count: number,
  context: JobContext,
  { creations, vanished, metrics }: Asked,
): Promise<Scaled> {
  const { clock, events } = context;
  const { indexes, wait } = due(job, pods, counts, vanished.get(key) ?? new Map(), count, clock.now());
  if (indexes.length === 0) return { active: counts.active.length, removed: [], wait };
  const drafts = indexes.map((index) => ({
    prefix: podNamePrefix(job, index),
    draft: (name: string) => draftPod(job, index, name, index === undefined ? undefined : counts.kept.get(index)),
    made: (name: string) => events.normal(job, "SuccessfulCreate", `Created pod: ${name}`),
  }));
  const { succeeded, error } = await creations.create(key, job, drafts, context);
  metrics.podsMade(job, succeeded, error === undefined ? 0 : 1, counts.terminating.length);
  const scaled = { active: counts.active.length + succeeded, removed: [], wait };
  if (error === undefined || isTerminatingNamespace(error)) return scaled;
  events.warning(job, "FailedCreate", `Error creating: ${(error as Error).message}`);
  return { ...scaled, error };
}

/** Which indexes get a Pod now (undefined: one without index), and how long the next ones must wait. */
function due(
  job: Job,
  pods: readonly Pod[],
  counts: Tally,
  vanished: ReadonlyMap<string, number>,
  count: number,
  now: number,
) {
  // a Pod that was let go before it ended is no failure
  const failed = pods.filter((pod) => isFailed(pod, job) && (isTerminal(pod) || isTracked(pod)));
  const known = failed.filter(({ metadata }) => !vanished.has(metadata.uid));
  const ends = (ended: readonly Pod[]) => ended.map((pod) => endOf(pod, now));
  const failures = [...ends(known), ...vanished.values()];
  const pause = hasLimitPerIndex(job) ? 0 : backoffLeft(failures, ends(pods.filter(isSucceeded)), now);
  if (pause > 0) return { indexes: [], wait: pause };
  if (!isIndexed(job)) return { indexes: Array<undefined>(count).fill(undefined), wait: undefined };
  const { active, terminating, completedIndexes, failedIndexes, kept } = counts;
  const occupied = replacesEnded(job) ? [...active, ...terminating] : active;
  const missing = missingIndexes(job, occupied, [completedIndexes, failedIndexes], count);
  const waits = missing.map((index) => backoffOfIndex(kept.get(index), now));
  const longer = waits.filter((wait) => wait > 0);
  return {
    indexes: missing.filter((_, at) => waits[at] === 0),
    wait: longer.length > 0 ? Math.min(...longer) : undefined,
  };
}

async function remove(
  key: string,
  job: Job,
  pods: readonly Pod[],
  before: number,
  counted: boolean,
  context: JobContext,
  asked: Asked,
): Promise<Scaled> {
  const { client, clock, events } = context;
  const chosen = pods.slice(0, BURST);
  const uids = chosen.map(({ metadata }) => metadata.uid);
  asked.expectations.expectDeletions(key, uids, clock.monotonic());
  const removed: string[] = [];
  const error = await inBatches(chosen, async (pod) => {
    const { namespace, name, uid } = pod.metadata;
    try {
      if (counted) await client.delete("pods", { namespace, name }, { preconditions: { uid } });
      else await dismiss(pod, context, asked);
      events.normal(job, "SuccessfulDelete", `Deleted pod: ${name}`);
    } catch (failure) {
      asked.expectations.deletionObserved(key, uid);
      if (isConflict(failure)) throw failure;
      if (!isNotFound(failure)) {
        events.warning(job, "FailedDelete", `Error deleting: ${(failure as Error).message}`);
        throw failure;
      }
    }
    removed.push(uid);
  });
  return { active: before - removed.length, removed, ...(error ? { error } : {}) };
}

/**
 * Deletes a Pod that is to count neither way, and only as it was seen: one that has succeeded meanwhile
 * must not be lost, for its work would be done again.
 */
async function dismiss(pod: Pod, context: JobContext, asked: Asked): Promise<void> {
  const { namespace, name, uid } = pod.metadata;
  const { resourceVersion } = (await release(pod, context, asked, pod.metadata.resourceVersion))?.metadata ?? {};
  const preconditions = { uid, ...(resourceVersion ? { resourceVersion } : {}) };
  try {
    await context.client.delete("pods", { namespace, name }, { preconditions });
  } catch (error) {
    if (isConflict(error)) await holdAgain(pod, context, asked);
    throw error;
  }
}

/** It is not what was seen: unless it goes anyway, it counts again, and is judged anew. */
async function holdAgain({ metadata }: Pod, { client }: JobContext, { released }: Asked): Promise<void> {
  const { namespace, name, uid } = metadata;
  const live = await client.find("pods", { namespace, name });
  if (live?.metadata.uid !== uid || live.metadata.deletionTimestamp) return;
  await client.patch("pods", { namespace, name }, { metadata: { uid, finalizers: [TRACKING] } }, { type: "strategic" });
  released.delete(uid);
}

/** Takes the tracking finalizer off. */
export async function releaseAll(pods: readonly Pod[], context: JobContext, asked: Asked): Promise<void> {
  const error = await inBatches(pods.filter(isTracked), async (pod) => void (await release(pod, context, asked)));
  if (error) throw error;
}

/** The Pod as it is without the finalizer; undefined where it is gone. With a version: only as it was then. */
async function release(
  pod: Pod,
  { client }: JobContext,
  { released }: Asked,
  resourceVersion?: string,
): Promise<Pod | undefined> {
  const { namespace, name, uid } = pod.metadata;
  if (!isTracked(pod) || released.has(uid)) return pod;
  released.add(uid);
  try {
    const seen = resourceVersion ? { uid, resourceVersion } : { uid };
    const metadata = { ...seen, "$deleteFromPrimitiveList/finalizers": [TRACKING] };
    return await client.patch("pods", { namespace, name }, { metadata }, { type: "strategic" });
  } catch (error) {
    released.delete(uid);
    if (!isNotFound(error)) throw error;
    return undefined;
  }
}

/** All of them, some at a time; returns the first failure. */
async function inBatches(pods: readonly Pod[], call: (pod: Pod) => Promise<void>): Promise<unknown> {
  let error: unknown;
  for (let at = 0; at < pods.length; at += AT_ONCE) {
    const results = await Promise.allSettled(pods.slice(at, at + AT_ONCE).map(call));
    error ??= results.find((result) => result.status === "rejected")?.reason;
  }
  return error;
}
