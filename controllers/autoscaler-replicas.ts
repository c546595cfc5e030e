/**
 * Autoscaler replicas: how many Pods a measured metric asks for. Pure.
 *
 * A Pod without figures counts in the direction that changes less: as idle when there should be more Pods, as
 * fully used when there should be fewer; one that is not ready counts only when there should be more. Values are
 * thousandths, and averages are cut off like Kubernetes' whole numbers: the size of a Deployment depends on it.
 * https://kubernetes.io/docs/concepts/workloads/autoscaling/horizontal-pod-autoscale/#algorithm-details
 */
import { findCondition } from "../machinery/objects/conditions.ts";
import type { Pod } from "../machinery/objects/kinds.ts";
import { podAmounts } from "../machinery/objects/pod-resources.ts";
import { milliValue } from "../machinery/objects/quantity.ts";
import { isReady } from "./pod-state.ts";

/** Why a metric says nothing. */
export class MetricError extends Error {
  override readonly name = "MetricError";
}

export interface PodMetric {
  readonly at: number;
  readonly windowMs: number;
  /** In thousandths. */
  readonly value: number;
}

/** By the Pod's name. */
export type PodMetrics = ReadonlyMap<string, PodMetric>;

/** How far from what is wanted is near enough: 0.1 is a tenth. */
export interface Tolerances {
  readonly up: number;
  readonly down: number;
}

export interface Timing {
  readonly now: number;
  /** How long after its start a Pod's CPU tells of starting. */
  readonly cpuInitializationMs: number;
  /** A Pod that is not ready this soon after its start has never been. */
  readonly initialReadinessMs: number;
}

interface Measured {
  readonly ratio: number;
  /** The average of a Pod, in thousandths. */
  readonly usage: number;
  /** Percent of what is requested. */
  readonly utilization?: number;
}

export interface Proposal extends Omit<Measured, "ratio"> {
  readonly replicas: number;
}

export interface PodsQuestion {
  readonly metrics: PodMetrics;
  readonly pods: readonly Pod[];
  readonly current: number;
  readonly tolerances: Tolerances;
  readonly timing: Timing;
  /** Of CPU it is known that starting costs much of it. */
  readonly cpu: boolean;
}

const MOST = 2 ** 31 - 1;
const whole = (replicas: number): number => Math.min(Math.ceil(replicas), MOST);
const within = ({ up, down }: Tolerances, ratio: number): boolean => 1 - down <= ratio && ratio <= 1 + up;

/** By what the Pods use of what they request. */
export function replicasByUtilization(
  question: PodsQuestion,
  requests: () => ReadonlyMap<string, number>,
  percent: number,
): Proposal {
  let requested: ReadonlyMap<string, number> | undefined;
  const of = () => {
    requested ??= requests();
    return requested;
  };
  const full = Math.max(100, percent);
  return replicasOfPods(
    question,
    (values) => utilization(values, of(), percent),
    (pod) => Math.trunc(((of().get(pod) ?? 0) * full) / 100),
  );
}

/** By what they use, whatever they request: an average, in thousandths. */
export function replicasByAverage(question: PodsQuestion, wanted: number): Proposal {
  return replicasOfPods(
    question,
    (values) => average(values, wanted),
    () => wanted,
  );
}

function replicasOfPods(
  { metrics, pods, current, tolerances, timing, cpu }: PodsQuestion,
  measure: (values: ReadonlyMap<string, number>) => Measured,
  whenFull: (pod: string) => number,
): Proposal {
  if (pods.length === 0) throw new MetricError("no pods returned by selector while calculating replica count");
  const { ready, unready, missing, ignored } = grouped(pods, metrics, cpu, timing);
  const values = new Map<string, number>();
  for (const [name, { value }] of metrics) if (!ignored.has(name) && !unready.has(name)) values.set(name, value);
  if (values.size === 0) throw new MetricError("did not receive metrics for targeted pods (pods might be unready)");

  const { ratio, ...told } = measure(values);
  const stay = { ...told, replicas: current };
  const growing = unready.size > 0 && ratio > 1;
  if (!growing && missing.size === 0)
    return within(tolerances, ratio) ? stay : { ...told, replicas: whole(ratio * ready) };

  for (const name of missing) {
    if (ratio < 1) values.set(name, whenFull(name));
    else if (ratio > 1) values.set(name, 0);
  }
  if (growing) for (const name of unready) values.set(name, 0);

  const again = measure(values).ratio;
  if (within(tolerances, again) || (ratio < 1 && again > 1) || (ratio > 1 && again < 1)) return stay;
  const replicas = whole(again * values.size);
  const turned = (again < 1 && replicas > current) || (again > 1 && replicas < current);
  return turned ? stay : { ...told, replicas };
}

function utilization(
  values: ReadonlyMap<string, number>,
  requests: ReadonlyMap<string, number>,
  percent: number,
): Measured {
  let [used, requested, count] = [0, 0, 0];
  for (const [name, value] of values) {
    const request = requests.get(name);
    if (request === undefined) continue;
    used += value;
    requested += request;
    count++;
  }
  if (requested === 0) throw new MetricError("no metrics returned matched known pods");
  const now = Math.trunc((used * 100) / requested);
  return { ratio: now / percent, utilization: now, usage: Math.trunc(used / count) };
}

function average(values: ReadonlyMap<string, number>, wanted: number): Measured {
  let sum = 0;
  for (const value of values.values()) sum += value;
  const usage = Math.trunc(sum / values.size);
  return { ratio: usage / wanted, usage };
}

interface Groups {
  readonly ready: number;
  readonly unready: ReadonlySet<string>;
  readonly missing: ReadonlySet<string>;
  readonly ignored: ReadonlySet<string>;
}

function grouped(pods: readonly Pod[], metrics: PodMetrics, cpu: boolean, timing: Timing): Groups {
  const [unready, missing, ignored] = [new Set<string>(), new Set<string>(), new Set<string>()];
  let ready = 0;
  for (const pod of pods) {
    const { name, deletionTimestamp } = pod.metadata;
    const metric = metrics.get(name);
    if (deletionTimestamp || pod.status?.phase === "Failed") ignored.add(name);
    else if (pod.status?.phase === "Pending") unready.add(name);
    else if (!metric) missing.add(name);
    else if (cpu && isStarting(pod, metric, timing)) unready.add(name);
    else ready++;
  }
  return { ready, unready, missing, ignored };
}

/** Its CPU figures are of its start, or it has never been ready. */
function isStarting({ status }: Pod, metric: PodMetric, { now, cpuInitializationMs, initialReadinessMs }: Timing) {
  const condition = findCondition(status?.conditions, "Ready");
  const started = Date.parse(status?.startTime ?? "");
  if (!condition || Number.isNaN(started)) return true;
  const changed = Date.parse(condition.lastTransitionTime ?? "") || 0;
  const unready = condition.status === "False";
  return started + cpuInitializationMs > now
    ? unready || metric.at < changed + metric.windowMs
    : unready && started + initialReadinessMs > changed;
}

export interface TotalQuestion {
  readonly current: number;
  readonly tolerances: Tolerances;
  readonly pods: readonly Pod[];
}

/** By a value of something else than Pods: `used` against `wanted`, both in thousandths. */
export function replicasByValue({ current, tolerances, pods }: TotalQuestion, used: number, wanted: number): number {
  const ratio = used / wanted;
  if (current === 0) return whole(ratio);
  if (within(tolerances, ratio)) return current;
  if (pods.length === 0)
    throw new MetricError(
      "unable to calculate ready pods: no pods returned by selector while calculating replica count",
    );
  return whole(ratio * pods.filter((pod) => pod.status?.phase === "Running" && isReady(pod)).length);
}

/** By a value of something else that is shared among the Pods. */
export function replicasByShare(current: number, tolerances: Tolerances, used: number, wanted: number): Proposal {
  const replicas = within(tolerances, used / (wanted * current)) ? current : whole(used / wanted);
  return { replicas, usage: current === 0 ? MOST : Math.ceil(used / current) };
}

/** What each Pod, or one container of each, requests; in thousandths. */
export function requestsOf(pods: readonly Pod[], resource: string, container: string): ReadonlyMap<string, number> {
  return new Map(pods.map((pod) => [pod.metadata.name, requestOf(pod, resource, container)]));
}

function requestOf(pod: Pod, resource: string, only: string): number {
  const { name } = pod.metadata;
  const ofPod = pod.spec?.resources?.requests ?? {};
  if (only === "" && pod.spec && Object.keys(ofPod).length > 0) {
    const amount = podAmounts(pod.spec, "requests")[resource];
    if (!amount) throw new MetricError(`missing pod-level request for ${resource} in Pod ${name}`);
    return Number(amount.nanos / 1_000_000n);
  }
  const sidecars = (pod.spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === "Always");
  const all = [...(pod.spec?.containers ?? []), ...sidecars];
  const counted = only === "" ? all : all.filter((one) => one.name === only);
  if (counted.length === 0 && only !== "") throw new MetricError(`container ${only} not found in Pod ${name}`);
  return counted.reduce((sum, { name: of, resources }) => {
    const request = resources?.requests?.[resource];
    if (request === undefined)
      throw new MetricError(`missing request for ${resource} in container ${of} of Pod ${name}`);
    return sum + milliValue(request);
  }, 0);
}
