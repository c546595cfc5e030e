/**
 * Job: runs Pods until enough of them have succeeded, or too many have failed.
 *
 * An end is counted once, also across restarts (job-tally.ts), and no Pod is made from a cache that lags behind what
 * was written before (pod-creations.ts). How it ends: job-ending.ts; which failures count: job-policies.ts; how Pods
 * are made and let go: job-scale.ts. Finished Jobs go by their TTL: ttl-after-finished.ts.
 * https://kubernetes.io/docs/concepts/workloads/controllers/job/
 */
import { type Change, type Lister, splitKey } from "../machinery/client/informer.ts";
import { again, type Controller, defineController, done, type Outcome } from "../machinery/loop/controller.ts";
import { createExpectations, OVERDUE_MS } from "../machinery/loop/expectations.ts";
import { createOwnWrites } from "../machinery/loop/own-writes.ts";
import { findCondition, isTrue } from "../machinery/objects/conditions.ts";
import type { Job, Pod } from "../machinery/objects/kinds.ts";
import { controllerOf, isControlledBy } from "../machinery/objects/owners.ts";
import { fromLabelSelector, matches } from "../machinery/objects/selectors.ts";
import { sameJson } from "./canonical-json.ts";
import { claim } from "./claim.ts";
import { endingOf, isFinished, timeToDeadline } from "./job-ending.ts";
import { isTracked, TRACKING } from "./job-pods.ts";
import { type Asked, type JobContext, releaseAll, scale } from "./job-scale.ts";
import { statusOf } from "./job-status.ts";
import { account, tally } from "./job-tally.ts";
import { createPodCreations } from "./pod-creations.ts";
import { ownerKey } from "./pod-from-template.ts";
import { isActive } from "./pod-state.ts";

/** Who looks after a Job that names nobody. */
const MANAGED_BY = "kubernetes.io/job-controller";

export function jobController(): Controller {
  const expectations = createExpectations();
  const creations = createPodCreations(expectations);
  const asked: Asked = { expectations, creations, writes: createOwnWrites(), released: new Set() };
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
      await releaseOrphans(key, job, context, asked);
      if (!job) {
        asked.writes.forget(key);
        return done;
      }
      if (job.spec?.managedBy && job.spec.managedBy !== MANAGED_BY) return done;
      if (asked.writes.behind(key, job)) return done;

      if (!isFinished(job)) await creations.settle(key, job, context);
      // what is known of the cache must not be younger than the Pods that are looked at
      const released = new Set(asked.released);
      const settled = asked.expectations.satisfied(key, context.clock.monotonic());
      const pods = await ownPods(job, context);
      if (isFinished(job) || job.metadata.deletionTimestamp) {
        await releaseAll(pods, context, asked);
        return done;
      }
      return run(key, job, { pods, released, settled }, context, asked);
    },
  });
}

/** The Job that a Pod's change concerns; what it shows closes expectations. */
function keysOf({ object: pod, type }: Change<Pod>, jobs: Lister<Job>, asked: Asked): string[] {
  const key = ownerKey(pod, "jobs");
  const { name, uid, namespace, deletionTimestamp } = pod.metadata;
  if (type === "deleted" || !isTracked(pod)) asked.released.delete(uid);
  if (key) {
    if (type !== "updated") asked.creations.observed(key, name);
    if (type === "deleted" || deletionTimestamp) asked.expectations.deletionObserved(key, uid);
    return [key];
  }
  if (type === "deleted" || controllerOf(pod)) return [];
  return jobs
    .list(namespace)
    .filter(({ spec }) => matches(fromLabelSelector(spec?.selector), pod.metadata.labels))
    .map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
}

async function ownPods(job: Job, { client, pods }: JobContext): Promise<Pod[]> {
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

/** What a reconcile goes by, all of one moment. */
interface View {
  readonly pods: readonly Pod[];
  /** Pods that have lost their finalizer, though the cache may not show it. */
  readonly released: ReadonlySet<string>;
  /** Nothing is known to be missing in the cache. */
  readonly settled: boolean;
}

async function run(
  key: string,
  job: Job,
  { pods, released, settled }: View,
  context: JobContext,
  asked: Asked,
): Promise<Outcome> {
  const { client, clock } = context;
  const { expectations, writes } = asked;
  const now = clock.now();
  const counts = tally(job, pods, released);
  const ending = endingOf(job, pods, counts, now);
  const scaled = settled
    ? await scale(key, job, pods, counts, ending, context, asked)
    : { active: counts.active.length, removed: [] };

  const over = ending !== undefined && settled && scaled.active === 0;
  const letGo = ending?.type === "FailureTarget" ? released : new Set([...released, ...scaled.removed]);
  const accounts = account(job, pods, counts, letGo, over ? ending : undefined);
  const terminating = counts.terminating.length + scaled.removed.length;
  const status = statusOf({ job, counts, accounts, active: scaled.active, terminating, ending, over, now });
  if (!sameJson(status, job.status)) {
    const written = await client.updateStatus("jobs", { ...job, status });
    writes.wrote(key, written);
    announce(job, written, context);
  }
  await releaseAll(accounts.release, context, asked);
  if (scaled.error) throw scaled.error;

  const unseen = expectations.satisfied(key, clock.monotonic()) ? undefined : OVERDUE_MS;
  const waits = [timeToDeadline(job, now), scaled.wait, unseen].filter((ms) => ms !== undefined && ms > 0);
  return waits.length > 0 ? again(Math.min(...(waits as number[]))) : done;
}

/** Pods of a Job that is gone are held by nobody, also where another has its name by now. */
async function releaseOrphans(key: string, job: Job | undefined, context: JobContext, asked: Asked): Promise<void> {
  const { namespace = "", name = "" } = splitKey(key);
  const held = context.pods
    .list(namespace)
    .filter((pod) => isTracked(pod) && ownerKey(pod, "jobs") === key && controllerOf(pod)?.uid !== job?.metadata.uid);
  if (held.length === 0) return;
  const live = await context.client.find("jobs", { namespace, name });
  const orphans = held.filter((pod) => controllerOf(pod)?.uid !== live?.metadata.uid);
  await releaseAll(orphans, context, asked);
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
