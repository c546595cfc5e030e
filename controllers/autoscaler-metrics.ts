/**
 * Autoscaler metrics: reads what autoscalers go by, from the three APIs of metrics.
 *
 * metrics.k8s.io is the server's own. The other two are served by whoever has such metrics; where nobody does, the
 * error says so in Kubernetes' words. Nothing is kept: every evaluation asks anew.
 */
import type { Client } from "../machinery/client/client.ts";
import { milliValue } from "../machinery/objects/quantity.ts";
import { formatSelector, type Selector } from "../machinery/objects/selectors.ts";
import { ApiError, isNotFound } from "../machinery/objects/status.ts";
import { MetricError, type PodMetric, type PodMetrics } from "./autoscaler-replicas.ts";

interface PodMetricsList {
  readonly items?: readonly {
    readonly metadata: { readonly name: string };
    readonly timestamp: string;
    readonly window: string;
    readonly containers?: readonly { readonly name: string; readonly usage: Readonly<Record<string, string>> }[];
  }[];
}

/** custom.metrics.k8s.io and external.metrics.k8s.io. */
interface ValueList {
  readonly items?: readonly {
    readonly describedObject?: { readonly name: string };
    readonly timestamp: string;
    readonly windowSeconds?: number | null;
    /** So called in v1beta1. */
    readonly window?: number | null;
    readonly value: string;
  }[];
}

export interface MetricName {
  readonly name: string;
  readonly selector: Selector;
}

export interface PodsOf {
  readonly namespace: string;
  readonly selector: string;
}

export interface DescribedObject {
  readonly kind: string;
  readonly name: string;
  /** "ingresses.networking.k8s.io" */
  readonly resource: string;
}

const DEFAULT_WINDOW_MS = 60_000;
const CUSTOM = "custom.metrics.k8s.io";
const EXTERNAL = "external.metrics.k8s.io";

/** Of whole Pods, or of the one container of each that is named. A Pod without it is left out. */
export async function resourceMetrics(
  client: Client,
  { namespace, selector }: PodsOf,
  resource: string,
  container: string,
): Promise<PodMetrics> {
  const path = `/apis/metrics.k8s.io/v1beta1/namespaces/${encodeURIComponent(namespace)}/pods`;
  const { items = [] } = await asked<PodMetricsList>(
    client,
    { path, query: { labelSelector: selector }, of: "pods.metrics.k8s.io" },
    "unable to fetch metrics from resource metrics API",
  );
  if (items.length === 0) throw new MetricError("no metrics returned from resource metrics API");
  const found = new Map<string, PodMetric>();
  for (const { metadata, timestamp, window, containers = [] } of items) {
    const counted = container === "" ? containers : containers.filter(({ name }) => name === container);
    const used = counted.map(({ usage }) => usage[resource]);
    if (used.length === 0 || used.includes(undefined)) continue;
    const value = used.reduce((sum, one) => sum + milliValue(one), 0);
    found.set(metadata.name, { at: Date.parse(timestamp), windowMs: durationMs(window), value });
  }
  return found;
}

/** A metric that each Pod has. */
export async function podsMetric(client: Client, { namespace, selector }: PodsOf, metric: MetricName) {
  const path = `/namespaces/${encodeURIComponent(namespace)}/pods/*/${encodeURIComponent(metric.name)}`;
  const { items = [] } = await custom(client, path, metric, { labelSelector: selector }, `pods/${metric.name}`);
  if (items.length === 0) throw new MetricError("no metrics returned from custom metrics API");
  return new Map<string, PodMetric>(
    items.map(({ describedObject, timestamp, windowSeconds, window, value }) => {
      const seconds = windowSeconds ?? window ?? undefined;
      const windowMs = seconds === undefined ? DEFAULT_WINDOW_MS : seconds * 1000;
      return [describedObject?.name ?? "", { at: Date.parse(timestamp), windowMs, value: milliValue(value) }];
    }),
  );
}

/** A metric of one object, in thousandths. */
export async function objectMetric(
  client: Client,
  namespace: string,
  { kind, name, resource }: DescribedObject,
  metric: MetricName,
): Promise<number> {
  const last = encodeURIComponent(metric.name);
  const within = `/namespaces/${encodeURIComponent(namespace)}`;
  const ofNamespace = kind === "Namespace" && resource === "namespaces";
  const path = ofNamespace ? `${within}/metrics/${last}` : `${within}/${resource}/${encodeURIComponent(name)}/${last}`;
  const { items = [] } = await custom(client, path, metric, {}, `${resource}/${metric.name}`);
  const [only] = items;
  if (!only || items.length > 1)
    throw new MetricError(
      `unable to fetch metrics from custom metrics API: the custom metrics API server returned ${items.length} results when we asked for exactly one`,
    );
  return milliValue(only.value);
}

/** The sum of all values of a metric of something outside the cluster, in thousandths. */
export async function externalMetric(client: Client, namespace: string, { name, selector }: MetricName) {
  const path = `/apis/${EXTERNAL}/v1beta1/namespaces/${encodeURIComponent(namespace)}/${encodeURIComponent(name)}`;
  const labels = formatSelector(selector);
  const { items = [] } = await asked<ValueList>(
    client,
    { path, query: labels ? { labelSelector: labels } : {}, of: `${name}.${EXTERNAL}` },
    "unable to fetch metrics from external metrics API",
  );
  if (items.length === 0) throw new MetricError("no metrics returned from external metrics API");
  return items.reduce((sum, { value }) => sum + milliValue(value), 0);
}

const CUSTOM_FAILED = "unable to fetch metrics from custom metrics API";

async function custom(
  client: Client,
  path: string,
  { selector }: MetricName,
  query: Readonly<Record<string, string>>,
  of: string,
): Promise<ValueList> {
  const group = await asked<{ readonly preferredVersion?: { readonly groupVersion: string } }>(
    client,
    { path: `/apis/${CUSTOM}`, query: {}, of },
    CUSTOM_FAILED,
    `no custom metrics API (${CUSTOM}) registered`,
  );
  const labels = formatSelector(selector);
  return asked<ValueList>(
    client,
    {
      path: `/apis/${group.preferredVersion?.groupVersion ?? `${CUSTOM}/v1beta2`}${path}`,
      query: { ...query, ...(labels && { metricLabelSelector: labels }) },
      of: `${of.split("/")[0]}.${CUSTOM}`,
    },
    CUSTOM_FAILED,
  );
}

interface Asked {
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  /** As Kubernetes' clients name what they asked for. */
  readonly of: string;
}

async function asked<T>(client: Client, { path, query, of }: Asked, failed: string, notThere?: string): Promise<T> {
  try {
    return (await client.raw({ method: "GET", path, query })) as T;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (notThere && isNotFound(error)) throw new MetricError(`${failed}: ${notThere}`);
    const general = GENERAL[error.message.trim()];
    const said = general ? `${general} (get ${of})` : error.message;
    throw new MetricError(`${failed}: ${said}`);
  }
}

const UNABLE = "the server is currently unable to handle the request";
const NOT_THERE = "the server could not find the requested resource";

/** What a server says that knows nothing of the resource ► how clients put it, who add which. */
const GENERAL: Readonly<Record<string, string>> = {
  [NOT_THERE]: NOT_THERE,
  [UNABLE]: UNABLE,
  "service unavailable": UNABLE,
};

const UNITS: Readonly<Record<string, number>> = {
  h: 3_600_000,
  m: 60_000,
  s: 1000,
  ms: 1,
  us: 1e-3,
  µs: 1e-3,
  ns: 1e-6,
};

/** "1m0.5s" */
function durationMs(text: string): number {
  let sum = 0;
  for (const [, amount, unit = "s"] of text.matchAll(/([\d.]+)(h|ms|m|us|µs|ns|s)/g))
    sum += Number(amount) * (UNITS[unit] ?? 0);
  return sum;
}
