/**
 * HorizontalPodAutoscaler of autoscaling/v1: the older form of what is stored as v2.
 *
 * It knows one target, the use of cpu; whatever else the stored object has travels in annotations, as in
 * Kubernetes, so that an update by a client of the older form loses nothing.
 */
import type { KubeObject, StoredObject } from "../../machinery/objects/wire.ts";
import { autoscalerStrategy } from "./autoscaler.ts";
import { ANNOTATIONS, type Json, type Kept, putKept, takeKept } from "./autoscaler-annotations.ts";
import { autoscalerColumns } from "./columns/autoscaling.ts";
import type { Columns, StoredAs, Strategy } from "./contract.ts";

interface Metric {
  readonly type: string;
  readonly resource?: Json;
}

/** Percent of the cpu that is asked for. */
const DEFAULT_USE = 80;

const isCpu = ({ type, resource }: Metric): boolean =>
  type === "Resource" && resource?.["name"] === "cpu" && Number.isInteger(useOf(resource));

/** `target` of a wanted metric, `current` of a measured one. */
function useOf(source: Json | undefined): unknown {
  const value = (source?.["target"] ?? source?.["current"]) as Json | undefined;
  return value?.["averageUtilization"];
}

export const autoscalersStoredAs: StoredAs = {
  group: "autoscaling",
  version: "v2",
  plural: "horizontalpodautoscalers",

  fromStored(object) {
    const { metrics, behavior, ...spec } = (object["spec"] ?? {}) as Json & { metrics?: readonly Metric[] };
    const { currentMetrics, conditions, ...status } = (object["status"] ?? {}) as Json & {
      currentMetrics?: readonly Metric[];
    };
    const wanted = metrics?.find(isCpu);
    const measured = currentMetrics?.find(isCpu);
    const others = metrics?.filter((one) => one !== wanted);
    const annotations = written(object, { metrics: others, behavior, currentMetrics, conditions });
    return {
      ...object,
      apiVersion: "autoscaling/v1",
      metadata: withAnnotations(object.metadata, annotations),
      spec: { ...spec, ...(wanted && { targetCPUUtilizationPercentage: useOf(wanted["resource"]) }) },
      ...(object["status"] !== undefined && {
        status: { ...status, ...(measured && { currentCPUUtilizationPercentage: useOf(measured["resource"]) }) },
      }),
    } as StoredObject;
  },

  toStored(object) {
    const { targetCPUUtilizationPercentage: wanted, ...spec } = (object["spec"] ?? {}) as Json;
    const { currentCPUUtilizationPercentage: measured, ...status } = (object["status"] ?? {}) as Json;
    const { annotations, kept } = read(object);
    const metrics = [...cpu(wanted, "target", { type: "Utilization" }), ...list(kept.metrics)];
    // What was measured is kept whole, the use of cpu with its value.
    const current = kept.currentMetrics ? list(kept.currentMetrics) : cpu(measured, "current", {});
    return {
      ...object,
      apiVersion: "autoscaling/v2",
      metadata: withAnnotations(object.metadata, annotations),
      ...(object["spec"] !== undefined && {
        spec: {
          ...spec,
          ...(metrics.length > 0 && { metrics }),
          ...(kept.behavior !== undefined && { behavior: kept.behavior }),
        },
      }),
      ...(object["status"] !== undefined && {
        status: {
          ...status,
          ...(current.length > 0 && { currentMetrics: current }),
          ...(list(kept.conditions).length > 0 && { conditions: kept.conditions }),
        },
      }),
    } as KubeObject;
  },
};

function cpu(use: unknown, member: "target" | "current", rest: Json): Metric[] {
  if (typeof use !== "number") return [];
  return [{ type: "Resource", resource: { name: "cpu", [member]: { ...rest, averageUtilization: use } } }];
}

const list = (value: unknown): readonly Json[] => (Array.isArray(value) ? (value as readonly Json[]) : []);

function written(object: KubeObject, kept: Kept): Record<string, string> {
  const annotations: Record<string, string> = { ...object.metadata.annotations };
  putKept(annotations, kept);
  return annotations;
}

function read(object: KubeObject) {
  const annotations: Record<string, string> = { ...object.metadata.annotations };
  return { kept: takeKept(annotations), annotations };
}

function withAnnotations(metadata: KubeObject["metadata"], annotations: Record<string, string>) {
  const { annotations: _annotations, ...rest } = metadata;
  return Object.keys(annotations).length > 0 ? { ...rest, annotations } : rest;
}

type Newer = Parameters<NonNullable<typeof autoscalerStrategy.validate>>[0];

/** Rules have one form: the newer one. */
const newer = (object: KubeObject): Newer => autoscalersStoredAs.toStored(object) as unknown as Newer;

export const olderAutoscalerStrategy: Strategy = {
  defaults(object) {
    const spec = object["spec"] as Record<string, unknown> | undefined;
    if (!spec) return;
    spec["minReplicas"] ??= 1;
    if (!object.metadata.annotations?.[ANNOTATIONS.metrics]) spec["targetCPUUtilizationPercentage"] ??= DEFAULT_USE;
  },
  prepareForCreate(object) {
    object["status"] = { currentReplicas: 0, desiredReplicas: 0 };
  },
  validate: (object, errors) => autoscalerStrategy.validate?.(newer(object), errors),
  validateCreate: (object, errors) => autoscalerStrategy.validateCreate?.(newer(object), errors),
  validateUpdate: (object, old, errors) => autoscalerStrategy.validateUpdate?.(newer(object), newer(old), errors),
  validateStatusUpdate: (object, old, errors) =>
    autoscalerStrategy.validateStatusUpdate?.(newer(object), newer(old), errors),
  allowUnconditionalUpdate: true,
};

export const olderAutoscalerColumns: Columns = {
  columns: autoscalerColumns.columns,
  cells: (object, now) => autoscalerColumns.cells(autoscalersStoredAs.toStored(object) as StoredObject, now),
};
