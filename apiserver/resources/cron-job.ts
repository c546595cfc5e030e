/**
 * CronJob: Jobs at set times. The times themselves are reckoned by the cron controller.
 */
import type { CronJob } from "../../machinery/objects/kinds.ts";
import { dns1123Subdomain, type Rule } from "../../machinery/objects/names.ts";
import { notNegative, requireOneOf } from "./checks.ts";
import type { Strategy } from "./contract.ts";
import type { FieldErrors } from "./field-errors.ts";
import { defaultJobSpec, validateJobSpec } from "./job.ts";

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
    else validateSchedule(spec.schedule, errors);
    validateZone(spec.timeZone, errors);
    notNegative(spec.startingDeadlineSeconds, "spec.startingDeadlineSeconds", errors);
    requireOneOf(spec.concurrencyPolicy, ["Allow", "Forbid", "Replace"], "spec.concurrencyPolicy", errors);
    notNegative(spec.successfulJobsHistoryLimit, "spec.successfulJobsHistoryLimit", errors);
    notNegative(spec.failedJobsHistoryLimit, "spec.failedJobsHistoryLimit", errors);
    const job = spec.jobTemplate?.spec;
    if (!job) errors.required("spec.jobTemplate.spec");
    else {
      validateJobSpec(job, "spec.jobTemplate.spec", errors);
      if (job.manualSelector) {
        errors.notSupported("spec.jobTemplate.spec.manualSelector", job.manualSelector, ["nil", "false"]);
      }
    }
  },

  allowUnconditionalUpdate: true,
};

const DESCRIPTORS = /^@(?:yearly|annually|monthly|weekly|daily|midnight|hourly|every \S+)$/;

function validateSchedule(schedule: string, errors: FieldErrors): void {
  if (/(?:^|\s)(?:TZ|CRON_TZ)=/.test(schedule)) {
    errors.invalid("spec.schedule", schedule, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead");
    return;
  }
  if (schedule.startsWith("@")) {
    if (!DESCRIPTORS.test(schedule)) {
      errors.invalid("spec.schedule", schedule, `unrecognized descriptor: ${schedule}`);
    }
    return;
  }
  const fields = schedule.trim().split(/\s+/);
  if (fields.length !== 5) {
    errors.invalid(
      "spec.schedule",
      schedule,
      `expected exactly 5 fields, found ${fields.length}: [${fields.join(" ")}]`,
    );
  }
}

function validateZone(zone: string | undefined, errors: FieldErrors): void {
  if (zone === undefined) return;
  if (zone === "") errors.invalid("spec.timeZone", zone, "timeZone must be nil or non-empty string");
  else if (zone.toLowerCase() === "local") {
    errors.invalid(
      "spec.timeZone",
      zone,
      "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones",
    );
  } else if (!isZone(zone)) errors.invalid("spec.timeZone", zone, `unknown time zone ${zone}`);
}

function isZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: zone });
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}
