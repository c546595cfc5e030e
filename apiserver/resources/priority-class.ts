/**
 * PriorityClass: a name for how important Pods are. The scheduler and admission act on it.
 */

import type { PriorityClass } from "../../machinery/objects/kinds.ts";
import { ownValue } from "../../machinery/objects/own-value.ts";
import { requireOneOf } from "./checks.ts";
import type { Strategy } from "./contract.ts";

/** Above it only the system's own classes stand. */
const HIGHEST_USER_PRIORITY = 1_000_000_000;
const SYSTEM: Readonly<Record<string, number>> = {
  "system-node-critical": 2_000_001_000,
  "system-cluster-critical": 2_000_000_000,
};

export const priorityClassStrategy: Strategy<PriorityClass> = {
  defaults(one) {
    one.preemptionPolicy ??= "PreemptLowerPriority";
  },

  validate({ metadata: { name }, value = 0, preemptionPolicy, globalDefault }, errors) {
    if (name?.startsWith("system-")) {
      const fault = systemFault(name, value, globalDefault ?? false);
      if (fault) {
        const detail = `priority class names with 'system-' prefix are reserved for system use only. error: ${fault}`;
        errors.forbidden("metadata.name", detail);
      }
    } else if (value > HIGHEST_USER_PRIORITY) {
      errors.forbidden("value", `maximum allowed value of a user defined priority is ${HIGHEST_USER_PRIORITY}`);
    }
    if (preemptionPolicy === undefined) return;
    requireOneOf(preemptionPolicy, ["PreemptLowerPriority", "Never"], "preemptionPolicy", errors);
  },

  validateUpdate({ value = 0, preemptionPolicy }, old, errors) {
    if (value !== (old.value ?? 0)) errors.forbidden("value", "may not be changed in an update.");
    if (preemptionPolicy !== old.preemptionPolicy) {
      errors.invalid("preemptionPolicy", preemptionPolicy, "field is immutable");
    }
  },

  allowUnconditionalUpdate: true,
};

/** Two classes are the system's, and only as it makes them. */
function systemFault(name: string, value: number, globalDefault: boolean): string | undefined {
  const own = ownValue(SYSTEM, name);
  if (own === undefined) return `${name} is not a known system priority class`;
  if (value !== own) return `value of ${name} PriorityClass must be ${own}`;
  return globalDefault ? `globalDefault of ${name} PriorityClass must be false` : undefined;
}
