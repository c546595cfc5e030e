/**
 * Job: runs Pods until enough of them have succeeded, or too many have failed.
 *
 * An end is counted once, also across restarts (job-status.ts), and no Pod is made from a cache that
 * lags behind what was written before (pod-creations.ts). Which Pods: job-pods.ts. Finished Jobs go by their TTL:
 * ttl-after-finished.ts.
 * https://kubernetes.io/docs/concepts/workloads/controllers/job/
 */
import type { Change, Lister } from "../machinery/client/informer.ts";
import {
  again,
  type Controller,
  defineController,
  done,
  type Outcome,
  type Services,
} from "../machinery/loop/controller.ts";
import { createExpectations, type Expectations, OVERDUE_MS } from "../machinery/loop/expectations.ts";
import { createOwnWrites, type OwnWrites } from "../machinery/loop/own-writes.ts";
import { isTrue } from "../machinery/objects/conditions.ts";
import type { Job, Pod } from "../machinery/objects/kinds.ts";
import { controllerOf, isControlledBy } from "../machinery/objects/owners.ts";
import { fromLabelSelector, matches } from "../machinery/objects/selectors.ts";
import { isNotFound } from "../machinery/objects/status.ts";
import { sameJson } from "./canonical-json.ts";
import { claim } from "./claim.ts";
import {
  backoffLeft,
  draftPod,
  isFailed,
  isIndexed,
  isSucceeded,
  isTracked,
  missingIndexes,
  podNamePrefix,
  TRACKING,
} from "./job-pods.ts";
import {
  type Ending,
  endingOf,
  isFinished,
  isSuspended,
  statusOf,
  type Tally,
  tally,
  timeToDeadline,
  wantedActive,
} from "./job-status.ts";
import { createPodCreations, type PodCreations } from "./pod-creations.ts";
import { ownerKey } from "./pod-from-template.ts";
import { isActive, isTerminal } from "./pod-state.ts";
import { isTerminatingNamespace } from "./replicaset.ts";

type Context = { readonly jobs: Lister<Job>; readonly pods: Lister<Pod> } & Services;

/** What was written and may not be in the cache. */
interface Asked {
  readonly expectations: Expectations;
  readonly creations: PodCreations;
  readonly writes: OwnWrites;
}

/** Most Pods created or deleted in one go. */
const BURST = 500;
const MANAGED_BY = "kubernetes.io/job-controller";

export function jobController(): Controller {
  const expectations = createExpectations();
  const creations = createPodCreations(expectations);
  const writes = createOwnWrites();
  const asked: Asked = { expectations, creations, writes };
  return defineController({
    name: "job-controller",
    workers: 5,
    paced: true,
    watches: {
      jobs: ({ key, type }) => {
        if (type === "deleted") creations.forget(key);
        return [key];
      },
      pods: (change, listers) => keysOf(change, listers["jobs"] as unknown as Lister<Job>, asked),
    },

    async reconcile(key, context): Promise<Outcome> {
      const job = context.jobs.get(key);
      if (!job) {
        writes.forget(key);
        return releaseOrphans(key, context);
      }
      if (job.spec?.managedBy && job.spec.managedBy !== MANAGED_BY) return done;
      if (writes.behind(key, job)) return done;

      if (!isFinished(job)) await creations.settle(key, job, context);
      const pods = await ownPods(job, context);
      if (isFinished(job) || job.metadata.deletionTimestamp)
        return releaseAll(
          pods.filter((pod) => isFinished(job) || isTerminal(pod) || pod.metadata.deletionTimestamp),
          context,
        );
      return run(key, job, pods, context, asked);
    },
  });
}

/** The Job that a Pod's change concerns; what it shows closes expectations. */
function keysOf({ object: pod, type }: Change<Pod>, jobs: Lister<Job>, { creations, expectations }: Asked): string[] {
  const key = ownerKey(pod, "jobs");
  if (key) {
    if (type !== "updated") creations.observed(key, pod.metadata.name);
    if (type === "deleted" || pod.metadata.deletionTimestamp) expectations.deletionObserved(key, pod.metadata.uid);
    return [key];
  }
  if (type === "deleted" || controllerOf(pod)) return [];
  return jobs
    .list(pod.metadata.namespace)
    .filter(({ spec }) => matches(fromLabelSelector(spec?.selector), pod.metadata.labels))
    .map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
}

async function ownPods(job: Job, { client, pods }: Context): Promise<Pod[]> {
  const candidates = pods.list(job.metadata.namespace).filter((pod) => isControlledBy(pod, job) || !controllerOf(pod));
  const selector = fromLabelSelector(job.spec?.selector);
  return claim({
    client,
    ownerResource: "jobs",
    owner: job,
    selector,
    resource: "pods",
    candidates,
    adoptable: isActive,
    finalizers: [TRACKING],
  });
}

async function run(key: string, job: Job, pods: readonly Pod[], context: Context, asked: Asked): Promise<Outcome> {
  const { client, clock } = context;
  const { expectations, writes } = asked;
  if (!job.status?.startTime) warnOfIgnored(job, context);
  const counts = tally(job, pods);
  const now = clock.now();
  const ending = endingOf(job, counts, now);
  const settled = expectations.satisfied(key, clock.monotonic());

  const failed = pods.filter((pod) => isFailed(pod, job));
  const pause = backoffLeft(failed, pods.filter(isSucceeded), now);
  const scaled = settled
    ? await scale(key, job, counts, ending, pause, context, asked)
    : { active: counts.active.length };

  const status = statusOf({ job, pods, counts, active: scaled.active, ending, settled, now });
  if (!sameJson(status, job.status)) {
    const written = await client.updateStatus("jobs", { ...job, status });
    writes.wrote(key, written);
    announce(job, written, context);
  }
  await releaseAll(
    pods.filter((pod) => isCounted(pod, status)),
    context,
  );
  if (scaled.error) throw scaled.error;

  const unseen = expectations.satisfied(key, clock.monotonic()) ? undefined : OVERDUE_MS;
  const waits = [timeToDeadline(job, now), pause > 0 && !ending ? pause : undefined, unseen].filter(
    (ms) => ms !== undefined && ms > 0,
  );
  return waits.length > 0 ? again(Math.min(...(waits as number[]))) : done;
}

/** What is stored and not acted on. */
const IGNORED = ["podFailurePolicy", "successPolicy", "backoffLimitPerIndex", "maxFailedIndexes"] as const;

function warnOfIgnored(job: Job, { events }: Context): void {
  const fields = IGNORED.filter((field) => job.spec?.[field] !== undefined).map((field) => `spec.${field}`);
  if (fields.length > 0) events.warning(job, "FieldIgnored", `Not acted on by this cluster: ${fields.join(", ")}`);
}

/** Makes or deletes Pods. Returns how many are active then, as far as is known. */
async function scale(
  key: string,
  job: Job,
  counts: Tally,
  ending: Ending | undefined,
  pause: number,
  context: Context,
  asked: Asked,
): Promise<{ readonly active: number; readonly error?: unknown }> {
  const { active } = counts;
  const target = ending || isSuspended(job) ? 0 : wantedActive(job, counts);
  if (active.length > target) {
    const counted = ending?.type === "FailureTarget";
    return remove(key, job, surplus(active, target), active.length, counted, context, asked.expectations);
  }
  const replaced = job.spec?.podReplacementPolicy === "Failed" ? counts.terminating : 0;
  const missing = Math.min(target - active.length - replaced, BURST);
  if (missing <= 0 || pause > 0) return { active: active.length };
  return create(key, job, counts, missing, context, asked.creations);
}

/** Those that have got least far go first. */
function surplus(active: readonly Pod[], target: number): readonly Pod[] {
  const order = (pod: Pod) => (pod.status?.phase === "Running" ? 1 : 0);
  const sorted = [...active].sort(
    (a, b) =>
      order(a) - order(b) || Date.parse(b.metadata.creationTimestamp) - Date.parse(a.metadata.creationTimestamp),
  );
  return sorted.slice(0, active.length - target);
}

async function create(key: string, job: Job, counts: Tally, count: number, context: Context, creations: PodCreations) {
  const { events } = context;
  const indexes: readonly (number | undefined)[] = isIndexed(job)
    ? missingIndexes(job, counts.active, counts.completedIndexes, count)
    : Array(count).fill(undefined);
  const drafts = indexes.map((index) => ({
    prefix: podNamePrefix(job, index),
    draft: (name: string) => draftPod(job, index, name),
    made: (name: string) => events.normal(job, "SuccessfulCreate", `Created pod: ${name}`),
  }));
  const { succeeded, error } = await creations.create(key, job, drafts, context);
  const active = counts.active.length + succeeded;
  if (error === undefined || isTerminatingNamespace(error)) return { active };
  events.warning(job, "FailedCreate", `Error creating: ${(error as Error).message}`);
  return { active, error };
}

/** Pods deleted because the Job failed count as failed; others lose their finalizer first, so that they do not. */
async function remove(
  key: string,
  job: Job,
  pods: readonly Pod[],
  before: number,
  counted: boolean,
  context: Context,
  expectations: Expectations,
) {
  const { client, clock, events } = context;
  const chosen = pods.slice(0, BURST);
  expectations.expectDeletions(
    key,
    chosen.map(({ metadata }) => metadata.uid),
    clock.monotonic(),
  );
  let gone = 0;
  let error: unknown;
  for (const pod of chosen) {
    const { namespace, name, uid } = pod.metadata;
    try {
      if (!counted) await releaseAll([pod], context);
      await client.delete("pods", { namespace, name }, { preconditions: { uid } });
      events.normal(job, "SuccessfulDelete", `Deleted pod: ${name}`);
      gone++;
    } catch (failure) {
      expectations.deletionObserved(key, uid);
      if (isNotFound(failure)) gone++;
      else error ??= failure;
    }
  }
  return { active: before - gone, ...(error ? { error } : {}) };
}

const isCounted = (pod: Pod, { uncountedTerminatedPods: waiting }: NonNullable<Job["status"]>): boolean =>
  Boolean(waiting?.succeeded?.includes(pod.metadata.uid) || waiting?.failed?.includes(pod.metadata.uid));

/** Takes the tracking finalizer off. The change comes back through the informer and is counted then. */
async function releaseAll(pods: readonly Pod[], { client }: Context): Promise<Outcome> {
  for (const { metadata } of pods.filter(isTracked)) {
    const { namespace, name, uid, resourceVersion } = metadata;
    const finalizers = metadata.finalizers?.filter((one) => one !== TRACKING) ?? [];
    try {
      await client.patch("pods", { namespace, name }, { metadata: { uid, resourceVersion, finalizers } });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
  return done;
}

/** Pods of a Job that is gone are held by nobody. */
async function releaseOrphans(key: string, context: Context): Promise<Outcome> {
  const held = context.pods.list(key.split("/")[0]).filter((pod) => isTracked(pod) && ownerKey(pod, "jobs") === key);
  if (held.length === 0) return done;
  const [namespace = "", name = ""] = key.split("/");
  const live = await context.client.find("jobs", { namespace, name });
  return releaseAll(
    held.filter((pod) => controllerOf(pod)?.uid !== live?.metadata.uid),
    context,
  );
}

/** Events for what the status newly says. */
function announce(before: Job, after: Job, { events }: Context): void {
  const turned = (type: string) => !isTrue(before.status?.conditions, type) && isTrue(after.status?.conditions, type);
  if (turned("Complete")) events.normal(after, "Completed", "Job completed");
  const failed = after.status?.conditions?.find(({ type }) => type === "Failed");
  if (turned("Failed")) events.warning(after, failed?.reason ?? "Failed", failed?.message ?? "");
  if (turned("Suspended")) events.normal(after, "Suspended", "Job suspended");
  if (isTrue(before.status?.conditions, "Suspended") && !isTrue(after.status?.conditions, "Suspended"))
    events.normal(after, "Resumed", "Job resumed");
}
