/**
 * Topology spread: how evenly Pods must be spread over zones, nodes and the like.
 */
import type * as models from "@kubernetes/client-node";
import { qualifiedName } from "../../machinery/objects/names.ts";
import type { LabelSelector, Wire } from "../../machinery/objects/wire.ts";
import { oneOf } from "./checks.ts";
import type { FieldErrors } from "./field-errors.ts";
import { validateLabelSelector } from "./label-selector.ts";
import { each } from "./object-meta.ts";
import { type At, child, item } from "./path.ts";

type Spread = Wire<models.V1TopologySpreadConstraint>;

const ACTIONS: readonly string[] = ["DoNotSchedule", "ScheduleAnyway"];
const POLICIES: readonly string[] = ["Honor", "Ignore"];
const POSITIVE = "must be greater than zero";

export function validateSpread(constraints: readonly Spread[], path: At, errors: FieldErrors): void {
  for (const [index, constraint] of constraints.entries()) {
    const at = item(path, index);
    const { maxSkew = 0, topologyKey, whenUnsatisfiable: action = "" } = constraint;
    if (maxSkew <= 0) errors.invalid(child(at, "maxSkew"), maxSkew, POSITIVE);
    if (!topologyKey) errors.required(child(at, "topologyKey"), "can not be empty");
    if (!ACTIONS.includes(action)) errors.notSupported(child(at, "whenUnsatisfiable"), action, ACTIONS);
    const again = constraints
      .slice(index + 1)
      .some((other) => other.topologyKey === topologyKey && other.whenUnsatisfiable === action);
    if (again) errors.duplicate(child(at, "{topologyKey, whenUnsatisfiable}"), `{${topologyKey}, ${action}}`);
    validateMinDomains(constraint.minDomains, action, child(at, "minDomains"), errors);
    oneOf(constraint.nodeAffinityPolicy, POLICIES, child(at, "nodeAffinityPolicy"), errors);
    oneOf(constraint.nodeTaintsPolicy, POLICIES, child(at, "nodeTaintsPolicy"), errors);
    validateLabelKeys(constraint.matchLabelKeys, constraint.labelSelector, child(at, "matchLabelKeys"), errors);
    validateLabelSelector(constraint.labelSelector, child(at, "labelSelector"), errors);
  }
}

function validateMinDomains(value: number | undefined, action: string, path: At, errors: FieldErrors): void {
  if (value === undefined) return;
  if (value <= 0) errors.invalid(path, value, POSITIVE);
  if (action !== "DoNotSchedule") {
    const detail = `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${action}`;
    errors.invalid(path, value, detail);
  }
}

/** A key stands in the selector or here, not in both. */
function validateLabelKeys(
  keys: readonly string[] | undefined,
  selector: LabelSelector | undefined,
  path: At,
  errors: FieldErrors,
): void {
  if (!keys?.length) return;
  if (!selector) errors.forbidden(path, "must not be specified when labelSelector is not set");
  const selected = new Set([
    ...Object.keys(selector?.matchLabels ?? {}),
    ...(selector?.matchExpressions ?? []).map(({ key }) => key),
  ]);
  for (const [index, key] of keys.entries()) {
    each(qualifiedName(key), item(path, index), key, errors);
    if (selected.has(key)) {
      errors.invalid(item(path, index), key, "exists in both matchLabelKeys and labelSelector");
    }
  }
}
