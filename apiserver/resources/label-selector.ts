/**
 * Label selectors inside objects: their shape, and whether a template's labels match.
 *
 * Parsing and matching are in machinery/objects/selectors.ts.
 */
import { labelValue, qualifiedName } from "../../machinery/objects/names.ts";
import { fromLabelSelector, isEverything, type Labels, matches } from "../../machinery/objects/selectors.ts";
import type { LabelSelector } from "../../machinery/objects/wire.ts";
import type { FieldErrors } from "./field-errors.ts";
import { each, validateLabels } from "./object-meta.ts";
import { type At, child, item } from "./path.ts";

export function validateLabelSelector(selector: LabelSelector | undefined, path: At, errors: FieldErrors): void {
  if (!selector) return;
  validateLabels(selector.matchLabels, child(path, "matchLabels"), errors);
  for (const [index, { key, operator, values = [] }] of (selector.matchExpressions ?? []).entries()) {
    const at = item(child(path, "matchExpressions"), index);
    if (operator === "In" || operator === "NotIn") {
      if (values.length === 0) {
        errors.required(child(at, "values"), "must be specified when `operator` is 'In' or 'NotIn'");
      }
    } else if (operator === "Exists" || operator === "DoesNotExist") {
      if (values.length > 0) {
        errors.forbidden(child(at, "values"), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
      }
    } else errors.invalid(child(at, "operator"), operator, "not a valid selector operator");
    each(qualifiedName(key), child(at, "key"), key, errors);
    for (const [place, value] of values.entries())
      each(labelValue(value), item(child(at, "values"), place), value, errors);
  }
}

/**
 * A workload's own selector: there, not empty, and matching what the workload makes.
 * `path` is the spec's.
 */
export function validateOwnSelector(
  selector: LabelSelector | undefined,
  labels: Labels | undefined,
  path: At,
  kind: string,
  errors: FieldErrors,
): void {
  if (!selector) {
    errors.required(child(path, "selector"));
    return;
  }
  const before = errors.causes.length;
  validateLabelSelector(selector, child(path, "selector"), errors);
  if (errors.causes.length > before) return;
  const parsed = fromLabelSelector(selector);
  if (isEverything(parsed)) errors.invalid(child(path, "selector"), selector, `empty selector is invalid for ${kind}`);
  else if (!matches(parsed, labels)) {
    errors.invalid(
      child(child(child(path, "template"), "metadata"), "labels"),
      labels,
      "`selector` does not match template `labels`",
    );
  }
}
