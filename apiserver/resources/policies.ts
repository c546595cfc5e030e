/**
 * What bounds and ranks workloads: PodDisruptionBudget, PriorityClass, ResourceQuota, LimitRange, HorizontalPodAutoscaler.
 *
 * Priorities are used by the scheduler; the others are stored and checked, no controller acts on them yet.
 */
import type * as models from "@kubernetes/client-node";
import type { PriorityClass } from "../../machinery/objects/kinds.ts";
import { pathSegment, qualifiedName } from "../../machinery/objects/names.ts";
import { compareQuantities, parseQuantity } from "../../machinery/objects/quantity.ts";
import type { Stored, Wire } from "../../machinery/objects/wire.ts";
import { atMostWhole, numberOrPercent, oneOf, quantityNotNegative, requireNamed } from "./checks.ts";
import type { Strategy } from "./contract.ts";
import type { FieldErrors } from "./field-errors.ts";
import { validateLabelSelector } from "./label-selector.ts";
import { each } from "./object-meta.ts";

type Budget = Stored<models.V1PodDisruptionBudget>;
type Quota = Stored<models.V1ResourceQuota>;
type LimitRange = Stored<models.V1LimitRange>;
type LimitItem = Wire<models.V1LimitRangeItem>;
type Autoscaler = Stored<models.V2HorizontalPodAutoscaler>;

export const podDisruptionBudgetStrategy: Strategy<Budget> = {
  prepareForCreate(budget) {
    budget.status = { currentHealthy: 0, desiredHealthy: 0, disruptionsAllowed: 0, expectedPods: 0 };
  },
  validate({ spec = {} }, errors) {
    if (spec.minAvailable !== undefined && spec.maxUnavailable !== undefined) {
      errors.invalid("spec", spec, "minAvailable and maxUnavailable cannot be both set");
    }
    for (const field of ["minAvailable", "maxUnavailable"] as const) {
      numberOrPercent(spec[field], `spec.${field}`, errors);
      atMostWhole(spec[field], `spec.${field}`, errors);
    }
    validateLabelSelector(spec.selector, "spec.selector", errors);
    oneOf(
      spec.unhealthyPodEvictionPolicy,
      ["AlwaysAllow", "IfHealthyBudget"],
      "spec.unhealthyPodEvictionPolicy",
      errors,
    );
  },
  allowUnconditionalUpdate: false,
};

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
      if (SYSTEM[name] !== value || globalDefault) {
        errors.forbidden(
          "metadata.name",
          "priority class names with 'system-' prefix are reserved for system use only",
        );
      }
    } else if (value > HIGHEST_USER_PRIORITY) {
      errors.forbidden("value", `maximum allowed value of a user defined priority is ${HIGHEST_USER_PRIORITY}`);
    }
    oneOf(preemptionPolicy, ["Never", "PreemptLowerPriority"], "preemptionPolicy", errors);
  },
  validateUpdate({ value, preemptionPolicy }, old, errors) {
    if (value !== old.value) errors.forbidden("value", "may not be changed in an update.");
    if (preemptionPolicy !== old.preemptionPolicy) {
      errors.invalid("preemptionPolicy", preemptionPolicy, "field is immutable");
    }
  },
  allowUnconditionalUpdate: true,
};

export const resourceQuotaStrategy: Strategy<Quota> = {
  validate({ spec }, errors) {
    const hard = spec?.hard ?? {};
    for (const name in hard) {
      each(qualifiedName(name), `spec.hard[${name}]`, name, errors);
      quantityNotNegative(hard[name], `spec.hard[${name}]`, errors);
    }
  },
  allowUnconditionalUpdate: true,
};

export const limitRangeStrategy: Strategy<LimitRange> = {
  defaults({ spec }) {
    for (const item of spec?.limits ?? []) {
      if (item.type === "Container") defaultLimits(item);
    }
  },
  validate({ spec }, errors) {
    const types = new Set<string>();
    for (const [index, item] of (spec?.limits ?? []).entries()) {
      const at = `spec.limits[${index}]`;
      if (types.has(item.type)) errors.duplicate(`${at}.type`, item.type);
      types.add(item.type);
      validateLimits(item, at, errors);
    }
  },
  allowUnconditionalUpdate: true,
};

/** The largest allowed is the default limit; the default limit is the default request, and so is the smallest allowed. */
function defaultLimits(item: LimitItem): void {
  item.default = { ...item.max, ...item.default };
  item.defaultRequest = { ...item.min, ...item.default, ...item.defaultRequest };
}

function validateLimits(item: LimitItem, path: string, errors: FieldErrors): void {
  const order = ["min", "defaultRequest", "default", "max"] as const;
  const amounts = item as unknown as Record<string, Record<string, string> | undefined>;
  for (const [at, low] of order.entries()) {
    for (const high of order.slice(at + 1)) {
      for (const [name, amount] of Object.entries(amounts[low] ?? {})) {
        const most = amounts[high]?.[name];
        if (most === undefined || compareQuantities(parseQuantity(amount), parseQuantity(most)) <= 0) continue;
        errors.invalid(
          `${path}.${low}[${name}]`,
          amount,
          `${low} value ${amount} is greater than ${high} value ${most}`,
        );
      }
    }
  }
}

export const autoscalerStrategy: Strategy<Autoscaler> = {
  defaults({ spec }) {
    if (!spec) return;
    spec.minReplicas ??= 1;
    if (!spec.metrics?.length) {
      spec.metrics = [
        { type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 80 } } },
      ];
    }
  },
  prepareForCreate(autoscaler) {
    autoscaler.status = { desiredReplicas: 0, currentReplicas: 0 };
  },
  validate({ spec }, errors) {
    if (!spec) {
      errors.required("spec");
      return;
    }
    const { minReplicas = 1, maxReplicas, scaleTargetRef, metrics } = spec;
    if (minReplicas < 1) errors.invalid("spec.minReplicas", minReplicas, "must be greater than or equal to 1");
    if (maxReplicas < 1) errors.invalid("spec.maxReplicas", maxReplicas, "must be greater than 0");
    if (maxReplicas < minReplicas) {
      errors.invalid("spec.maxReplicas", maxReplicas, "must be greater than or equal to `minReplicas`");
    }
    requireNamed(scaleTargetRef?.kind, pathSegment, "spec.scaleTargetRef.kind", errors);
    requireNamed(scaleTargetRef?.name, pathSegment, "spec.scaleTargetRef.name", errors);
    for (const [index, { type }] of (metrics ?? []).entries()) {
      oneOf(
        type,
        ["ContainerResource", "External", "Object", "Pods", "Resource"],
        `spec.metrics[${index}].type`,
        errors,
      );
    }
  },
  allowUnconditionalUpdate: true,
};
