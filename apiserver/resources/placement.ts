/**
 * Placement: what a Pod says about where it may run: node selectors, affinity, tolerations, spreading.
 *
 * Only shape and wording; what follows from it is decided in scheduler/plugins.
 */
import type * as models from "@kubernetes/client-node";
import type { NodeSelector, NodeSelectorTerm, PodSpec, Toleration } from "../../machinery/objects/kinds.ts";
import { dns1123Label, labelValue, qualifiedName } from "../../machinery/objects/names.ts";
import type { Wire } from "../../machinery/objects/wire.ts";
import { oneOf } from "./checks.ts";
import type { FieldErrors } from "./field-errors.ts";
import { validateLabelSelector } from "./label-selector.ts";
import { each, validateLabels } from "./object-meta.ts";

type PodAffinityTerm = Wire<models.V1PodAffinityTerm>;
type Weighted = Wire<models.V1WeightedPodAffinityTerm>;
type Expression = Wire<models.V1NodeSelectorRequirement>;
type Spread = Wire<models.V1TopologySpreadConstraint>;

export function validatePlacement(spec: PodSpec, path: string, errors: FieldErrors): void {
  validateLabels(spec.nodeSelector, `${path}.nodeSelector`, errors);
  const { nodeAffinity, podAffinity, podAntiAffinity } = spec.affinity ?? {};
  if (nodeAffinity) {
    const at = `${path}.affinity.nodeAffinity`;
    const hard = nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution;
    if (hard) validateNodeSelector(hard, `${at}.requiredDuringSchedulingIgnoredDuringExecution`, errors);
    for (const [index, term] of (nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution ?? []).entries()) {
      const preferred = `${at}.preferredDuringSchedulingIgnoredDuringExecution[${index}]`;
      validateWeight(term.weight, `${preferred}.weight`, errors);
      validateNodeTerm(term.preference, `${preferred}.preference`, errors);
    }
  }
  for (const [name, affinity] of [
    ["podAffinity", podAffinity],
    ["podAntiAffinity", podAntiAffinity],
  ] as const) {
    if (!affinity) continue;
    const at = `${path}.affinity.${name}`;
    const hard = affinity.requiredDuringSchedulingIgnoredDuringExecution ?? [];
    for (const [index, term] of hard.entries()) {
      validatePodTerm(term, `${at}.requiredDuringSchedulingIgnoredDuringExecution[${index}]`, errors);
    }
    for (const [index, soft] of (affinity.preferredDuringSchedulingIgnoredDuringExecution ?? []).entries()) {
      validateSoft(soft, `${at}.preferredDuringSchedulingIgnoredDuringExecution[${index}]`, errors);
    }
  }
  if (spec.tolerations) validateTolerations(spec.tolerations, `${path}.tolerations`, errors);
  if (spec.topologySpreadConstraints) {
    validateSpread(spec.topologySpreadConstraints, `${path}.topologySpreadConstraints`, errors);
  }
}

export function validateNodeSelector({ nodeSelectorTerms }: NodeSelector, path: string, errors: FieldErrors): void {
  if (!nodeSelectorTerms?.length) {
    errors.required(`${path}.nodeSelectorTerms`, "must have at least one node selector term");
    return;
  }
  for (const [index, term] of nodeSelectorTerms.entries()) {
    validateNodeTerm(term, `${path}.nodeSelectorTerms[${index}]`, errors);
  }
}

function validateNodeTerm(term: NodeSelectorTerm, path: string, errors: FieldErrors): void {
  for (const [index, expression] of (term.matchExpressions ?? []).entries()) {
    const at = `${path}.matchExpressions[${index}]`;
    validateExpression(expression, at, errors);
    each(qualifiedName(expression.key), `${at}.key`, expression.key, errors);
    for (const [place, value] of (expression.values ?? []).entries()) {
      each(labelValue(value), `${at}.values[${place}]`, value, errors);
    }
  }
  for (const [index, field] of (term.matchFields ?? []).entries()) {
    const at = `${path}.matchFields[${index}]`;
    if (field.operator !== "In" && field.operator !== "NotIn") {
      errors.invalid(`${at}.operator`, field.operator, "not a valid selector operator");
    } else if (field.values?.length !== 1) {
      errors.required(
        `${at}.values`,
        "must be only one value when `operator` is 'In' or 'NotIn' for node field selector",
      );
    }
    if (field.key !== "metadata.name") {
      errors.invalid(`${at}.key`, field.key, "not a valid field selector key");
    }
  }
}

function validateExpression({ operator, values = [] }: Expression, path: string, errors: FieldErrors): void {
  if (operator === "In" || operator === "NotIn") {
    if (values.length === 0) {
      errors.required(`${path}.values`, "must be specified when `operator` is 'In' or 'NotIn'");
    }
  } else if (operator === "Exists" || operator === "DoesNotExist") {
    if (values.length > 0) {
      errors.forbidden(`${path}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    }
  } else if (operator === "Gt" || operator === "Lt") {
    if (values.length !== 1) {
      errors.required(`${path}.values`, "must be specified single value when `operator` is 'Lt' or 'Gt'");
    }
  } else errors.invalid(`${path}.operator`, operator, "not a valid selector operator");
}

function validateWeight(weight: number, path: string, errors: FieldErrors): void {
  if (weight < 1 || weight > 100) errors.invalid(path, weight, "must be in the range 1-100");
}

function validateSoft({ weight, podAffinityTerm }: Weighted, path: string, errors: FieldErrors): void {
  validateWeight(weight, `${path}.weight`, errors);
  validatePodTerm(podAffinityTerm, `${path}.podAffinityTerm`, errors);
}

function validatePodTerm(term: PodAffinityTerm, path: string, errors: FieldErrors): void {
  validateLabelSelector(term.labelSelector, `${path}.labelSelector`, errors);
  validateLabelSelector(term.namespaceSelector, `${path}.namespaceSelector`, errors);
  for (const [index, name] of (term.namespaces ?? []).entries()) {
    each(dns1123Label(name), `${path}.namespaces[${index}]`, name, errors);
  }
  if (!term.topologyKey) errors.required(`${path}.topologyKey`, "can not be empty");
  else each(qualifiedName(term.topologyKey), `${path}.topologyKey`, term.topologyKey, errors);
}

const EFFECTS: readonly string[] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

export function validateTolerations(tolerations: readonly Toleration[], path: string, errors: FieldErrors): void {
  for (const [index, one] of tolerations.entries()) {
    const at = `${path}[${index}]`;
    const { key, operator, value = "", effect, tolerationSeconds } = one;
    if (key) each(qualifiedName(key), `${at}.key`, key, errors);
    else if (operator !== "Exists") {
      errors.invalid(
        `${at}.operator`,
        operator ?? "",
        'operator must be Exists when `key` is empty, which means "match all values and all keys"',
      );
    }
    if (tolerationSeconds !== undefined && effect !== "NoExecute") {
      errors.invalid(`${at}.effect`, effect ?? "", "effect must be 'NoExecute' when `tolerationSeconds` is set");
    }
    if (!operator || operator === "Equal") {
      const wrong = labelValue(value);
      if (wrong.length > 0) errors.invalid(`${at}.operator`, value, wrong.join(";"));
    } else if (operator === "Exists") {
      if (value) errors.invalid(`${at}.operator`, value, "value must be empty when `operator` is 'Exists'");
    } else errors.notSupported(`${at}.operator`, operator, ["Equal", "Exists"]);
    if (effect) oneOf(effect, EFFECTS, `${at}.effect`, errors);
  }
}

function validateSpread(constraints: readonly Spread[], path: string, errors: FieldErrors): void {
  const seen = new Set<string>();
  for (const [index, constraint] of constraints.entries()) {
    const at = `${path}[${index}]`;
    const { maxSkew, topologyKey, whenUnsatisfiable, minDomains } = constraint;
    if (maxSkew <= 0) errors.invalid(`${at}.maxSkew`, maxSkew, "must be greater than zero");
    if (!topologyKey) errors.required(`${at}.topologyKey`, "can not be empty");
    else each(qualifiedName(topologyKey), `${at}.topologyKey`, topologyKey, errors);
    if (!["DoNotSchedule", "ScheduleAnyway"].includes(whenUnsatisfiable)) {
      errors.notSupported(`${at}.whenUnsatisfiable`, whenUnsatisfiable, ["DoNotSchedule", "ScheduleAnyway"]);
    }
    const pair = `{${topologyKey}, ${whenUnsatisfiable}}`;
    if (seen.has(pair)) errors.duplicate(`${at}.{topologyKey, whenUnsatisfiable}`, pair);
    seen.add(pair);
    if (minDomains !== undefined && minDomains <= 0) {
      errors.invalid(`${at}.minDomains`, minDomains, "must be greater than zero");
    }
    oneOf(constraint.nodeAffinityPolicy, ["Honor", "Ignore"], `${at}.nodeAffinityPolicy`, errors);
    oneOf(constraint.nodeTaintsPolicy, ["Honor", "Ignore"], `${at}.nodeTaintsPolicy`, errors);
    validateLabelSelector(constraint.labelSelector, `${at}.labelSelector`, errors);
  }
}
