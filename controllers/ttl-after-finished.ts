/**
 * TTL after finished: deletes Jobs some time after they ended.
 *
 * Only spec.ttlSecondsAfterFinished starts the clock, and only a Job that still reads as finished
 * from the server (not from the cache) may be deleted. Dependents go by garbage collection: see
 * garbage-collector.ts.
 * https://kubernetes.io/docs/concepts/workloads/controllers/ttlafterfinished/
 */
import { again, defineController, done, enqueueSelf, type Outcome } from "../machinery/loop/controller.ts";
import type { Job } from "../machinery/objects/kinds.ts";

export const ttlAfterFinished = defineController({
  name: "ttl-after-finished-controller",
  watches: { jobs: enqueueSelf },

  async reconcile(key, { jobs, client, clock }): Promise<Outcome> {
    const cached = jobs.get(key);
    if (!cached) return done;

    const wait = timeLeft(cached, clock.now());
    if (wait === undefined) return done;
    if (wait > 0) return again(wait);

    const { namespace, name } = cached.metadata;
    const job = await client.find("jobs", { namespace, name }); // the cache may lag behind a new TTL
    const left = job && timeLeft(job, clock.now());
    if (!job || left === undefined) return done;
    if (left > 0) return again(left);

    const { uid } = job.metadata;
    await client.delete("jobs", { namespace, name }, { preconditions: { uid }, propagation: "Foreground" });
    return done;
  },
});

/** Milliseconds until the Job may go: 0 when it is due, undefined when it never will be. */
export function timeLeft({ spec, status, metadata }: Job, now: number): number | undefined {
  if (spec?.ttlSecondsAfterFinished === undefined || metadata.deletionTimestamp) return undefined;
  const end = status?.conditions?.find(
    (condition) => (condition.type === "Complete" || condition.type === "Failed") && condition.status === "True",
  );
  const finished = Date.parse(end?.lastTransitionTime ?? "");
  if (Number.isNaN(finished)) return undefined;
  return Math.max(0, finished + spec.ttlSecondsAfterFinished * 1000 - now);
}
