/**
 * Scale rules: what the fields that hold a custom object's scale must keep, whatever its schema says.
 */

import { parseLabelSelector, SelectorError } from "../../machinery/objects/selectors.ts";
import type { KubeObject } from "../../machinery/objects/wire.ts";
import type { FieldErrors } from "../resources/field-errors.ts";
import { goKindName } from "../schema/go-types.ts";
import type { Subresources } from "./contract.ts";
import { pathKeys, valueAt } from "./paths.ts";

const MOST = 2 ** 31 - 1;

export function validateScale(
  object: KubeObject,
  scale: NonNullable<Subresources["scale"]>,
  errors: FieldErrors,
): void {
  for (const path of [scale.specReplicasPath, scale.statusReplicasPath]) {
    const value = valueAt(object, pathKeys(path));
    if (value === undefined) continue;
    if (typeof value !== "number" || !Number.isInteger(value)) {
      const detail = `${path} accessor error: ${JSON.stringify(value)} is of the type ${goKindName(value)}, expected int64`;
      errors.invalid(path, 0, detail);
    } else if (value < 0) errors.invalid(path, value, "should be a non-negative integer");
    else if (value > MOST) errors.invalid(path, value, `should be less than or equal to ${MOST}`);
  }
  const { labelSelectorPath } = scale;
  if (!labelSelectorPath) return;
  const selector = valueAt(object, pathKeys(labelSelectorPath));
  if (selector === undefined) return;
  if (typeof selector !== "string") {
    errors.invalid(labelSelectorPath, "", `${labelSelectorPath} accessor error: expected string`);
    return;
  }
  try {
    parseLabelSelector(selector);
  } catch (error) {
    if (!(error instanceof SelectorError)) throw error;
    errors.invalid(labelSelectorPath, selector, error.message);
  }
}
