/**
 * Job specs: what Jobs and the templates in CronJobs share.
 */
import type * as models from "@kubernetes/client-node";
import { dns1123Subdomain } from "../../machinery/objects/names.ts";
import type { Wire } from "../../machinery/objects/wire.ts";
import { notNegative } from "./checks.ts";
import type { FieldErrors } from "./field-errors.ts";
import { validateFailurePolicy, validateSuccessPolicy } from "./job-policies.ts";
import { each } from "./object-meta.ts";
import { type At, child } from "./path.ts";
import { defaultPodTemplate, validatePodTemplate } from "./pod-template.ts";

export type JobSpec = Wire<models.V1JobSpec>;

const MAX_INT32 = 2 ** 31 - 1;
/** Of an Indexed Job: each index has its place in the status. */
const MAX_INDEXES = 100_000;
const MANY = 10_000;
const MANAGER = 63;

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

const COUNTS = [
  "parallelism",
  "completions",
  "activeDeadlineSeconds",
  "backoffLimit",
  "ttlSecondsAfterFinished",
  "backoffLimitPerIndex",
  "maxFailedIndexes",
] as const;

export function validateJobSpec(spec: JobSpec, path: At, errors: FieldErrors): void {
  for (const field of COUNTS) if (spec[field] !== undefined) notNegative(spec[field], child(path, field), errors);
  if (spec.maxFailedIndexes !== undefined && spec.backoffLimitPerIndex === undefined) {
    errors.required(child(path, "backoffLimitPerIndex"), "when maxFailedIndexes is specified");
  }
  if (spec.managedBy !== undefined) validateManager(spec.managedBy, child(path, "managedBy"), errors);
  const mode = spec.completionMode;
  if (mode !== undefined && mode !== "NonIndexed" && mode !== "Indexed") {
    errors.notSupported(child(path, "completionMode"), mode, ["NonIndexed", "Indexed"]);
  }
  if (mode === "Indexed") validateIndexed(spec, path, errors);
  else if (mode === undefined || mode === "NonIndexed") {
    for (const field of ["backoffLimitPerIndex", "maxFailedIndexes"] as const) {
      const value = spec[field];
      if (value !== undefined) errors.invalid(child(path, field), value, "requires indexed completion mode");
    }
  }
  if (spec.podFailurePolicy) validateFailurePolicy(spec, child(path, "podFailurePolicy"), errors);
  if (spec.successPolicy) {
    const at = child(path, "successPolicy");
    if (mode !== "Indexed") errors.invalid(at, spec.successPolicy, "requires indexed completion mode");
    else validateSuccessPolicy(spec, at, errors);
  }
  validateReplacement(spec, child(path, "podReplacementPolicy"), errors);
  validatePodTemplate(spec.template, child(path, "template"), errors);
  validateRestart(spec, child(child(child(path, "template"), "spec"), "restartPolicy"), errors);
}

/** "example.com/manager" */
function validateManager(name: string, path: At, errors: FieldErrors): void {
  const slash = name.indexOf("/");
  if (name === "") errors.required(path);
  else if (slash <= 0 || slash === name.length - 1) {
    errors.invalid(path, name, 'must be a domain-prefixed path (such as "acme.io/foo")');
  } else {
    each(dns1123Subdomain(name.slice(0, slash)), path, name.slice(0, slash), errors);
    if (!/^[A-Za-z0-9/\-._~%!$&'()*+,;=:]+$/.test(name.slice(slash + 1))) {
      const pattern = "[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+";
      errors.invalid(path, name.slice(slash + 1), `Invalid path (regex used for validation is '${pattern}')`);
    }
  }
  if (name.length > MANAGER) errors.tooLong(path, MANAGER);
}

function validateIndexed(spec: JobSpec, path: At, errors: FieldErrors): void {
  const { completions, parallelism = 0, maxFailedIndexes: failures } = spec;
  const most = (field: "parallelism" | "maxFailedIndexes", limit: number, when = ""): void => {
    const value = spec[field];
    if (value === undefined || value <= limit) return;
    errors.invalid(child(path, field), value, `must be less than or equal to ${limit}${when}`);
  };
  if (completions === undefined) {
    errors.required(child(path, "completions"), "when completion mode is Indexed");
  }
  most("parallelism", MAX_INDEXES, " when completion mode is Indexed");
  if (completions !== undefined && failures !== undefined && failures > completions) {
    errors.invalid(child(path, "maxFailedIndexes"), failures, "must be less than or equal to completions");
  }
  most("maxFailedIndexes", MAX_INDEXES);
  if ((completions ?? 0) <= MAX_INDEXES || spec.backoffLimitPerIndex === undefined) return;
  const when = ` when completions are above ${MAX_INDEXES} and used with backoff limit per index`;
  if (failures === undefined) {
    errors.required(child(path, "maxFailedIndexes"), `must be specified when completions is above ${MAX_INDEXES}`);
  }
  if (parallelism > MANY) most("parallelism", MANY, when);
  most("maxFailedIndexes", MANY, when);
}

function validateReplacement(
  { podReplacementPolicy: policy, podFailurePolicy }: JobSpec,
  path: At,
  errors: FieldErrors,
) {
  if (policy === undefined) return;
  const allowed = podFailurePolicy ? ["Failed"] : ["Failed", "TerminatingOrFailed"];
  if (!allowed.includes(policy)) errors.notSupported(path, policy, allowed);
}

/** Always is what the default makes of silence, so both are told the choices. */
function validateRestart({ template, podFailurePolicy }: JobSpec, path: At, errors: FieldErrors): void {
  const policy = template?.spec?.restartPolicy;
  if (!policy || policy === "Always") errors.required(path, 'valid values: "OnFailure", "Never"');
  else if (policy !== "OnFailure" && policy !== "Never") errors.notSupported(path, policy, ["OnFailure", "Never"]);
  else if (podFailurePolicy && policy !== "Never") {
    errors.invalid(path, policy, 'only "Never" is supported when podFailurePolicy is specified');
  }
}
