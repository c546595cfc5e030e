/**
 * HorizontalPodAutoscaler: how many Pods there should be, by what they are measured to do.
 *
 * Metrics and what they should be are checked in autoscaler-metrics.ts.
 */
import type * as models from "@kubernetes/client-node";
import { pathSegment } from "../../machinery/objects/names.ts";
import type { Stored, Wire } from "../../machinery/objects/wire.ts";
import { validateMetrics } from "./autoscaler-metrics.ts";
import { notNegative, oneOf, requireNamed } from "./checks.ts";
import type { Strategy } from "./contract.ts";
import type { FieldErrors } from "./field-errors.ts";
import { type At, child, item } from "./path.ts";

type Autoscaler = Stored<models.V2HorizontalPodAutoscaler>;
type Spec = Wire<models.V2HorizontalPodAutoscalerSpec>;
type Rules = Wire<models.V2HPAScalingRules>;
type Policy = Wire<models.V2HPAScalingPolicy>;

const MAX_PERIOD = 1800;
const MAX_WINDOW = 3600;

const UP: readonly Policy[] = [
  { type: "Pods", value: 4, periodSeconds: 15 },
  { type: "Percent", value: 100, periodSeconds: 15 },
];
const DOWN: readonly Policy[] = [{ type: "Percent", value: 100, periodSeconds: 15 }];

export const autoscalerStrategy: Strategy<Autoscaler> = {
  defaults({ spec }) {
    if (!spec) return;
    spec.minReplicas ??= 1;
    if (!spec.metrics?.length) {
      spec.metrics = [
        { type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 80 } } },
      ];
    }
    const { scaleUp, scaleDown } = spec.behavior ?? {};
    if (!scaleUp && !scaleDown) return;
    spec.behavior = { ...spec.behavior, scaleUp: filled(scaleUp, UP, 0), scaleDown: filled(scaleDown, DOWN) };
  },

  prepareForCreate(autoscaler) {
    autoscaler.status = { desiredReplicas: 0, currentReplicas: 0 };
  },

  validate({ spec }, errors) {
    if (!spec) {
      errors.required("spec");
      return;
    }
    const { minReplicas, maxReplicas = 0, scaleTargetRef: target, behavior } = spec;
    if (maxReplicas < 1) errors.invalid("spec.maxReplicas", maxReplicas, "must be greater than 0");
    if (minReplicas !== undefined && maxReplicas < minReplicas) {
      errors.invalid("spec.maxReplicas", maxReplicas, "must be greater than or equal to `minReplicas`");
    }
    requireNamed(target?.kind, pathSegment, "spec.scaleTargetRef.kind", errors);
    requireNamed(target?.name, pathSegment, "spec.scaleTargetRef.name", errors);
    validateMetrics(spec, errors);
    if (behavior?.scaleUp) validateRules(behavior.scaleUp, "spec.behavior.scaleUp", errors);
    if (behavior?.scaleDown) validateRules(behavior.scaleDown, "spec.behavior.scaleDown", errors);
  },

  validateCreate: ({ spec }, errors) => validateMinimum(spec, 1, errors),
  validateUpdate: ({ spec }, old, errors) => validateMinimum(spec, old.spec?.minReplicas === 0 ? 0 : 1, errors),

  validateStatusUpdate({ status }, _old, errors) {
    notNegative(status?.currentReplicas, "status.currentReplicas", errors);
    notNegative(status?.desiredReplicas, "status.desiredReplicas", errors);
  },

  allowUnconditionalUpdate: true,
};

function filled(rules: Rules = {}, policies: readonly Policy[], window?: number): Rules {
  return {
    selectPolicy: "Max",
    policies: policies.map((one) => ({ ...one })),
    ...(window !== undefined && { stabilizationWindowSeconds: window }),
    ...rules,
  };
}

/** Down to nothing only where it was allowed before. */
function validateMinimum(spec: Spec | undefined, least: number, errors: FieldErrors): void {
  const { minReplicas } = spec ?? {};
  if (minReplicas === undefined || minReplicas >= least) return;
  errors.invalid("spec.minReplicas", minReplicas, `must be greater than or equal to ${least}`);
}

function validateRules(rules: Rules, path: At, errors: FieldErrors): void {
  const { stabilizationWindowSeconds: window = 0, selectPolicy, policies = [], tolerance } = rules;
  const at = child(path, "stabilizationWindowSeconds");
  if (window < 0) errors.invalid(at, window, "must be greater than or equal to zero");
  if (window > MAX_WINDOW) errors.invalid(at, window, `must be less than or equal to ${MAX_WINDOW}`);
  oneOf(selectPolicy, ["Disabled", "Max", "Min"], child(path, "selectPolicy"), errors);
  if (policies.length === 0) errors.required(child(path, "policies"), "must specify at least one Policy");
  for (const [index, policy] of policies.entries()) {
    validatePolicy(policy, item(child(path, "policies"), index), errors);
  }
  if (tolerance?.startsWith("-")) {
    errors.invalid(child(path, "tolerance"), tolerance, "must be greater than or equal to 0");
  }
}

function validatePolicy({ type, value, periodSeconds: period }: Policy, path: At, errors: FieldErrors): void {
  if (type !== "Pods" && type !== "Percent") errors.notSupported(child(path, "type"), type, ["Percent", "Pods"]);
  if (!(value > 0)) errors.invalid(child(path, "value"), value ?? 0, "must be greater than zero");
  const at = child(path, "periodSeconds");
  if (!(period > 0)) errors.invalid(at, period ?? 0, "must be greater than zero");
  if (period > MAX_PERIOD) errors.invalid(at, period, `must be less than or equal to ${MAX_PERIOD}`);
}
