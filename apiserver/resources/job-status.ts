/**
 * A Job's status: what its controller counts and concludes must hold together, and what has ended stays so.
 */
import { isTrue } from "../../machinery/objects/conditions.ts";
import type { Job } from "../../machinery/objects/kinds.ts";
import { notNegative } from "./checks.ts";
import type { FieldErrors } from "./field-errors.ts";
import { countIndexes, IndexesError, overlap } from "./job-indexes.ts";

type Status = NonNullable<Job["status"]>;

const COUNTS = ["active", "succeeded", "failed", "ready", "terminating"] as const;
const has = ({ conditions }: Status, type: string): boolean => isTrue(conditions, type);

export function validateJobStatus(job: Job, old: Job, errors: FieldErrors): void {
  const status = job.status ?? {};
  const before = old.status ?? {};
  for (const field of COUNTS) notNegative(status[field], `status.${field}`, errors);
  validateUncounted(status, errors);
  const conflict = (text: string): void => errors.invalidPart("status.conditions", text);
  const [complete, failed] = [has(status, "Complete"), has(status, "Failed")];
  const [failing, met] = [has(status, "FailureTarget"), has(status, "SuccessCriteriaMet")];
  const fresh = !has(before, "Complete") && !has(before, "Failed");
  if (complete && failed) conflict("cannot set Complete=True and Failed=true conditions");
  if (complete && failing) conflict("cannot set Complete=True and FailureTarget=true conditions");
  validateTimes(status, complete, errors);
  if (fresh && failed && !failing)
    conflict("cannot set Failed=True condition without the FailureTarget=true condition");
  if (fresh && complete && !met) {
    conflict("cannot set Complete=True condition without the SuccessCriteriaMet=true condition");
  }
  if (complete || failed) validateFinished(status, job.spec, errors);
  validateIndexes(job, errors);
  if ((status.ready ?? 0) > (status.active ?? 0)) {
    errors.invalid("status.ready", status.ready, "cannot set more ready pods than active");
  }
  if (met && failed) conflict("cannot set SuccessCriteriaMet=True and Failed=true conditions");
  if (met && failing) conflict("cannot set SuccessCriteriaMet=True and FailureTarget=true conditions");
  validateKept(job, old, conflict, errors);
}

/** Pods that ended and are not counted yet: each once. */
function validateUncounted({ uncountedTerminatedPods: pods }: Status, errors: FieldErrors): void {
  const seen = new Set<string>();
  for (const list of ["succeeded", "failed"] as const) {
    for (const [index, uid] of (pods?.[list] ?? []).entries()) {
      const path = `status.uncountedTerminatedPods.${list}[${index}]`;
      if (!uid) errors.invalid(path, uid, "must not be empty");
      else if (seen.has(uid)) errors.duplicate(path, uid);
      seen.add(uid);
    }
  }
}

function validateTimes({ startTime, completionTime }: Status, complete: boolean, errors: FieldErrors): void {
  const path = "status.completionTime";
  if (completionTime !== undefined && !complete) {
    errors.invalid(path, completionTime, "cannot set completionTime when there is no Complete=True condition");
  }
  if (completionTime === undefined && complete) {
    errors.required(path, "completionTime is required for Complete jobs");
  }
  if (startTime && completionTime && Date.parse(completionTime) < Date.parse(startTime)) {
    errors.invalid(path, completionTime, "completionTime cannot be set before startTime");
  }
}

function validateFinished(status: Status, spec: Job["spec"], errors: FieldErrors): void {
  const { active = 0, terminating = 0, startTime, uncountedTerminatedPods: pods } = status;
  if (active > 0) errors.invalid("status.active", active, "active>0 is invalid for finished job");
  const neverStarts = spec?.suspend === true && spec.completions === 0;
  if (startTime === undefined && !neverStarts)
    errors.required("status.startTime", "startTime is required for finished job");
  if ((pods?.failed?.length ?? 0) + (pods?.succeeded?.length ?? 0) > 0) {
    const detail = "uncountedTerminatedPods needs to be empty for finished job";
    errors.invalid("status.uncountedTerminatedPods", pods, detail);
  }
  if (terminating > 0) errors.invalid("status.terminating", terminating, "terminating>0 is invalid for finished job");
}

function validateIndexes({ spec, status = {} }: Job, errors: FieldErrors): void {
  const { completedIndexes = "", failedIndexes } = status;
  const completions = spec?.completions;
  if (completions !== undefined) {
    readable("completedIndexes", completedIndexes, completions, errors);
    if (spec?.backoffLimitPerIndex !== undefined && failedIndexes !== undefined) {
      readable("failedIndexes", failedIndexes, completions, errors);
    }
  }
  if (completedIndexes !== "" && spec?.completionMode !== "Indexed") {
    const detail = "cannot set non-empty completedIndexes when non-indexed completion mode";
    errors.invalid("status.completedIndexes", completedIndexes, detail);
  }
  if (failedIndexes === undefined) return;
  if (spec?.backoffLimitPerIndex === undefined) {
    const detail = "cannot set non-null failedIndexes when backoffLimitPerIndex is null";
    errors.invalid("status.failedIndexes", failedIndexes, detail);
  }
  const both = completions === undefined ? undefined : overlap(completedIndexes, failedIndexes, completions);
  if (both !== undefined) {
    errors.invalid(
      "status.failedIndexes",
      failedIndexes,
      `failedIndexes and completedIndexes overlap at index: ${both}`,
    );
  }
}

function readable(field: string, text: string, completions: number, errors: FieldErrors): void {
  try {
    countIndexes(text, completions);
  } catch (error) {
    if (!(error instanceof IndexesError)) throw error;
    errors.invalid(`status.${field}`, text, `error parsing ${field}: ${error.message}`);
  }
}

/** Conclusions and counts that are not taken back. */
function validateKept(job: Job, old: Job, conflict: (text: string) => void, errors: FieldErrors): void {
  const status = job.status ?? {};
  const before = old.status ?? {};
  for (const type of ["Failed", "Complete", "FailureTarget"]) {
    if (has(before, type) && !has(status, type)) conflict(`cannot disable the terminal ${type}=True condition`);
  }
  // an Indexed Job may shrink, and then forgets what the indexes did that it lost
  const shrinks = job.spec?.completionMode === "Indexed" && job.spec.completions === job.spec.parallelism;
  for (const field of shrinks ? (["failed"] as const) : (["failed", "succeeded"] as const)) {
    if ((status[field] ?? 0) >= (before[field] ?? 0)) continue;
    errors.invalid(`status.${field}`, status[field] ?? 0, `cannot decrease the ${field} counter`);
  }
  const { completionTime, startTime } = before;
  if (status.completionTime !== undefined && completionTime !== undefined && status.completionTime !== completionTime) {
    errors.invalid("status.completionTime", status.completionTime, "completionTime cannot be mutated");
  }
  const resumes = has(before, "Suspended") && !has(status, "Suspended");
  if (startTime !== undefined && startTime !== status.startTime && !job.spec?.suspend && !resumes) {
    errors.required("status.startTime", "startTime cannot be removed for unsuspended job");
  }
  if (has(before, "SuccessCriteriaMet") && !has(status, "SuccessCriteriaMet")) {
    conflict("cannot disable the SuccessCriteriaMet=True condition");
  }
}
