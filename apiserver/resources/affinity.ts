/**
 * Affinity: which nodes a Pod wants, and which Pods it wants near or far. Only shape and wording; what follows
 * from it is decided in scheduler/plugins.
 */

import type * as models from "@kubernetes/client-node";
import type { NodeSelector, NodeSelectorTerm } from "../../machinery/objects/kinds.ts";
import { dns1123Label, dns1123Subdomain, labelValue, qualifiedName } from "../../machinery/objects/names.ts";
import { ownValue } from "../../machinery/objects/own-value.ts";
import type { LabelSelector, Wire } from "../../machinery/objects/wire.ts";
import type { FieldErrors } from "./field-errors.ts";
import { validateLabelSelector } from "./label-selector.ts";
import { each } from "./object-meta.ts";
import { type At, child, item } from "./path.ts";

type Affinity = Wire<models.V1Affinity>;
type PodAffinity = Wire<models.V1PodAffinity>;
type PodAffinityTerm = Wire<models.V1PodAffinityTerm>;
type Expression = Wire<models.V1NodeSelectorRequirement>;

const HARD = "requiredDuringSchedulingIgnoredDuringExecution";
const SOFT = "preferredDuringSchedulingIgnoredDuringExecution";
const NOT_AN_OPERATOR = "not a valid selector operator";

export function validateAffinity(affinity: Affinity | undefined, path: At, errors: FieldErrors): void {
  if (!affinity) return;
  const { nodeAffinity } = affinity;
  if (nodeAffinity) {
    const at = child(path, "nodeAffinity");
    const hard = nodeAffinity[HARD];
    if (hard) validateNodeSelector(hard, child(at, HARD), errors);
    for (const [index, { weight, preference }] of (nodeAffinity[SOFT] ?? []).entries()) {
      const preferred = item(child(at, SOFT), index);
      validateWeight(weight, child(preferred, "weight"), errors);
      // A wish with a bad value is never granted, and was always accepted.
      validateNodeTerm(preference, child(preferred, "preference"), errors, false);
    }
  }
  for (const name of ["podAffinity", "podAntiAffinity"] as const) {
    const one = affinity[name];
    if (one) validatePodAffinity(one, child(path, name), errors);
  }
}

export function validateNodeSelector({ nodeSelectorTerms }: NodeSelector, path: At, errors: FieldErrors): void {
  const at = child(path, "nodeSelectorTerms");
  if (!nodeSelectorTerms?.length) errors.required(at, "must have at least one node selector term");
  for (const [index, term] of (nodeSelectorTerms ?? []).entries()) validateNodeTerm(term, item(at, index), errors);
}

export function validateNodeTerm(
  term: NodeSelectorTerm | undefined,
  path: At,
  errors: FieldErrors,
  values = true,
): void {
  for (const [index, expression] of (term?.matchExpressions ?? []).entries()) {
    const at = item(child(path, "matchExpressions"), index);
    validateExpression(expression, at, errors);
    each(qualifiedName(expression.key), child(at, "key"), expression.key, errors);
    if (!values) continue;
    for (const [place, value] of (expression.values ?? []).entries()) {
      each(labelValue(value), item(child(at, "values"), place), value, errors);
    }
  }
  for (const [index, field] of (term?.matchFields ?? []).entries()) {
    validateField(field, item(child(path, "matchFields"), index), errors);
  }
}

function validateExpression({ operator, values = [] }: Expression, path: At, errors: FieldErrors): void {
  if (operator === "In" || operator === "NotIn") {
    if (values.length === 0) {
      errors.required(child(path, "values"), "must be specified when `operator` is 'In' or 'NotIn'");
    }
  } else if (operator === "Exists" || operator === "DoesNotExist") {
    if (values.length > 0) {
      errors.forbidden(child(path, "values"), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    }
  } else if (operator === "Gt" || operator === "Lt") {
    if (values.length !== 1) {
      errors.required(child(path, "values"), "must be specified single value when `operator` is 'Lt' or 'Gt'");
    }
  } else errors.invalid(child(path, "operator"), operator, NOT_AN_OPERATOR);
}

/** Nodes have one field to be selected by. */
function validateField({ key, operator, values = [] }: Expression, path: At, errors: FieldErrors): void {
  if (operator !== "In" && operator !== "NotIn") errors.invalid(child(path, "operator"), operator, NOT_AN_OPERATOR);
  else if (values.length !== 1) {
    errors.required(
      child(path, "values"),
      "must be only one value when `operator` is 'In' or 'NotIn' for node field selector",
    );
  }
  if (key !== "metadata.name") {
    errors.invalid(child(path, "key"), key, "not a valid field selector key");
    return;
  }
  for (const [place, value] of values.entries()) {
    each(dns1123Subdomain(value), item(child(path, "values"), place), value, errors);
  }
}

function validateWeight(weight: number | undefined, path: At, errors: FieldErrors): void {
  if (!weight || weight < 1 || weight > 100) errors.invalid(path, weight ?? 0, "must be in the range 1-100");
}

function validatePodAffinity(affinity: PodAffinity, path: At, errors: FieldErrors): void {
  for (const [index, term] of (affinity[HARD] ?? []).entries()) {
    validatePodTerm(term, item(child(path, HARD), index), errors);
  }
  for (const [index, { weight, podAffinityTerm }] of (affinity[SOFT] ?? []).entries()) {
    const at = item(child(path, SOFT), index);
    validateWeight(weight, child(at, "weight"), errors);
    validatePodTerm(podAffinityTerm, child(at, "podAffinityTerm"), errors);
  }
}

function validatePodTerm(term: PodAffinityTerm, path: At, errors: FieldErrors): void {
  validateLabelSelector(term.labelSelector, child(path, "labelSelector"), errors);
  validateLabelSelector(term.namespaceSelector, child(path, "namespaceSelector"), errors);
  for (const name of term.namespaces ?? []) each(dns1123Label(name), child(path, "namespace"), name, errors);
  validateMatchKeys(term, path, errors);
  if (!term.topologyKey) errors.required(child(path, "topologyKey"), "can not be empty");
  each(qualifiedName(term.topologyKey ?? ""), child(path, "topologyKey"), term.topologyKey ?? "", errors);
}

/** Keys whose values are taken from the Pod's own labels when it is made: by then the selector has them too. */
function validateMatchKeys(term: PodAffinityTerm, path: At, errors: FieldErrors): void {
  const { matchLabelKeys = [], mismatchLabelKeys = [], labelSelector } = term;
  validateKeys(matchLabelKeys, labelSelector, child(path, "matchLabelKeys"), errors);
  validateKeys(mismatchLabelKeys, labelSelector, child(path, "mismatchLabelKeys"), errors);
  const selected = new Set(Object.keys(labelSelector?.matchLabels ?? {}));
  for (const { key } of labelSelector?.matchExpressions ?? []) {
    const index = matchLabelKeys.lastIndexOf(key);
    if (index >= 0 && selected.has(key)) {
      errors.invalid(item(path, index), key, "exists in both matchLabelKeys and labelSelector");
    }
    selected.add(key);
  }
  for (const [index, key] of matchLabelKeys.entries()) {
    if (!mismatchLabelKeys.includes(key)) continue;
    const at = item(child(path, "matchLabelKeys"), index);
    errors.invalid(at, key, "exists in both matchLabelKeys and mismatchLabelKeys");
  }
}

function validateKeys(
  keys: readonly string[],
  selector: LabelSelector | undefined,
  path: At,
  errors: FieldErrors,
): void {
  if (keys.length === 0) return;
  if (!selector) {
    errors.forbidden(path, "must not be specified when labelSelector is not set");
    return;
  }
  for (const [index, key] of keys.entries()) each(qualifiedName(key), item(path, index), key, errors);
}

/** Writes the values of a new Pod's own labels into the selectors that name their keys. */
export function applyLabelKeys(
  affinity: Affinity | undefined,
  labels: Readonly<Record<string, string>> | undefined,
): void {
  for (const one of [affinity?.podAffinity, affinity?.podAntiAffinity]) {
    const soft = (one?.[SOFT] ?? []).map(({ podAffinityTerm }) => podAffinityTerm);
    for (const term of [...soft, ...(one?.[HARD] ?? [])]) {
      const { labelSelector, matchLabelKeys = [], mismatchLabelKeys = [] } = term;
      if (!labelSelector) continue;
      selectBy(labelSelector, matchLabelKeys, "In", labels);
      selectBy(labelSelector, mismatchLabelKeys, "NotIn", labels);
    }
  }
}

function selectBy(
  selector: LabelSelector,
  keys: readonly string[],
  operator: "In" | "NotIn",
  labels: Readonly<Record<string, string>> | undefined,
): void {
  for (const key of keys) {
    const value = ownValue(labels, key);
    if (value === undefined) continue;
    selector.matchExpressions ??= [];
    selector.matchExpressions.push({ key, operator, values: [value] });
  }
}
