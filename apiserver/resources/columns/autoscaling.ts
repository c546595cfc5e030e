/**
 * Columns of HorizontalPodAutoscalers: what is scaled, by which metrics, how far.
 */
import type * as models from "@kubernetes/client-node";
import type { Stored, Wire } from "../../../machinery/objects/wire.ts";
import { ageColumn, columns, nameColumn, none, text } from "./column.ts";

type Autoscaler = Stored<models.V2HorizontalPodAutoscaler>;
type Metric = Wire<models.V2MetricSpec>;
type Current = Wire<models.V2MetricStatus>;
type Target = Wire<models.V2MetricTarget>;
type Value = Wire<models.V2MetricValueStatus>;

export const autoscalerColumns = columns<Autoscaler>(
  nameColumn,
  text<Autoscaler>("Reference", "What it scales", ({ spec }) =>
    spec ? `${spec.scaleTargetRef.kind}/${spec.scaleTargetRef.name}` : "",
  ),
  text<Autoscaler>("Targets", "Metrics: current/wanted", ({ spec, status }) =>
    metrics(spec?.metrics ?? [], status?.currentMetrics ?? []),
  ),
  text<Autoscaler>("MinPods", "Fewest replicas", ({ spec }) => String(spec?.minReplicas ?? "<unset>")),
  { ...text<Autoscaler>("MaxPods", "Most replicas", ({ spec }) => spec?.maxReplicas ?? 0), type: "integer" },
  { ...text<Autoscaler>("Replicas", "Replicas now", ({ status }) => status?.currentReplicas ?? 0), type: "integer" },
  ageColumn,
);

/** What a metric of a type is called, what is wanted of it, and what is. */
const METRICS: Readonly<
  Record<
    string,
    (metric: Metric, now: Current | undefined) => { name: string; target: Target | undefined; value: Value | undefined }
  >
> = {
  Resource: ({ resource }, now) => ({
    name: `${resource?.name}: `,
    target: resource?.target,
    value: now?.resource?.current,
  }),
  ContainerResource: ({ containerResource }, now) => ({
    name: `${containerResource?.name}: `,
    target: containerResource?.target,
    value: now?.containerResource?.current,
  }),
  Pods: ({ pods }, now) => ({ name: "", target: pods?.target, value: now?.pods?.current }),
  Object: ({ object }, now) => ({ name: "", target: object?.target, value: now?.object?.current }),
  External: ({ external }, now) => ({ name: "", target: external?.target, value: now?.external?.current }),
};

function metrics(specs: readonly Metric[], current: readonly Current[]): string {
  if (specs.length === 0) return none;
  const shown = specs.slice(0, 2).map((metric, index) => {
    const found = METRICS[metric.type]?.(metric, current[index]);
    return found?.target
      ? `${found.name}${reading(found.value, found.target)}/${wanted(found.target)}`
      : "<unknown type>";
  });
  return specs.length > 2 ? `${shown.join(", ")} + ${specs.length - 2} more...` : shown.join(", ");
}

function wanted({ averageUtilization, averageValue, value }: Target): string {
  if (averageUtilization !== undefined) return `${averageUtilization}%`;
  return averageValue === undefined ? (value ?? "<auto>") : `${averageValue} (avg)`;
}

function reading(now: Value | undefined, target: Target): string {
  if (target.averageUtilization !== undefined) {
    return now?.averageUtilization === undefined ? "<unknown>" : `${now.averageUtilization}%`;
  }
  return (target.averageValue === undefined ? now?.value : now?.averageValue) ?? "<unknown>";
}
