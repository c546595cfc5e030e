/** describe of autoscalers: each metric beside its target, how fast they may act, and what keeps them from it. */
import type { HorizontalPodAutoscaler } from "../../machinery/objects/kinds.ts";
import type { Describer } from "./describer.ts";
import type { Document } from "./document.ts";
import { writeEvents } from "./events.ts";
import { longTime, writeAnnotations, writeLabels, writeMeta } from "./fields.ts";

type Spec = NonNullable<HorizontalPodAutoscaler["spec"]>;
type Metric = NonNullable<Spec["metrics"]>[number];
type Current = NonNullable<NonNullable<HorizontalPodAutoscaler["status"]>["currentMetrics"]>[number];
type Target = NonNullable<Metric["resource"]>["target"];
type Value = NonNullable<Current["resource"]>["current"];
type Rules = NonNullable<NonNullable<Spec["behavior"]>["scaleUp"]>;

const UNKNOWN = "<unknown>";

export const describeAutoscaler: Describer = async (object, document, context) => {
  const { metadata, spec, status } = object as unknown as HorizontalPodAutoscaler;
  writeMeta(document, object);
  writeLabels(document, "Labels", metadata.labels);
  writeAnnotations(document, "Annotations", metadata.annotations);
  document.write(0, `CreationTimestamp:\t${longTime(metadata.creationTimestamp)}\n`);
  const { scaleTargetRef: target, minReplicas = "<unset>", maxReplicas, metrics = [], behavior } = spec as Spec;
  document.write(0, `Reference:\t${target.kind}/${target.name}\n`);
  document.write(0, "Metrics:\t( current / target )\n");
  for (const [index, metric] of metrics.entries()) {
    const line = lines[metric.type]?.(metric, status?.currentMetrics?.[index]);
    if (line) document.write(1, `${line}\n`);
  }
  document.write(0, `Min replicas:\t${minReplicas}\n`);
  document.write(0, `Max replicas:\t${maxReplicas}\n`);
  if (behavior) {
    document.write(0, "Behavior:\n");
    writeRules(document, "Scale Up", behavior.scaleUp);
    writeRules(document, "Scale Down", behavior.scaleDown);
  }
  const { currentReplicas = 0, desiredReplicas = 0, conditions = [] } = status ?? {};
  document.write(0, `${target.kind} pods:\t${currentReplicas} current / ${desiredReplicas} desired\n`);
  if (conditions.length > 0) {
    document.write(0, "Conditions:\n");
    document.write(1, "Type\tStatus\tReason\tMessage\n");
    document.write(1, "----\t------\t------\t-------\n");
    for (const { type, status: holds, reason = "", message = "" } of conditions)
      document.write(1, `${type}\t${holds}\t${reason}\t${message}\n`);
  }
  await writeEvents(object, document, context);
};

type Line = (metric: Metric, current: Current | undefined) => string;

/** By the metric's type: name and value, and what is wanted of it. */
const lines: Readonly<Record<string, Line>> = {
  Resource: ({ resource }, current) =>
    ofResource(`resource ${resource?.name} on pods`, resource?.target, current?.resource?.current),
  ContainerResource: ({ containerResource: of }, current) =>
    ofResource(
      `resource ${of?.name} of container "${of?.container}" on pods`,
      of?.target,
      current?.containerResource?.current,
    ),
  Pods: ({ pods }, current) =>
    `${JSON.stringify(pods?.metric.name)} on pods:\t${current?.pods?.current.averageValue ?? UNKNOWN} / ${pods?.target.averageValue}`,
  Object: ({ object }, current) => {
    const { kind, name } = object?.describedObject ?? {};
    const average = object?.target.type === "AverageValue";
    return ofValue(`"${object?.metric.name}" on ${kind}/${name} `, average, object?.target, current?.object?.current);
  },
  External: ({ external }, current) => {
    const average = external?.target.averageValue !== undefined;
    const name = `${JSON.stringify(external?.metric.name)} `;
    return ofValue(name, average, external?.target, current?.external?.current);
  },
};

function ofResource(name: string, target: Target | undefined, current: Value | undefined): string {
  if (target?.averageValue) return `${name}:\t${current?.averageValue ?? UNKNOWN} / ${target.averageValue}`;
  const { averageUtilization: percent, averageValue } = current ?? {};
  const now = percent === undefined ? UNKNOWN : `${percent}% (${averageValue})`;
  const wanted = target?.averageUtilization === undefined ? "<auto>" : `${target.averageUtilization}%`;
  return `${name}  (as a percentage of request):\t${now} / ${wanted}`;
}

function ofValue(name: string, average: boolean, target: Target | undefined, current: Value | undefined): string {
  return average
    ? `${name}(target average value):\t${current?.averageValue ?? UNKNOWN} / ${target?.averageValue}`
    : `${name}(target value):\t${current?.value ?? UNKNOWN} / ${target?.value}`;
}

function writeRules(document: Document, direction: string, rules: Rules | undefined): void {
  if (!rules) return;
  const { stabilizationWindowSeconds: window, selectPolicy = "Max", policies = [] } = rules;
  document.write(1, `${direction}:\n`);
  if (window !== undefined) document.write(2, `Stabilization Window: ${window} seconds\n`);
  if (policies.length === 0) return;
  document.write(2, `Select Policy: ${selectPolicy}\n`);
  document.write(2, "Policies:\n");
  for (const { type, value, periodSeconds } of policies)
    document.write(3, `- Type: ${type}\tValue: ${value}\tPeriod: ${periodSeconds} seconds\n`);
}
