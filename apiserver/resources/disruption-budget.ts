/**
 * PodDisruptionBudget: how many of some Pods must stay, or may go, when they are evicted.
 */
import type * as models from "@kubernetes/client-node";
import type { Stored } from "../../machinery/objects/wire.ts";
import { atMostWhole, notNegative, numberOrPercent, oneOf } from "./checks.ts";
import type { Strategy } from "./contract.ts";
import { validateLabelSelector } from "./label-selector.ts";

type Budget = Stored<models.V1PodDisruptionBudget>;

const COUNTS = ["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"] as const;

export const podDisruptionBudgetStrategy: Strategy<Budget> = {
  prepareForCreate(budget) {
    budget.status = { currentHealthy: 0, desiredHealthy: 0, disruptionsAllowed: 0, expectedPods: 0 };
  },

  validate({ spec = {} }, errors) {
    const { minAvailable, maxUnavailable, selector, unhealthyPodEvictionPolicy: policy } = spec;
    if (minAvailable !== undefined && maxUnavailable !== undefined) {
      errors.invalid("spec", spec, "minAvailable and maxUnavailable cannot be both set");
    }
    for (const [path, value] of [
      ["spec.minAvailable", minAvailable],
      ["spec.maxUnavailable", maxUnavailable],
    ] as const) {
      numberOrPercent(value, path, errors);
      atMostWhole(value, path, errors);
    }
    validateLabelSelector(selector, "spec.selector", errors);
    oneOf(policy, ["AlwaysAllow", "IfHealthyBudget"], "spec.unhealthyPodEvictionPolicy", errors);
  },

  validateStatusUpdate({ status }, _old, errors) {
    for (const field of COUNTS) notNegative(status?.[field], `status.${field}`, errors);
  },

  allowUnconditionalUpdate: false,
};
