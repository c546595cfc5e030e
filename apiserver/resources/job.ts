/**
 * Job: Pods that run until enough of them have succeeded.
 *
 * A Job's selector is made by the server from its UID, so that no other Job's Pods match; only
 * manualSelector leaves it to the author. The spec of a CronJob's Jobs is checked here too.
 */
import type * as models from "@kubernetes/client-node";
import { isTrue } from "../../machinery/objects/conditions.ts";
import type { Job } from "../../machinery/objects/kinds.ts";
import { fromLabelSelector, isEverything, matches } from "../../machinery/objects/selectors.ts";
import type { Wire } from "../../machinery/objects/wire.ts";
import { notNegative, oneOf, unchanged } from "./checks.ts";
import type { Strategy } from "./contract.ts";
import type { FieldErrors } from "./field-errors.ts";
import { validateLabelSelector } from "./label-selector.ts";
import { defaultPodTemplate, validatePodTemplate } from "./pod-template.ts";
import { podWarnings } from "./pod-warnings.ts";

export type JobSpec = Wire<models.V1JobSpec>;

export const CONTROLLER_UID = "batch.kubernetes.io/controller-uid";
export const JOB_NAME = "batch.kubernetes.io/job-name";
const MAX_INT32 = 2 ** 31 - 1;
/** Of an Indexed Job: each index has its place in the status. */
const MAX_INDEXES = 100_000;

export const jobStrategy: Strategy<Job> = {
  defaults(job) {
    if (!job.spec) return;
    defaultJobSpec(job.spec);
    const labels = job.spec.template?.metadata?.labels;
    if (labels && Object.keys(labels).length > 0 && Object.keys(job.metadata.labels ?? {}).length === 0) {
      job.metadata.labels = { ...labels };
    }
  },

  prepareForCreate(job) {
    job.status = {};
    if (job.spec && job.spec.manualSelector !== true) generateSelector(job);
  },

  validate(job, errors) {
    if (!job.spec) {
      errors.required("spec");
      return;
    }
    validateJobSpec(job.spec, "spec", errors);
    validateSelector(job, errors);
  },

  validateUpdate({ spec }, old, errors) {
    if (!spec || !old.spec) return;
    const elastic = spec.completionMode === "Indexed" && spec.completions === spec.parallelism;
    if (!elastic) unchanged(spec.completions, old.spec.completions, "spec.completions", errors);
    unchanged(spec.selector, old.spec.selector, "spec.selector", errors);
    unchanged(spec.completionMode, old.spec.completionMode, "spec.completionMode", errors);
    unchanged(spec.podFailurePolicy, old.spec.podFailurePolicy, "spec.podFailurePolicy", errors);
    unchanged(spec.backoffLimitPerIndex, old.spec.backoffLimitPerIndex, "spec.backoffLimitPerIndex", errors);
    unchanged(spec.managedBy, old.spec.managedBy, "spec.managedBy", errors);
    unchanged(spec.successPolicy, old.spec.successPolicy, "spec.successPolicy", errors);
    if (!mayChangePlacement(old)) unchanged(spec.template, old.spec.template, "spec.template", errors);
    else unchanged(withoutPlacement(spec), withoutPlacement(old.spec), "spec.template", errors);
  },

  validateStatusUpdate({ status = {} }, _old, errors) {
    for (const field of ["active", "succeeded", "failed"] as const)
      notNegative(status[field], `status.${field}`, errors);
  },

  warnings: ({ spec }) => podWarnings(spec?.template?.spec, "spec.template.spec"),
  selectableFields: ({ status }) => ({ "status.successful": String(status?.succeeded ?? 0) }),
  allowUnconditionalUpdate: true,
};

export function defaultJobSpec(spec: JobSpec): void {
  if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1;
  spec.parallelism ??= 1;
  spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? 6 : MAX_INT32;
  spec.completionMode ??= "NonIndexed";
  spec.suspend ??= false;
  spec.podReplacementPolicy ??= spec.podFailurePolicy ? "Failed" : "TerminatingOrFailed";
  for (const { onPodConditions } of spec.podFailurePolicy?.rules ?? []) {
    for (const condition of onPodConditions ?? []) condition.status ||= "True";
  }
  defaultPodTemplate(spec.template);
}

/** The labels that older tools know stand beside those with a prefix. */
function generateSelector({ spec, metadata }: Job): void {
  if (!spec) return;
  const { uid, name } = metadata;
  const added = { "controller-uid": uid, "job-name": name, [CONTROLLER_UID]: uid, [JOB_NAME]: name };
  spec.template ??= {};
  spec.template.metadata ??= {};
  spec.template.metadata.labels = { ...spec.template.metadata.labels, ...added };
  spec.selector ??= {};
  spec.selector.matchLabels = { ...spec.selector.matchLabels, [CONTROLLER_UID]: uid };
}

const COUNTS = [
  "parallelism",
  "completions",
  "activeDeadlineSeconds",
  "backoffLimit",
  "ttlSecondsAfterFinished",
  "backoffLimitPerIndex",
  "maxFailedIndexes",
] as const;

export function validateJobSpec(spec: JobSpec, path: string, errors: FieldErrors): void {
  for (const field of COUNTS) notNegative(spec[field], `${path}.${field}`, errors);
  oneOf(spec.completionMode, ["NonIndexed", "Indexed"], `${path}.completionMode`, errors);
  if (spec.completionMode === "Indexed") {
    if (spec.completions === undefined) {
      errors.required(`${path}.completions`, "when completion mode is Indexed");
    } else if ((spec.parallelism ?? 0) > MAX_INDEXES) {
      errors.invalid(
        `${path}.parallelism`,
        spec.parallelism,
        `must be less than or equal to ${MAX_INDEXES} when completion mode is Indexed`,
      );
    }
  } else if (spec.backoffLimitPerIndex !== undefined) {
    errors.invalid(`${path}.backoffLimitPerIndex`, spec.backoffLimitPerIndex, "requires indexed completion mode");
  }
  oneOf(spec.podReplacementPolicy, ["Failed", "TerminatingOrFailed"], `${path}.podReplacementPolicy`, errors);
  validatePodTemplate(spec.template, `${path}.template`, errors);
  const policy = spec.template?.spec?.restartPolicy;
  if (policy === "Always") {
    errors.required(`${path}.template.spec.restartPolicy`, 'valid values: "OnFailure", "Never"');
  } else oneOf(policy, ["OnFailure", "Never"], `${path}.template.spec.restartPolicy`, errors);
}

function validateSelector({ spec, metadata }: Job, errors: FieldErrors): void {
  const { selector, template, manualSelector } = spec!;
  if (!selector) {
    errors.required("spec.selector");
    return;
  }
  const before = errors.causes.length;
  validateLabelSelector(selector, "spec.selector", errors);
  if (errors.causes.length > before) return;
  const labels = template?.metadata?.labels;
  const parsed = fromLabelSelector(selector);
  if (isEverything(parsed)) errors.invalid("spec.selector", selector, "empty selector is invalid for job");
  else if (!matches(parsed, labels)) {
    errors.invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`");
  }
  if (!manualSelector && selector.matchLabels?.[CONTROLLER_UID] !== metadata.uid) {
    errors.invalid("spec.selector", selector, "`selector` not auto-generated");
  }
}

/** While a Job is suspended and has never started, a queue may still say where its Pods go. */
function mayChangePlacement({ spec, status }: Job): boolean {
  return spec?.suspend === true && (status?.startTime === undefined || isTrue(status.conditions, "Suspended"));
}

function withoutPlacement({ template }: JobSpec): unknown {
  const { nodeSelector, affinity, tolerations, schedulingGates, ...spec } = template.spec ?? { containers: [] };
  return { ...template, metadata: undefined, spec };
}
