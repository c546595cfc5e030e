/**
 * Tally of a Job: how its Pods stand, and which of them are counted next. Pure.
 *
 * A Pod's end is counted exactly once: first its uid stands in uncountedTerminatedPods (or its index in
 * completedIndexes), then its finalizer goes, then the count grows and the uid leaves. A restart at any point goes on
 * from there. What follows for the Job: job-ending.ts.
 */
import type { Job, Pod } from "../machinery/objects/kinds.ts";
import type { Ending } from "./job-ending.ts";
import { formatIndexes, hasIndex, indexOf, isIndexed, parseIndexes } from "./job-indexes.ts";
import { endOf, isFailed, isSucceeded, isTracked } from "./job-pods.ts";
import { hasLimitPerIndex, isLastOfIndex, lastFailures, verdictOn } from "./job-policies.ts";
import { isActive, isReady, isTerminating } from "./pod-state.ts";

export interface Tally {
  readonly active: readonly Pod[];
  readonly ready: number;
  readonly terminating: readonly Pod[];
  /** What has succeeded and failed, also where it is not counted yet. */
  readonly succeeded: number;
  readonly failed: number;
  /** Indexed Jobs: the indexes that are done, and that have failed for good. */
  readonly completedIndexes: ReadonlySet<number>;
  readonly failedIndexes: ReadonlySet<number> | undefined;
  /** Failed Pods that wait for another in their place, which learns from them how often their index failed. */
  readonly kept: ReadonlyMap<number, Pod>;
}

/** `released`: Pods that have lost their finalizer, though the cache may not show it. */
export function tally(job: Job, pods: readonly Pod[], released: ReadonlySet<string>): Tally {
  const { status = {}, spec } = job;
  const waiting = waitingOf(job);
  const held = heldBy(job, pods, released).filter((pod) => hasIndex(pod, job));
  const fresh = held.filter(({ metadata: { uid } }) => !waiting.failed.has(uid) && !waiting.succeeded.has(uid));
  const newlySucceeded = fresh.filter(isSucceeded);
  const newlyFailed = fresh.filter((pod) => isFailed(pod, job) && verdictOn(job, pod).action !== "Ignore");

  const completedIndexes = new Set<number>();
  if (isIndexed(job)) {
    for (const index of parseIndexes(status.completedIndexes, spec?.completions)) completedIndexes.add(index);
    for (const pod of newlySucceeded) completedIndexes.add(indexOf(pod)!);
  }
  const failedPods = held.filter((pod) => isFailed(pod, job));
  const failedIndexes = hasLimitPerIndex(job) ? failedFor(job, failedPods, completedIndexes) : undefined;
  const active = pods.filter(isActive);
  const occupied = new Set(active.map(indexOf));
  const open = failedPods.filter((pod) => {
    const index = indexOf(pod)!;
    return !occupied.has(index) && !completedIndexes.has(index) && !failedIndexes?.has(index);
  });
  return {
    active,
    ready: active.filter(isReady).length,
    terminating: pods.filter(isTerminating),
    succeeded: isIndexed(job)
      ? completedIndexes.size
      : (status.succeeded ?? 0) + waiting.succeeded.size + newlySucceeded.length,
    failed: (status.failed ?? 0) + waiting.failed.size + newlyFailed.length,
    completedIndexes,
    failedIndexes,
    kept: failedIndexes ? lastFailures(open, byItsOwnWord) : new Map(),
  };
}

/** Ends of Pods of one Job, to be compared with each other only. */
const byItsOwnWord = (pod: Pod): number => endOf(pod, Number.POSITIVE_INFINITY);

function failedFor(job: Job, failed: readonly Pod[], completed: ReadonlySet<number>): ReadonlySet<number> {
  const indexes = parseIndexes(job.status?.failedIndexes, job.spec?.completions);
  for (const pod of failed) if (isLastOfIndex(job, pod)) indexes.add(indexOf(pod)!);
  return new Set([...indexes].filter((index) => !completed.has(index)));
}

function heldBy(job: Job, pods: readonly Pod[], released: ReadonlySet<string>): Pod[] {
  const done = parseIndexes(job.status?.completedIndexes, job.spec?.completions);
  return pods.filter((pod) => (isTracked(pod) ? !released.has(pod.metadata.uid) : isOverlooked(job, pod, done)));
}

/**
 * A controller that died between taking the finalizer off and deleting the Pod left it to succeed unseen. Its index
 * counts all the same, or the work would be done again; counting an index twice is counting it once.
 */
function isOverlooked(job: Job, pod: Pod, done: ReadonlySet<number>): boolean {
  if (!isIndexed(job) || !isSucceeded(pod) || pod.metadata.deletionTimestamp !== undefined) return false;
  return hasIndex(pod, job) && !done.has(indexOf(pod)!);
}

function waitingOf({ status }: Job) {
  const { succeeded = [], failed = [] } = status?.uncountedTerminatedPods ?? {};
  return { succeeded: new Set(succeeded), failed: new Set(failed) };
}

/** What of the status follows from ends that are counted, and what may go once it is written. */
export interface Account {
  readonly succeeded: number;
  readonly failed: number;
  readonly uncountedTerminatedPods: { readonly succeeded?: string[]; readonly failed?: string[] };
  readonly completedIndexes: string | undefined;
  readonly failedIndexes: string | undefined;
  readonly release: readonly Pod[];
  /** Those that count as failed from now on. */
  readonly newlyFailed: readonly Pod[];
  /** Nothing is left that waits to be counted. */
  readonly settled: boolean;
}

/** So many ends are counted at a time, so that a status stays small. */
const MOST_WAITING = 500;

/** `over`: the Job ends, and all its Pods were told to. */
export function account(
  job: Job,
  pods: readonly Pod[],
  counts: Tally,
  released: ReadonlySet<string>,
  over: Ending | undefined,
): Account {
  const held = heldBy(job, pods, released);
  const uids = new Set(held.map(({ metadata }) => metadata.uid));
  const waiting = waitingOf(job);
  const succeeded = [...waiting.succeeded].filter((uid) => uids.has(uid));
  const failed = [...waiting.failed].filter((uid) => uids.has(uid));
  const done = parseIndexes(job.status?.completedIndexes, job.spec?.completions);
  const release: Pod[] = [];
  const newlyFailed: Pod[] = [];
  let counted = 0;
  let full = false;
  for (const pod of held) {
    const { uid } = pod.metadata;
    if (!mayGo(pod, job, counts, over)) continue;
    if (
      counted + succeeded.length + failed.length >= MOST_WAITING &&
      !waiting.failed.has(uid) &&
      !waiting.succeeded.has(uid)
    ) {
      full = true;
      continue;
    }
    release.push(pod);
    if (waiting.failed.has(uid) || waiting.succeeded.has(uid) || !hasIndex(pod, job)) continue;
    if (isSucceeded(pod)) {
      const index = isIndexed(job) ? indexOf(pod) : undefined;
      if (index === undefined) succeeded.push(uid);
      else if (!done.has(index)) counted++;
      if (index !== undefined) done.add(index);
    } else if ((isFailed(pod, job) || over?.type === "FailureTarget") && verdictOn(job, pod).action !== "Ignore") {
      failed.push(uid);
      newlyFailed.push(pod);
    }
  }
  const moved = (before: ReadonlySet<string>, left: readonly string[]) =>
    [...before].filter((uid) => !left.includes(uid)).length;
  return {
    succeeded: isIndexed(job) ? done.size : (job.status?.succeeded ?? 0) + moved(waiting.succeeded, succeeded),
    failed: (job.status?.failed ?? 0) + moved(waiting.failed, failed),
    uncountedTerminatedPods: {
      ...(succeeded.length > 0 ? { succeeded } : {}),
      ...(failed.length > 0 ? { failed } : {}),
    },
    completedIndexes: isIndexed(job) && done.size > 0 ? formatIndexes(done) : undefined,
    failedIndexes: counts.failedIndexes && formatIndexes(counts.failedIndexes),
    release,
    newlyFailed,
    settled: !full && succeeded.length + failed.length === 0 && release.length === 0,
  };
}

/** Whether a Pod's end may be counted now. */
function mayGo(pod: Pod, job: Job, { kept }: Tally, over: Ending | undefined): boolean {
  if (over || isSucceeded(pod)) return true;
  if (!isFailed(pod, job)) return false;
  const index = indexOf(pod);
  return index === undefined || kept.get(index)?.metadata.uid !== pod.metadata.uid;
}
