/**
 * Tasks: Jobs with their policies, and CronJobs.
 *
 * Images "work:SECONDS" end after that; those called "flaky" and "picky" fail for some Pods: pod-report.ts.
 */
import { STORM_MS } from "../shape.ts";
import { type App, life, type Step, template } from "./steps.ts";

export function job(app: App): Step[] {
  const { from, more, name } = app;
  const indexed = from.chance(0.6);
  const completions = from.between(1, 6);
  const kind = from.chance(0.35) ? "flaky" : "work";
  const { limit, ...plain } = {
    completions,
    parallelism: from.between(1, 4),
    completionMode: indexed ? "Indexed" : "NonIndexed",
    limit: { backoffLimit: from.between(0, 6) },
    ...(from.chance(0.2) ? { ttlSecondsAfterFinished: from.between(0, 20) } : {}),
    ...(from.chance(0.25) ? { podReplacementPolicy: "Failed" } : {}),
  };
  const seconds = from.between(1, 8);
  const policies = more.chance(0.45) ? policiesOf(app, indexed, completions) : undefined;
  const image = `${policies?.image ?? kind}:${seconds}`;
  const pods = template({ app: name }, image, app, { restartPolicy: "Never" });
  const spec = { ...plain, ...(policies?.perIndex ? {} : limit), ...policies?.spec, template: pods };
  const parallelism = () => ({ spec: { parallelism: from.between(1, 5) } });
  const suspend = () => ({ spec: { suspend: from.chance(0.5) } });
  return life(app, "jobs", { spec }, [parallelism, suspend], {
    spec: { suspend: false, parallelism: from.between(1, 5) },
  });
}

interface Policies {
  readonly image?: string;
  readonly spec: object;
  /** Failures are limited for each index, and not for the whole. */
  readonly perIndex?: true;
}

const onExit = (action: string, ...values: number[]) => ({ action, onExitCodes: { operator: "In", values } });
const DISRUPTED = { action: "Ignore", onPodConditions: [{ type: "DisruptionTarget", status: "True" }] };

function policiesOf({ more }: App, indexed: boolean, completions: number): Policies {
  const failures = (...rules: object[]) => ({ podFailurePolicy: { rules }, podReplacementPolicy: "Failed" });
  const whole: Policies = { image: "picky", spec: failures(DISRUPTED, onExit("FailJob", 42), onExit("Ignore", 3)) };
  if (!indexed || more.chance(0.25)) return whole;
  const perIndex = true;
  const limit = { backoffLimitPerIndex: more.between(0, 2) };
  return more.pick<Policies>([
    { spec: { successPolicy: { rules: [{ succeededCount: more.between(1, completions) }] } } },
    { spec: { successPolicy: { rules: [{ succeededIndexes: "0" }] } } },
    { perIndex, image: "picky", spec: limit },
    { perIndex, image: "picky", spec: { ...limit, maxFailedIndexes: more.between(0, completions) } },
    { perIndex, image: "picky", spec: { ...limit, ...failures(DISRUPTED, onExit("FailIndex", 42)) } },
  ]);
}

/** It goes on for a while after the storm, and is suspended then: else there would be no rest. */
const SUSPENDED_AT = STORM_MS + 100_000;

export function cronJob(app: App): Step[] {
  const { from, name } = app;
  const spec = {
    schedule: "* * * * *",
    concurrencyPolicy: from.pick(["Allow", "Forbid", "Replace"]),
    successfulJobsHistoryLimit: from.between(0, 2),
    failedJobsHistoryLimit: from.between(0, 1),
    ...(from.chance(0.3) ? { startingDeadlineSeconds: from.between(15, 90) } : {}),
    jobTemplate: {
      spec: {
        backoffLimit: 1,
        template: template({ app: name }, `${from.pick(["work", "flaky"])}:${from.pick([2, 10, 70])}`, app, {
          restartPolicy: "Never",
        }),
      },
    },
  };
  const limit = () => ({ spec: { successfulJobsHistoryLimit: from.between(0, 3) } });
  const suspend = () => ({ spec: { suspend: from.chance(0.3) } });
  const on: Step = {
    at: STORM_MS + 1_000,
    verb: "patch",
    resource: "cronjobs",
    namespace: app.namespace,
    name,
    body: { spec: { suspend: false } },
  };
  return [...life(app, "cronjobs", { spec }, [limit, suspend], { spec: { suspend: true } }, SUSPENDED_AT), on];
}
