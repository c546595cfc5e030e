/**
 * Metrics of autoscalers: what is measured, of what, and what it should be.
 */
import type * as models from "@kubernetes/client-node";
import { dns1123Label, pathSegment } from "../../machinery/objects/names.ts";
import { parseQuantity } from "../../machinery/objects/quantity.ts";
import type { Wire } from "../../machinery/objects/wire.ts";
import { requireNamed } from "./checks.ts";
import type { FieldErrors } from "./field-errors.ts";
import { each } from "./object-meta.ts";
import { type At, child, item } from "./path.ts";
import { validateContainerResourceName } from "./resource-names.ts";

type Spec = Wire<models.V2HorizontalPodAutoscalerSpec>;
type Metric = Wire<models.V2MetricSpec>;
type Target = Wire<models.V2MetricTarget>;
type Identifier = Wire<models.V2MetricIdentifier>;

/** Field ► type, in the order in which Kubernetes looks for them. */
const SOURCES = {
  object: "Object",
  external: "External",
  pods: "Pods",
  resource: "Resource",
  containerResource: "ContainerResource",
} as const;
type Source = keyof typeof SOURCES;
const NAMES = Object.keys(SOURCES) as readonly Source[];
const TYPES: readonly string[] = Object.values(SOURCES).sort();

export function validateMetrics({ metrics = [], minReplicas }: Spec, errors: FieldErrors): void {
  for (const [index, metric] of metrics.entries()) validateMetric(metric, item("spec.metrics", index), errors);
  if (minReplicas !== 0 || metrics.some(({ type }) => type === "Object" || type === "External")) return;
  const detail = "must specify at least one Object or External metric to support scaling to zero replicas";
  errors.forbidden("spec.metrics", detail);
}

function validateMetric(metric: Metric, path: At, errors: FieldErrors): void {
  const { type } = metric;
  const at = child(path, "type");
  if (!type) errors.required(at, "must specify a metric source type");
  if (!TYPES.includes(type)) errors.notSupported(at, type ?? "", TYPES);
  const given = NAMES.filter((name) => metric[name] !== undefined);
  if (given[0]) sources[given[0]](metric, child(path, given[0]), errors);
  const wanted = NAMES.find((name) => SOURCES[name] === type);
  if (wanted && !metric[wanted]) {
    errors.required(child(path, wanted), "must populate information for the given metric source");
  } else if (!wanted) errors.notSupported(at, type ?? "", TYPES);
  if (given.length === 1) return;
  for (const name of given) {
    if (name !== wanted) errors.forbidden(child(path, name), "must populate the given metric source only");
  }
}

const sources: Readonly<Record<Source, (metric: Metric, path: At, errors: FieldErrors) => void>> = {
  object({ object }, path, errors) {
    const at = child(path, "describedObject");
    requireNamed(object?.describedObject?.kind, pathSegment, child(at, "kind"), errors);
    requireNamed(object?.describedObject?.name, pathSegment, child(at, "name"), errors);
    validateIdentifier(object?.metric, child(path, "metric"), errors);
    const target = validateTarget(object?.target, path, errors);
    if (target.value === undefined && target.averageValue === undefined) {
      errors.required(inTarget(path, "averageValue"), "must set either a target value or averageValue");
    }
  },
  external({ external }, path, errors) {
    validateIdentifier(external?.metric, child(path, "metric"), errors);
    const target = validateTarget(external?.target, path, errors);
    if (target.value === undefined && target.averageValue === undefined) {
      const detail = "must set either a target value for metric or a per-pod target";
      errors.required(inTarget(path, "averageValue"), detail);
    }
    if (target.value !== undefined && target.averageValue !== undefined) {
      const detail = "may not set both a target value for metric and a per-pod target";
      errors.forbidden(inTarget(path, "value"), detail);
    }
  },
  pods({ pods }, path, errors) {
    validateIdentifier(pods?.metric, child(path, "metric"), errors);
    const target = validateTarget(pods?.target, path, errors);
    if (target.averageValue !== undefined) return;
    errors.required(inTarget(path, "averageValue"), "must specify a positive target averageValue");
  },
  resource({ resource }, path, errors) {
    if (!resource?.name) errors.required(child(path, "name"), "must specify a resource name");
    validateUse(validateTarget(resource?.target, path, errors), path, errors);
  },
  containerResource({ containerResource: resource }, path, errors) {
    if (!resource?.name) errors.required(child(path, "name"), "must specify a resource name");
    else validateContainerResourceName(resource.name, child(path, "name"), errors);
    if (!resource?.container) errors.required(child(path, "container"), "must specify a container");
    else each(dns1123Label(resource.container), child(path, "container"), resource.container, errors);
    validateUse(validateTarget(resource?.target, path, errors), path, errors);
  },
};

const inTarget = (path: At, field: string): At => child(child(path, "target"), field);

/** By share of what was asked for, or by amount. */
function validateUse({ averageUtilization, averageValue }: Partial<Target>, path: At, errors: FieldErrors): void {
  if (averageUtilization === undefined && averageValue === undefined) {
    const detail = "must set either a target raw value or a target utilization";
    errors.required(inTarget(path, "averageUtilization"), detail);
  }
  if (averageUtilization !== undefined && averageValue !== undefined) {
    const detail = "may not set both a target raw value and a target utilization";
    errors.forbidden(inTarget(path, "averageValue"), detail);
  }
}

function validateIdentifier(metric: Identifier | undefined, path: At, errors: FieldErrors): void {
  if (!metric?.name) errors.required(child(path, "name"), "must specify a metric name");
  else each(pathSegment(metric.name), child(path, "name"), metric.name, errors);
}

function validateTarget(given: Target | undefined, path: At, errors: FieldErrors): Partial<Target> {
  const target: Partial<Target> = given ?? {};
  const { type, averageUtilization } = target;
  if (!type) errors.required(inTarget(path, "type"), "must specify a metric target type");
  if (!type || !["Utilization", "Value", "AverageValue"].includes(type)) {
    errors.invalid(inTarget(path, "type"), type ?? "", "must be either Utilization, Value, or AverageValue");
  }
  for (const field of ["value", "averageValue"] as const) {
    const amount = target[field];
    if (amount !== undefined && parseQuantity(amount).nanos <= 0n) {
      errors.invalid(inTarget(path, field), amount, "must be positive");
    }
  }
  if (averageUtilization !== undefined && averageUtilization < 1) {
    errors.invalid(inTarget(path, "averageUtilization"), averageUtilization, "must be greater than 0");
  }
  return target;
}
