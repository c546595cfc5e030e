/**
 * Job: runs Pods until enough of them have succeeded, or too many have failed.
 *
 * An end is counted once, also across restarts (job-tally.ts), and no Pod is made from a cache that lags behind what
 * was written before (pod-creations.ts). How it ends: job-ending.ts; which failures count: job-policies.ts; how Pods
 * are made and let go: job-scale.ts. Finished Jobs go by their TTL: ttl-after-finished.ts.
 * https://kubernetes.io/docs/concepts/workloads/controllers/job/
 */
import { type Change, type Lister, type ObjectKey, splitKey } from "../machinery/client/informer.ts";
import { again, type Controller, defineController, done, type Outcome } from "../machinery/loop/controller.ts";
import { createExpectations, OVERDUE_MS } from "../machinery/loop/expectations.ts";
import { createOwnWrites } from "../machinery/loop/own-writes.ts";
import { findCondition, isTrue } from "../machinery/objects/conditions.ts";
import type { Job, Pod } from "../machinery/objects/kinds.ts";
import { controllerOf } from "../machinery/objects/owners.ts";
import { fromLabelSelector } from "../machinery/objects/selectors.ts";
import { sameJson } from "./canonical-json.ts";
import { claim, claimable } from "./claim.ts";
import { endingOf, isFinished, timeToDeadline } from "./job-ending.ts";
import { createBatchMetrics, type JobMetrics, type SyncAction } from "./job-metrics.ts";
import { endOf, isTracked, TRACKING } from "./job-pods.ts";
import { type Asked, type JobContext, releaseAll, scale } from "./job-scale.ts";
import { statusOf } from "./job-status.ts";
import { account, type Tally, tally } from "./job-tally.ts";
import { observe, ownerKey, ownersConcerned } from "./owners-concerned.ts";
import { createPodCreations, isStill } from "./pod-creations.ts";
import { isActive, isTerminal } from "./pod-state.ts";

/** Who looks after a Job that names nobody. */
const MANAGED_BY = "kubernetes.io/job-controller";

export function jobController(metrics: JobMetrics = createBatchMetrics().jobs): Controller {
  const expectations = createExpectations();
  const creations = createPodCreations(expectations);
  const asked: Asked = {
    expectations,
    creations,
    metrics,
    writes: createOwnWrites(),
    released: new Set(),
    vanished: new Map(),
  };
  const owners: OwnersSeen = new Map();
  return defineController({
    name: "job-controller",
    workers: 5,
    paced: true,
    watches: {
      jobs: ({ key, type, object: { spec } }) => {
        if (type === "deleted") creations.forget(key);
        if (type === "added" && isForeign(spec)) metrics.foreign(spec?.managedBy ?? "");
        return [key];
      },
      pods: (change, listers) => {
        metrics.saw(change);
        return keysOf(change, listers["jobs"] as unknown as Lister<Job>, asked, owners);
      },
    },

    async reconcile(key, context): Promise<Outcome> {
      const job = context.jobs.get(key);
      await releaseOrphans(key, job, context, asked, owners);
      if (!job) {
        asked.writes.forget(key);
        asked.vanished.delete(key);
        return done;
      }
      if (isForeign(job.spec)) return done;
      if (asked.writes.behind(key, job)) return done;

      if (!isFinished(job)) await creations.settle(key, job, context);
      if (!isStill(job, context.jobs.get(key))) return done;
      // what is known of the cache must not be younger than the Pods that are looked at
      const released = new Set(asked.released);
      const settled = asked.expectations.satisfied(key, context.clock.monotonic());
      const pods = await ownPods(job, context);
      if (isFinished(job) || job.metadata.deletionTimestamp) {
        await releaseAll(pods, context, asked);
        return done;
      }
      const started = context.clock.monotonic();
      const step: Step = { action: settled ? "tracking" : "reconciling" };
      const over = (result: "success" | "error") =>
        metrics.synced(job, step.action, result, (context.clock.monotonic() - started) / 1000);
      try {
        const outcome = await run(key, job, { pods, released, settled }, step, context, asked);
        over("success");
        return outcome;
      } catch (error) {
        over("error");
        throw error;
      }
    },
  });
}

const isForeign = (spec: Job["spec"]): boolean => !!spec?.managedBy && spec.managedBy !== MANAGED_BY;

/** The uids by which Pods know the Job of a key: more than one where a Job was made anew. */
type OwnersSeen = Map<ObjectKey, Set<string>>;

/** The Job that a Pod's change concerns; what it shows closes expectations. */
function keysOf(change: Change<Pod>, jobs: Lister<Job>, asked: Asked, owners: OwnersSeen): string[] {
  observe(change, "jobs", asked);
  const { object: pod, type } = change;
  const key = ownerKey(pod, "jobs");
  const owner = controllerOf(pod);
  if (key && owner) addTo(owners, key, owner.uid);
  if (type === "deleted" || !isTracked(pod)) asked.released.delete(pod.metadata.uid);
  return ownersConcerned(change, "jobs", jobs);
}

function addTo(sets: Map<string, Set<string>>, key: string, value: string): void {
  const set = sets.get(key);
  if (set) set.add(value);
  else sets.set(key, new Set([value]));
}

async function ownPods(job: Job, { client, pods }: JobContext): Promise<Pod[]> {
  const selector = fromLabelSelector(job.spec?.selector);
  return claim({
    client,
    ownerResource: "jobs",
    owner: job,
    selector,
    resource: "pods",
    candidates: claimable(job, pods),
    adoptable: isActive,
    finalizers: [TRACKING],
  });
}

/** What a reconcile goes by, all of one moment. */
interface View {
  readonly pods: readonly Pod[];
  /** Pods that have lost their finalizer, though the cache may not show it. */
  readonly released: ReadonlySet<string>;
  /** Nothing is known to be missing in the cache. */
  readonly settled: boolean;
}

/** What a reconcile did, for who counts. */
interface Step {
  action: SyncAction;
}

async function run(
  key: string,
  job: Job,
  { pods, released, settled }: View,
  step: Step,
  context: JobContext,
  asked: Asked,
): Promise<Outcome> {
  const { client, clock } = context;
  const { expectations, writes } = asked;
  const now = clock.now();
  const counts = await keptWhereUseful(tally(job, pods, released), job, context);
  const ending = endingOf(job, pods, counts, now);
  const scaled = settled
    ? await scale(key, job, pods, counts, ending, context, asked)
    : { active: counts.active.length, removed: [] };

  if (scaled.removed.length > 0) step.action = "pods_deleted";
  else if (scaled.active > counts.active.length) step.action = "pods_created";

  const over = ending !== undefined && settled && scaled.active === 0;
  const letGo = ending?.type === "FailureTarget" ? released : new Set([...released, ...scaled.removed]);
  const accounts = account(job, pods, counts, letGo, over ? ending : undefined);
  const terminating = counts.terminating.length + scaled.removed.length;
  const status = statusOf({ job, counts, accounts, active: scaled.active, terminating, ending, over, now });
  if (!sameJson(status, job.status)) {
    const written = await client.updateStatus("jobs", { ...job, status });
    writes.wrote(key, written);
    announce(job, written, context);
    asked.metrics.wrote(job, written, accounts.newlyFailed);
    remember(key, accounts.newlyFailed, now, asked);
  }
  await releaseAll(accounts.release, context, asked);
  if (scaled.error) throw scaled.error;

  const unseen = expectations.satisfied(key, clock.monotonic()) ? undefined : OVERDUE_MS;
  const waits = [timeToDeadline(job, now), scaled.wait, unseen].filter((ms) => ms !== undefined && ms > 0);
  return waits.length > 0 ? again(Math.min(...(waits as number[]))) : done;
}

/**
 * A failed Pod that somebody deletes stays until another has learnt from it; in a namespace that is going away there
 * never is another, and the namespace would wait for the Pod. (In Kubernetes it does.)
 */
async function keptWhereUseful(counts: Tally, { metadata }: Job, { client }: JobContext): Promise<Tally> {
  if (![...counts.kept.values()].some((pod) => pod.metadata.deletionTimestamp)) return counts;
  const namespace = await client.find("namespaces", { name: metadata.namespace ?? "" });
  return namespace?.metadata.deletionTimestamp ? { ...counts, kept: new Map() } : counts;
}

/** Most failures that a wait goes by: after so many it grows no more. */
const REMEMBERED = 16;

/** What was deleted before it ended leaves no end to wait from. */
function remember(key: string, failed: readonly Pod[], now: number, { vanished }: Asked): void {
  const deleted = failed.filter((pod) => !isTerminal(pod));
  if (deleted.length === 0) return;
  const times = [...(vanished.get(key) ?? []), ...deleted.map((pod) => [pod.metadata.uid, endOf(pod, now)] as const)];
  vanished.set(key, new Map(times.slice(-REMEMBERED)));
}

/** Pods of a Job that is gone are held by nobody, also where another has its name by now. */
async function releaseOrphans(
  key: string,
  job: Job | undefined,
  context: JobContext,
  asked: Asked,
  owners: OwnersSeen,
): Promise<void> {
  for (const uid of [...(owners.get(key) ?? [])].filter((one) => one !== job?.metadata.uid)) {
    const held = context.pods.ownedBy(uid).filter(isTracked);
    if (held.length > 0) {
      const { namespace, name } = splitKey(key);
      const live = await context.client.find("jobs", { namespace, name });
      if (live?.metadata.uid === uid) continue;
      await releaseAll(held, context, asked);
    }
    owners.get(key)?.delete(uid);
  }
  if (owners.get(key)?.size === 0) owners.delete(key);
}

/** Events for what the status newly says. */
function announce(before: Job, after: Job, { events }: JobContext): void {
  const turned = (type: string) => !isTrue(before.status?.conditions, type) && isTrue(after.status?.conditions, type);
  const { completions } = after.spec ?? {};
  if (turned("Complete")) {
    if (completions !== undefined && (after.status?.succeeded ?? 0) > completions) {
      const message = "Too many succeeded pods running after completion count reached";
      events.warning(after, "TooManySucceededPods", message);
    }
    events.normal(after, "Completed", "Job completed");
  }
  const failed = findCondition(after.status?.conditions, "Failed");
  if (turned("Failed")) events.warning(after, failed?.reason ?? "Failed", failed?.message ?? "");
  if (turned("Suspended")) events.normal(after, "Suspended", "Job suspended");
  if (isTrue(before.status?.conditions, "Suspended") && !isTrue(after.status?.conditions, "Suspended"))
    events.normal(after, "Resumed", "Job resumed");
}
