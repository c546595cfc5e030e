/**
 * Resource metrics: the figures as the text of /metrics/resource, under Kubernetes' names.
 *
 * This is what metrics.k8s.io is made of, so it costs no more than reading the figures: no disks, no rates.
 * https://kubernetes.io/docs/reference/instrumentation/node-metrics/
 */
import type { Figures, Usage } from "./figures.ts";
import { type Family, linesOf } from "./metrics-text.ts";

type Resources = Family<Figures>;

const seconds = ({ cpuNanoSeconds }: Usage): number => cpuNanoSeconds / 1e9;
const bytes = ({ workingSetBytes }: Usage): number => workingSetBytes;

const ofNode =
  (value: (usage: Usage) => number): Resources["samples"] =>
  ({ node }) => [{ labels: {}, value: value(node), at: node.at }];

const ofPods =
  (value: (usage: Usage) => number): Resources["samples"] =>
  ({ pods }) =>
    pods.map(({ name, namespace, usage }) => ({ labels: { namespace, pod: name }, value: value(usage), at: usage.at }));

const ofContainers =
  (value: (usage: Usage) => number): Resources["samples"] =>
  ({ pods }) =>
    pods.flatMap(({ name: pod, namespace, containers }) =>
      containers.map(({ name, usage }) => ({
        labels: { container: name, namespace, pod },
        value: value(usage),
        at: usage.at,
      })),
    );

const families: readonly Resources[] = [
  {
    name: "container_cpu_usage_seconds_total",
    type: "counter",
    help: "[STABLE] Cumulative cpu time consumed by the container in core-seconds",
    samples: ofContainers(seconds),
  },
  {
    name: "container_memory_working_set_bytes",
    type: "gauge",
    help: "[STABLE] Current working set of the container in bytes",
    samples: ofContainers(bytes),
  },
  {
    name: "container_start_time_seconds",
    type: "gauge",
    help: "[STABLE] Start time of the container since unix epoch in seconds",
    samples: ({ pods }) =>
      pods.flatMap(({ name: pod, namespace, containers }) =>
        containers.map(({ name, startedAt }) => ({
          labels: { container: name, namespace, pod },
          value: startedAt / 1000,
        })),
      ),
  },
  {
    name: "node_cpu_usage_seconds_total",
    type: "counter",
    help: "[STABLE] Cumulative cpu time consumed by the node in core-seconds",
    samples: ofNode(seconds),
  },
  {
    name: "node_memory_working_set_bytes",
    type: "gauge",
    help: "[STABLE] Current working set of the node in bytes",
    samples: ofNode(bytes),
  },
  {
    name: "pod_cpu_usage_seconds_total",
    type: "counter",
    help: "[STABLE] Cumulative cpu time consumed by the pod in core-seconds",
    samples: ofPods(seconds),
  },
  {
    name: "pod_memory_working_set_bytes",
    type: "gauge",
    help: "[STABLE] Current working set of the pod in bytes",
    samples: ofPods(bytes),
  },
];

/** Without figures only that reading them failed. */
export function resourceMetrics(figures: Figures | undefined): string {
  const lines = figures ? families.flatMap((family) => linesOf(family, family.samples(figures))) : [];
  const scraped = {
    name: "resource_scrape_error",
    type: "gauge",
    help: "[STABLE] 1 if there was an error while getting container metrics, 0 otherwise",
  } as const;
  return [...lines, ...linesOf(scraped, [{ labels: {}, value: figures ? 0 : 1 }]), ""].join("\n");
}
