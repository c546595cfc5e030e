/**
 * Taints and tolerations: their shape. What follows from them is decided in the scheduler and the taint controllers.
 */
import type { Taint, Toleration } from "../../machinery/objects/kinds.ts";
import { labelValue, qualifiedName } from "../../machinery/objects/names.ts";
import { oneOf, requireOneOf } from "./checks.ts";
import type { FieldErrors } from "./field-errors.ts";
import { each } from "./object-meta.ts";
import { type At, child, item } from "./path.ts";

const EFFECTS: readonly string[] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

export function validateTolerations(tolerations: readonly Toleration[], path: At, errors: FieldErrors): void {
  for (let index = 0; index < tolerations.length; index++) {
    const { key, operator, value = "", effect, tolerationSeconds } = tolerations[index]!;
    const at = item(path, index);
    if (key) each(qualifiedName(key), child(at, "key"), key, errors);
    else if (operator !== "Exists") {
      errors.invalid(
        child(at, "operator"),
        operator ?? "",
        'operator must be Exists when `key` is empty, which means "match all values and all keys"',
      );
    }
    if (tolerationSeconds !== undefined && effect !== "NoExecute") {
      errors.invalid(child(at, "effect"), effect ?? "", "effect must be 'NoExecute' when `tolerationSeconds` is set");
    }
    if (!operator || operator === "Equal") {
      const wrong = labelValue(value);
      if (wrong.length > 0) errors.invalid(child(at, "operator"), value, wrong.join(";"));
    } else if (operator === "Exists") {
      if (value) errors.invalid(child(at, "operator"), value, "value must be empty when `operator` is 'Exists'");
    } else errors.notSupported(child(at, "operator"), operator, ["Equal", "Exists"]);
    if (effect) oneOf(effect, EFFECTS, child(at, "effect"), errors);
  }
}

export function validateTaints(taints: readonly Taint[], path: At, errors: FieldErrors): void {
  const seen = new Set<string>();
  for (const [index, taint] of taints.entries()) {
    const at = item(path, index);
    each(qualifiedName(taint.key), child(at, "key"), taint.key, errors);
    const wrong = labelValue(taint.value ?? "");
    if (wrong.length > 0) errors.invalid(child(at, "value"), taint.value, wrong.join(";"));
    requireOneOf(taint.effect, EFFECTS, child(at, "effect"), errors);
    const pair = `${taint.key}:${taint.effect}`;
    if (seen.has(pair)) errors.duplicate(at, taint, "taints must be unique by key and effect pair");
    seen.add(pair);
  }
}
