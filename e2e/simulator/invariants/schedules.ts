/**
 * Schedules: a CronJob starts no Job twice, none before its time, and none beside another where it must not.
 */
import type { CronJob, Job } from "../../../machinery/objects/kinds.ts";
import { controllerOf } from "../../../machinery/objects/owners.ts";
import { START } from "../virtual-time.ts";
import type { Circumstances, Invariant } from "./invariants.ts";

const SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp";

const hasEnded = ({ status }: Job): boolean =>
  status?.conditions?.some(({ type, status: is }) => (type === "Complete" || type === "Failed") && is === "True") ??
  false;

export function schedules({ clockOff }: Circumstances): Invariant {
  const started = new Set<string>();
  return {
    onWrite(write, objects) {
      if (write.resource !== "jobs" || write.before || !write.after) return undefined;
      const job = write.after as Job;
      const owner = controllerOf(job);
      if (owner?.kind !== "CronJob") return undefined;
      const { name, annotations } = job.metadata;
      const id = `${owner.uid}/${name}`;
      if (started.has(id)) return `CronJob ${owner.name} starts ${name} twice`;
      started.add(id);
      const due = Date.parse(annotations?.[SCHEDULED] ?? "");
      if (!clockOff() && !(due <= START + write.at)) return `CronJob ${owner.name} starts ${name} before its time`;
      const cronJob = objects.byUid(owner.uid) as CronJob | undefined;
      if (cronJob?.spec?.concurrencyPolicy === "Allow") return undefined;
      const others = objects
        .of("jobs")
        .filter((one) => controllerOf(one)?.uid === owner.uid && one.metadata.uid !== job.metadata.uid);
      const running = others.find((one) => !hasEnded(one) && !one.metadata.deletionTimestamp);
      return running && `CronJob ${owner.name} starts ${name} while ${running.metadata.name} runs`;
    },
  };
}
