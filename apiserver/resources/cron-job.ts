/**
 * CronJob: Jobs at set times. The times themselves are reckoned by the cron controller.
 */
import { isZone, scheduleFault } from "../../machinery/objects/cron-schedule.ts";
import type { CronJob } from "../../machinery/objects/kinds.ts";
import { dns1123Label, dns1123Subdomain, type Rule } from "../../machinery/objects/names.ts";
import { notNegative, requireOneOf } from "./checks.ts";
import type { Strategy } from "./contract.ts";
import type { FieldErrors } from "./field-errors.ts";
import { defaultJobSpec, validateJobSpec } from "./job-spec.ts";
import { templateWarnings } from "./pod-warnings.ts";

/** Eleven characters are left for what the controller appends. */
export const cronJobName: Rule = (name) =>
  name.length > 52 ? [...dns1123Subdomain(name), "must be no more than 52 characters"] : dns1123Subdomain(name);

export const cronJobStrategy: Strategy<CronJob> = {
  defaults({ spec }) {
    if (!spec) return;
    spec.concurrencyPolicy ||= "Allow";
    spec.suspend ??= false;
    spec.successfulJobsHistoryLimit ??= 3;
    spec.failedJobsHistoryLimit ??= 1;
    if (spec.jobTemplate?.spec) defaultJobSpec(spec.jobTemplate.spec);
  },

  validate({ spec }, errors) {
    if (!spec) {
      errors.required("spec");
      return;
    }
    if (!spec.schedule) errors.required("spec.schedule");
    else {
      const fault = scheduleFault(spec.schedule);
      if (fault) errors.invalid("spec.schedule", spec.schedule, fault);
    }
    notNegative(spec.startingDeadlineSeconds, "spec.startingDeadlineSeconds", errors);
    requireOneOf(spec.concurrencyPolicy, ["Allow", "Forbid", "Replace"], "spec.concurrencyPolicy", errors);
    const job = spec.jobTemplate?.spec;
    if (!job) errors.required("spec.jobTemplate.spec");
    else {
      validateJobSpec(job, "spec.jobTemplate.spec", errors);
      if (job.selector) {
        errors.invalid("spec.jobTemplate.spec.selector", job.selector, "`selector` will be auto-generated");
      }
      if (job.manualSelector) {
        errors.notSupported("spec.jobTemplate.spec.manualSelector", job.manualSelector, ["nil", "false"]);
      }
    }
    notNegative(spec.successfulJobsHistoryLimit, "spec.successfulJobsHistoryLimit", errors);
    notNegative(spec.failedJobsHistoryLimit, "spec.failedJobsHistoryLimit", errors);
  },

  validateCreate({ spec }, errors) {
    refuseZone(spec?.schedule, errors);
    validateZone(spec?.timeZone, errors);
  },

  /** A zone in the schedule was allowed once: those that have it may keep it. */
  validateUpdate({ spec }, { spec: old }, errors) {
    const schedule = spec?.schedule ?? "";
    if (!old?.schedule.includes("TZ")) refuseZone(schedule, errors);
    else if (schedule.includes("TZ") && spec?.timeZone !== undefined) {
      errors.invalid("spec.schedule", schedule, "cannot use both timeZone field and TZ or CRON_TZ in schedule");
    }
    if (spec?.timeZone !== old?.timeZone) validateZone(spec?.timeZone, errors);
  },

  warnings({ metadata, spec }, old) {
    const warnings: string[] = [];
    const wrong = old ? [] : dns1123Label(metadata.name);
    if (wrong.length > 0) {
      warnings.push(
        `metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended: [${wrong.join(" ")}]`,
      );
    }
    if (spec?.schedule.includes("TZ")) {
      warnings.push(
        "spec.schedule: CRON_TZ or TZ used in schedule is not officially supported, see https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details",
      );
    }
    if (old && metadata.generation === old.metadata.generation) return warnings;
    return [...warnings, ...templateWarnings(spec?.jobTemplate?.spec?.template, "spec.jobTemplate.spec.template")];
  },

  allowUnconditionalUpdate: true,
};

function refuseZone(schedule: string | undefined, errors: FieldErrors): void {
  if (!schedule?.includes("TZ")) return;
  errors.invalid("spec.schedule", schedule, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead");
}

const ZONE_PART = /^[A-Za-z.\-_0-9+]{1,14}$/;

function validateZone(zone: string | undefined, errors: FieldErrors): void {
  if (zone === undefined) return;
  const unknown = `unknown time zone ${zone}`;
  const isBad = (part: string): boolean =>
    part === "." || part === ".." || part.startsWith("-") || !ZONE_PART.test(part);
  if (zone === "") errors.invalid("spec.timeZone", zone, "timeZone must be nil or non-empty string");
  else if (zone.split("/").some(isBad)) errors.invalid("spec.timeZone", zone, unknown);
  else if (zone.toLowerCase() === "local") {
    errors.invalid(
      "spec.timeZone",
      zone,
      "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones",
    );
  } else if (!isZone(zone)) errors.invalid("spec.timeZone", zone, unknown);
}
