/**
 * Autoscaler proposals: each metric of an autoscaler says how many Pods it wants; the largest number counts.
 *
 * A metric that cannot be read makes no proposal: nothing is scaled down while one is missing, and nothing at all
 * while all are. What a metric asks for: autoscaler-replicas.ts. Where its values come from: autoscaler-metrics.ts.
 */
import type { Client } from "../machinery/client/client.ts";
import type { HorizontalPodAutoscaler, Pod } from "../machinery/objects/kinds.ts";
import { formatQuantity, milliValue } from "../machinery/objects/quantity.ts";
import { everything, fromLabelSelector, SelectorError } from "../machinery/objects/selectors.ts";
import type { LabelSelector } from "../machinery/objects/wire.ts";
import {
  externalMetric,
  type MetricName,
  objectMetric,
  type PodsOf,
  podsMetric,
  resourceMetrics,
} from "./autoscaler-metrics.ts";
import {
  MetricError,
  type PodMetrics,
  type PodsQuestion,
  type Proposal,
  replicasByAverage,
  replicasByShare,
  replicasByUtilization,
  replicasByValue,
  requestsOf,
  type Timing,
  type Tolerances,
} from "./autoscaler-replicas.ts";

type Spec = NonNullable<HorizontalPodAutoscaler["spec"]>;
export type MetricSpec = NonNullable<Spec["metrics"]>[number];
export type MetricStatus = NonNullable<NonNullable<HorizontalPodAutoscaler["status"]>["currentMetrics"]>[number];
type Target = NonNullable<MetricSpec["resource"]>["target"];
type Identifier = NonNullable<MetricSpec["pods"]>["metric"];

export interface Question {
  readonly client: Client;
  readonly namespace: string;
  /** Of the Pods, as the scale says it. */
  readonly selector: string;
  readonly pods: readonly Pod[];
  readonly specReplicas: number;
  readonly statusReplicas: number;
  readonly tolerances: Tolerances;
  readonly timing: Timing;
  /** "ingresses.networking.k8s.io" of an object's apiVersion and kind. */
  readonly resourceOf: (apiVersion: string, kind: string) => Promise<string>;
}

export interface MetricProposal {
  readonly replicas: number;
  /** What a rescale gives as its reason: "cpu resource utilization (percentage of request)". */
  readonly name: string;
  readonly status: MetricStatus;
}

export interface MetricFailure {
  readonly reason: string;
  /** As the condition and the Event tell it. */
  readonly message: string;
  /** As the whole evaluation tells it. */
  readonly whole: string;
}

export type MetricOutcome = MetricProposal | MetricFailure;

interface Kind {
  readonly reason: string;
  readonly propose: (spec: MetricSpec, question: Question) => Promise<MetricProposal>;
  readonly whole: (spec: MetricSpec) => string;
}

const kinds: Readonly<Record<string, Kind>> = {
  Resource: {
    reason: "FailedGetResourceMetric",
    whole: ({ resource }) => `failed to get ${resource?.name} resource metric value`,
    async propose({ resource }, question) {
      const { name, target } = resource!;
      const { value, ...proposal } = await byResource(question, name, target, "");
      return { ...proposal, status: { type: "Resource", resource: { name, current: value } } };
    },
  },
  ContainerResource: {
    reason: "FailedGetContainerResourceMetric",
    whole: ({ containerResource }) => `failed to get ${containerResource?.container} container metric value`,
    async propose({ containerResource }, question) {
      const { name, container, target } = containerResource!;
      const { value, ...proposal } = await byResource(question, name, target, container);
      return {
        ...proposal,
        status: { type: "ContainerResource", containerResource: { name, container, current: value } },
      };
    },
  },
  Pods: {
    reason: "FailedGetPodsMetric",
    whole: () => "failed to get pods metric value",
    async propose({ pods }, question) {
      const { metric, target } = pods!;
      const values = await named(`unable to get metric ${metric.name}`, () =>
        podsMetric(question.client, question, identified(metric)),
      );
      const { replicas, usage } = replicasByAverage(ofPods(question, values, false), milliValue(target.averageValue));
      return {
        replicas,
        name: `pods metric ${metric.name}`,
        status: { type: "Pods", pods: { metric: told(metric), current: { averageValue: decimal(usage) } } },
      };
    },
  },
  Object: {
    reason: "FailedGetObjectMetric",
    whole: () => "failed to get object metric value",
    propose: proposeByObject,
  },
  External: {
    reason: "FailedGetExternalMetric",
    whole: ({ external }) => `failed to get ${external?.metric.name} external metric value`,
    propose: proposeByExternal,
  },
};

/** Never rejects because of a metric. */
export async function propose(spec: MetricSpec, question: Question): Promise<MetricOutcome> {
  const kind = kinds[spec.type];
  if (!kind) {
    const message = `unknown metric source type ${JSON.stringify(spec.type)}`;
    return { reason: "InvalidMetricSourceType", message, whole: message };
  }
  try {
    return await kind.propose(spec, question);
  } catch (error) {
    if (!(error instanceof MetricError || error instanceof SelectorError)) throw error;
    return { reason: kind.reason, message: error.message, whole: `${kind.whole(spec)}: ${error.message}` };
  }
}

async function byResource(
  question: Question,
  name: string,
  { averageValue, averageUtilization }: Target,
  container: string,
) {
  const failed = averageValue ? `failed to get ${name} usage` : `failed to get ${name} utilization`;
  const memory = name === "memory";
  return named(failed, async () => {
    if (!averageValue && averageUtilization === undefined)
      throw new MetricError(
        "invalid resource metric source: neither an average utilization target nor an average value (usage) target was set",
      );
    const values = await named(`unable to get metrics for resource ${name}`, () =>
      resourceMetrics(question.client, question satisfies PodsOf, name, container),
    );
    const pods = ofPods(question, values, name === "cpu");
    const proposal: Proposal = averageValue
      ? replicasByAverage(pods, milliValue(averageValue))
      : replicasByUtilization(pods, () => requestsOf(question.pods, name, container), averageUtilization ?? 0);
    const { replicas, usage, utilization } = proposal;
    const of = container === "" ? "resource" : "container resource";
    return {
      replicas,
      name: averageValue ? `${name} resource` : `${name} ${of} utilization (percentage of request)`,
      value: {
        ...(utilization !== undefined && { averageUtilization: utilization }),
        averageValue: memory ? binary(usage) : decimal(usage),
      },
    };
  });
}

async function proposeByObject({ object }: MetricSpec, question: Question): Promise<MetricProposal> {
  const { describedObject, metric, target } = object!;
  const { namespace, client, tolerances } = question;
  const { apiVersion = "", kind, name } = describedObject;
  const used = () =>
    named(
      `unable to get metric ${metric.name}: ${kind} on ${namespace} ${name}/`,
      async () => {
        const resource = await question.resourceOf(apiVersion, kind);
        return objectMetric(client, namespace, { kind, name, resource }, identified(metric));
      },
      "",
    );
  const status = (current: { value?: string; averageValue?: string }): MetricStatus => ({
    type: "Object",
    object: { describedObject, metric: told(metric), current },
  });
  if (target.type === "Value" && target.value) {
    const usage = await used();
    const replicas = replicasByValue(total(question), usage, milliValue(target.value));
    return { replicas, name: `${kind} metric ${metric.name}`, status: status({ value: decimal(usage) }) };
  }
  if (target.type === "AverageValue" && target.averageValue) {
    const wanted = milliValue(target.averageValue);
    const { replicas, usage } = await named(`failed to get ${metric.name} object metric`, async () =>
      replicasByShare(question.statusReplicas, tolerances, await used(), wanted),
    );
    const reason = `external metric ${metric.name}(${goSelector(metric.selector)})`;
    return { replicas, name: reason, status: status({ averageValue: decimal(usage) }) };
  }
  throw new MetricError("invalid object metric source: neither a value target nor an average value target was set");
}

async function proposeByExternal({ external }: MetricSpec, question: Question): Promise<MetricProposal> {
  const { metric, target } = external!;
  const { namespace, client, tolerances } = question;
  const selector = goSelector(metric.selector);
  const used = () =>
    named(`unable to get external metric ${namespace}/${metric.name}/${selector}`, () =>
      externalMetric(client, namespace, identified(metric)),
    );
  const name = `external metric ${metric.name}(${selector})`;
  const status = (current: { value?: string; averageValue?: string }): MetricStatus => ({
    type: "External",
    external: { metric: told(metric), current },
  });
  if (target.averageValue) {
    const wanted = milliValue(target.averageValue);
    const { replicas, usage } = await named(`failed to get ${metric.name} external metric`, async () =>
      replicasByShare(question.statusReplicas, tolerances, await used(), wanted),
    );
    return { replicas, name, status: status({ averageValue: decimal(usage) }) };
  }
  if (target.value) {
    const wanted = milliValue(target.value);
    const usage = await named(`failed to get external metric ${metric.name}`, used);
    return {
      replicas: replicasByValue(total(question), usage, wanted),
      name,
      status: status({ value: decimal(usage) }),
    };
  }
  throw new MetricError("invalid external metric source: neither a value target nor an average value target was set");
}

/** Says what failed before why it did. */
async function named<T>(failed: string, work: () => Promise<T>, between = ": "): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof MetricError)) throw error;
    throw new MetricError(`${failed}${between}${error.message}`);
  }
}

function ofPods({ pods, specReplicas, tolerances, timing }: Question, metrics: PodMetrics, cpu: boolean): PodsQuestion {
  return { metrics, pods, current: specReplicas, tolerances, timing, cpu };
}

const total = ({ specReplicas, tolerances, pods }: Question) => ({ current: specReplicas, tolerances, pods });

/** Without a selector every value of the metric counts. */
const identified = ({ name, selector }: Identifier): MetricName => ({
  name,
  selector: selector ? fromLabelSelector(selector) : everything,
});

const told = ({ name, selector }: Identifier): Identifier => ({ name, ...(selector && { selector }) });

const quantity = (format: "DecimalSI" | "BinarySI") => (milli: number) =>
  formatQuantity({ nanos: BigInt(Math.round(milli)) * 1_000_000n, format });
const decimal = quantity("DecimalSI");
const binary = quantity("BinarySI");

/** As Go writes a LabelSelector. */
function goSelector(selector: LabelSelector | undefined): string {
  if (!selector) return "nil";
  const labels = Object.entries(selector.matchLabels ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  const expressions = (selector.matchExpressions ?? []).map(
    ({ key, operator, values = [] }) =>
      `LabelSelectorRequirement{Key:${key},Operator:${operator},Values:[${values.join(" ")}],},`,
  );
  const map = labels.map(([name, value]) => `${name}: ${value},`).join("");
  return `&LabelSelector{MatchLabels:map[string]string{${map}},MatchExpressions:[]LabelSelectorRequirement{${expressions.join("")}},}`;
}
