/**
 * Job: Pods that run until enough of them have succeeded.
 *
 * A Job's selector is made by the server from its UID, so that no other Job's Pods match; only
 * manualSelector leaves it to the author. Its spec is checked in job-spec.ts, its status in job-status.ts.
 */
import { isTrue } from "../../machinery/objects/conditions.ts";
import { equalJson } from "../../machinery/objects/json-value.ts";
import type { Container, Job } from "../../machinery/objects/kinds.ts";
import { dns1123Label } from "../../machinery/objects/names.ts";
import { fromLabelSelector, matches } from "../../machinery/objects/selectors.ts";
import { unchanged } from "./checks.ts";
import type { Strategy } from "./contract.ts";
import type { FieldErrors } from "./field-errors.ts";
import { defaultJobSpec, type JobSpec, validateJobSpec } from "./job-spec.ts";
import { validateJobStatus } from "./job-status.ts";
import { validateLabelSelector } from "./label-selector.ts";
import { templateWarnings } from "./pod-warnings.ts";

export const CONTROLLER_UID = "batch.kubernetes.io/controller-uid";
export const JOB_NAME = "batch.kubernetes.io/job-name";
const MANY_INDEXES = 100_000;
const MUCH_AT_ONCE = 10_000;

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
    validateSelector(job.spec, errors);
  },

  validateCreate(job, errors) {
    if (!job.spec) return;
    validateGenerated(job, errors);
    const { completionMode, completions = 0 } = job.spec;
    if (completionMode !== "Indexed" || completions <= 0) return;
    const last = `${job.metadata.name}-${completions - 1}`;
    if (dns1123Label(last).length === 0) return;
    const detail = `will not able to create pod with invalid DNS label: ${last}`;
    errors.invalid("metadata.name", job.metadata.name, detail);
  },

  validateUpdate({ spec }, old, errors) {
    if (!spec || !old.spec) return;
    validateCompletions(spec, old.spec, errors);
    unchanged(spec.selector, old.spec.selector, "spec.selector", errors);
    validateTemplate(spec, old, errors);
    unchanged(spec.completionMode, old.spec.completionMode, "spec.completionMode", errors);
    unchanged(spec.podFailurePolicy, old.spec.podFailurePolicy, "spec.podFailurePolicy", errors);
    unchanged(spec.backoffLimitPerIndex, old.spec.backoffLimitPerIndex, "spec.backoffLimitPerIndex", errors);
    unchanged(spec.managedBy, old.spec.managedBy, "spec.managedBy", errors);
    unchanged(spec.successPolicy, old.spec.successPolicy, "spec.successPolicy", errors);
  },

  validateStatusUpdate: validateJobStatus,

  warnings({ metadata, spec }, old) {
    const warnings: string[] = [];
    if (!old && dns1123Label(metadata.name).length > 0) {
      warnings.push(
        `metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended: [${dns1123Label(metadata.name).join(" ")}]`,
      );
    }
    const { completionMode, completions = 0, parallelism = 0 } = spec ?? {};
    if (completionMode === "Indexed" && completions > MANY_INDEXES && parallelism > MUCH_AT_ONCE) {
      warnings.push(
        "spec.completions: In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail",
      );
    }
    if (old && metadata.generation === old.metadata.generation) return warnings;
    return [...warnings, ...templateWarnings(spec?.template, "spec.template")];
  },

  selectableFields: ({ status }) => ({ "status.successful": String(status?.succeeded ?? 0) }),
  allowUnconditionalUpdate: true,
};

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

function validateSelector({ selector, template }: JobSpec, errors: FieldErrors): void {
  if (!selector) {
    errors.required("spec.selector");
    return;
  }
  const before = errors.causes.length;
  validateLabelSelector(selector, "spec.selector", errors);
  if (errors.causes.length > before) return;
  const labels = template?.metadata?.labels;
  if (matches(fromLabelSelector(selector), labels)) return;
  errors.invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`");
}

/** What the author wrote beside the generated selector must not keep the Job's own Pods out. */
function validateGenerated({ spec, metadata }: Job, errors: FieldErrors): void {
  const selector = spec?.selector;
  if (!selector || spec.manualSelector) return;
  const { uid, name } = metadata;
  const own = { "controller-uid": uid, "job-name": name, [CONTROLLER_UID]: uid, [JOB_NAME]: name };
  if (!matches(fromLabelSelector(selector), own)) {
    errors.invalid("spec.selector", selector, "`selector` not auto-generated");
  }
}

/** An Indexed Job may grow and shrink, all of it at once. */
function validateCompletions(spec: JobSpec, old: JobSpec, errors: FieldErrors): void {
  if (spec.completionMode !== "Indexed") {
    unchanged(spec.completions, old.completions, "spec.completions", errors);
    return;
  }
  if (spec.completions === old.completions || spec.completions === undefined) return;
  if (spec.completions === spec.parallelism) return;
  errors.invalid("spec.completions", spec.completions, "can only be modified in tandem with spec.parallelism");
}

/** While a Job is suspended and none of its Pods run, a queue may still say where they go and what they get. */
function validateTemplate(spec: JobSpec, { spec: old, status }: Job, errors: FieldErrors): void {
  const suspended =
    old?.suspend === true && (status?.startTime === undefined || isTrue(status.conditions, "Suspended"));
  const same = suspended
    ? equalJson(fixedParts(spec), fixedParts(old ?? spec))
    : equalJson(spec.template, old?.template);
  if (!same) errors.invalid("spec.template", spec.template, "field is immutable");
}

function fixedParts({ template }: JobSpec): unknown {
  const { labels: _labels, annotations: _annotations, ...metadata } = template?.metadata ?? {};
  const { nodeSelector, affinity, tolerations, schedulingGates, containers, initContainers, ...spec } =
    template?.spec ?? { containers: [] };
  const { nodeAffinity: _node, ...others } = affinity ?? {};
  const bare = (list: readonly Container[] = []): unknown[] => list.map(({ resources: _size, ...rest }) => rest);
  return { metadata, spec, others, containers: bare(containers), initContainers: bare(initContainers) };
}
