/**
 * Policies of Jobs: which failures of Pods count, and when enough has succeeded.
 */
import type * as models from "@kubernetes/client-node";
import { qualifiedName } from "../../machinery/objects/names.ts";
import type { Wire } from "../../machinery/objects/wire.ts";
import { notNegative } from "./checks.ts";
import type { FieldErrors } from "./field-errors.ts";
import { countIndexes, IndexesError } from "./job-indexes.ts";
import { each } from "./object-meta.ts";
import { type At, child, item } from "./path.ts";

type JobSpec = Wire<models.V1JobSpec>;
type Rule = Wire<models.V1PodFailurePolicyRule>;
type ExitCodes = Wire<models.V1PodFailurePolicyOnExitCodesRequirement>;
type Condition = Wire<models.V1PodFailurePolicyOnPodConditionsPattern>;
type SuccessRule = Wire<models.V1SuccessPolicyRule>;

const RULES = 20;
const EXIT_CODES = 255;
const PATTERNS = 20;
const INDEXES_BYTES = 64 * 1024;
const ACTIONS: readonly string[] = ["Count", "FailIndex", "FailJob", "Ignore"];
const OPERATORS: readonly string[] = ["In", "NotIn"];
const STATUSES: readonly string[] = ["False", "True", "Unknown"];

const choices = (allowed: readonly string[]): string =>
  `valid values: [${allowed.map((one) => JSON.stringify(one)).join(" ")}]`;

function chosen(value: string | undefined, allowed: readonly string[], path: At, errors: FieldErrors): void {
  if (!value) errors.required(path, choices(allowed));
  else if (!allowed.includes(value)) errors.notSupported(path, value, allowed);
}

export function validateFailurePolicy(spec: JobSpec, path: At, errors: FieldErrors): void {
  const rules = spec.podFailurePolicy?.rules ?? [];
  const at = child(path, "rules");
  if (rules.length > RULES) errors.tooMany(at, rules.length, RULES);
  const { containers = [], initContainers = [] } = spec.template?.spec ?? {};
  const names = new Set([...containers, ...initContainers].map(({ name }) => name));
  for (const [index, rule] of rules.entries()) validateRule(rule, spec, names, item(at, index), errors);
}

function validateRule(rule: Rule, spec: JobSpec, names: ReadonlySet<string>, path: At, errors: FieldErrors): void {
  const { action, onExitCodes, onPodConditions = [] } = rule;
  if (action === "FailIndex" && spec.backoffLimitPerIndex === undefined) {
    errors.invalid(child(path, "action"), action, "requires the backoffLimitPerIndex to be set");
  }
  chosen(action, ACTIONS, child(path, "action"), errors);
  if (onExitCodes) validateExitCodes(onExitCodes, names, child(path, "onExitCodes"), errors);
  if (onPodConditions.length > 0) validateConditions(onPodConditions, child(path, "onPodConditions"), errors);
  if (onExitCodes && onPodConditions.length > 0) {
    errors.invalidPart(path, "specifying both OnExitCodes and OnPodConditions is not supported");
  }
  if (!onExitCodes && onPodConditions.length === 0) {
    errors.invalidPart(path, "specifying one of OnExitCodes and OnPodConditions is required");
  }
}

function validateConditions(conditions: readonly Condition[], path: At, errors: FieldErrors): void {
  if (conditions.length > PATTERNS) errors.tooMany(path, conditions.length, PATTERNS);
  for (const [index, { type, status }] of conditions.entries()) {
    const at = item(path, index);
    each(qualifiedName(type), child(at, "type"), type, errors);
    chosen(status, STATUSES, child(at, "status"), errors);
  }
}

function validateExitCodes(
  { operator, containerName, values = [] }: ExitCodes,
  names: ReadonlySet<string>,
  path: At,
  errors: FieldErrors,
): void {
  chosen(operator, OPERATORS, child(path, "operator"), errors);
  if (containerName !== undefined && !names.has(containerName)) {
    const detail = "must be one of the container or initContainer names in the pod template";
    errors.invalid(child(path, "containerName"), containerName, detail);
  }
  const at = child(path, "values");
  if (values.length === 0) errors.invalid(at, values, "at least one value is required");
  else if (values.length > EXIT_CODES) errors.tooMany(at, values.length, EXIT_CODES);
  const seen = new Set<number>();
  for (const [index, value] of values.entries()) {
    if (operator === "In" && value === 0) errors.invalid(item(at, index), value, "must not be 0 for the In operator");
    if (seen.has(value)) errors.duplicate(item(at, index), value);
    seen.add(value);
  }
  if (values.some((value, index) => index > 0 && values[index - 1]! > value)) {
    errors.invalid(at, values, "must be ordered");
  }
}

export function validateSuccessPolicy(
  { successPolicy, completions = 0 }: JobSpec,
  path: At,
  errors: FieldErrors,
): void {
  const rules = successPolicy?.rules ?? [];
  const at = child(path, "rules");
  if (rules.length === 0) {
    errors.required(at, "at least one rules must be specified when the successPolicy is specified");
  }
  if (rules.length > RULES) errors.tooMany(at, rules.length, RULES);
  for (const [index, rule] of rules.entries()) validateSuccess(rule, completions, item(at, index), errors);
}

function validateSuccess(rule: SuccessRule, completions: number, path: At, errors: FieldErrors): void {
  const { succeededCount: count, succeededIndexes: indexes } = rule;
  if (count === undefined && indexes === undefined) {
    errors.required(path, "at least one of succeededCount or succeededIndexes must be specified");
  }
  let total = 0;
  if (indexes !== undefined) {
    const at = child(path, "succeededIndexes");
    if (indexes.length > INDEXES_BYTES) errors.tooLong(at, INDEXES_BYTES);
    try {
      total = countIndexes(indexes, completions);
    } catch (error) {
      if (!(error instanceof IndexesError)) throw error;
      errors.invalid(at, indexes, `error parsing succeededIndexes: ${error.message}`);
    }
  }
  if (count === undefined) return;
  const at = child(path, "succeededCount");
  notNegative(count, at, errors);
  const most = (limit: number, what: string): void => {
    if (count > limit) errors.invalid(at, count, `must be less than or equal to ${limit} (the number of ${what})`);
  };
  most(completions, "specified completions");
  if (indexes !== undefined) most(total, "indexes in the specified succeededIndexes field");
}
