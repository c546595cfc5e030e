/**
 * Jobs: nothing that succeeded is done again, no index runs twice at a time, never more at a time than asked for,
 * and every Pod that ended is counted once.
 */
import type { Job, Pod } from "../../../machinery/objects/kinds.ts";
import { controllerOf } from "../../../machinery/objects/owners.ts";
import { isEnded } from "../pod-report.ts";
import type { Invariant } from "./invariants.ts";
import { counts } from "./well.ts";

const TRACKING = "batch.kubernetes.io/job-tracking";
const INDEX = "batch.kubernetes.io/job-completion-index";

const indexOf = ({ metadata }: Pod): string | undefined => metadata.annotations?.[INDEX];

export function jobs(): Invariant {
  /** "job uid/index" of those that succeeded. */
  const completed = new Set<string>();
  /** Job uid ► Pods that succeeded or failed. */
  const succeeded = new Map<string, Set<string>>();
  const failed = new Map<string, Set<string>>();
  /** Those of them that had to be counted. */
  const worked = new Map<string, Set<string>>();
  const parallelism = new Map<string, number>();

  const note = (pods: Map<string, Set<string>>, job: string, pod: string) => {
    const known = pods.get(job) ?? new Set();
    pods.set(job, known.add(pod));
  };

  const onPod = (before: Pod | undefined, pod: Pod, job: string): void => {
    const index = indexOf(pod);
    const done = pod.status?.phase === "Succeeded" && before?.status?.phase !== "Succeeded";
    if (done && !pod.metadata.deletionTimestamp && pod.metadata.finalizers?.includes(TRACKING))
      note(worked, job, pod.metadata.uid);
    if (pod.status?.phase === "Succeeded" && !pod.metadata.deletionTimestamp) {
      if (index !== undefined) completed.add(`${job}/${index}`);
      note(succeeded, job, pod.metadata.uid);
    } else if (isEnded(pod) || pod.metadata.deletionTimestamp) note(failed, job, pod.metadata.uid);
  };

  return {
    onWrite({ resource, before, after }, objects) {
      if (resource === "jobs" && after) {
        const job = after as Job;
        const { uid, name } = job.metadata;
        parallelism.set(uid, Math.max(parallelism.get(uid) ?? 0, job.spec?.parallelism ?? 1));
        const counted = job.status?.succeeded ?? 0;
        const seen = (succeeded.get(uid)?.size ?? 0) + (failed.get(uid)?.size ?? 0);
        if (counted > seen) return `Job ${name} counts ${counted} succeeded Pods of ${seen} that ended`;
        return undefined;
      }
      if (resource !== "pods" || !after) return undefined;
      const pod = after as Pod;
      const owner = controllerOf(pod);
      if (owner?.kind !== "Job") return undefined;
      onPod(before as Pod | undefined, pod, owner.uid);
      if (before) return undefined;
      const index = indexOf(pod);
      if (index !== undefined && completed.has(`${owner.uid}/${index}`))
        return `index ${index} of Job ${owner.name} succeeded and is run again by ${pod.metadata.name}`;
      const job = objects.byUid(owner.uid) as Job | undefined;
      const whole = index === undefined ? job?.spec?.completions : undefined;
      const enough = worked.get(owner.uid)?.size ?? 0;
      if (whole !== undefined && enough >= whole)
        return `Job ${owner.name} has succeeded ${enough} times and is run again by ${pod.metadata.name}`;
      const active = objects.podsOf(owner.uid).filter(counts);
      const same = active.filter((one) => index !== undefined && indexOf(one) === index);
      if (same.length > 1) return `index ${index} of Job ${owner.name} runs twice: ${names(same)}`;
      const most = parallelism.get(owner.uid);
      if (most !== undefined && active.length > most)
        return `Job ${owner.name} runs ${names(active)}, ${most} at a time were asked for`;
      return undefined;
    },
  };
}

const names = (pods: readonly Pod[]) => pods.map(({ metadata }) => metadata.name).join(", ");
