/**
 * Cadvisor metrics: the figures as the text of /metrics/cadvisor, under the names that dashboards and alerts ask for.
 *
 * A row of a container carries its name and image; one of a Pod as a whole an empty container; the node's has the id "/".
 * What the runtime does not count (throttling, block devices, sockets) has no row.
 * https://github.com/google/cadvisor/blob/master/docs/storage/prometheus.md
 */
import type { Pod } from "../../machinery/objects/kinds.ts";
import { milliValue, unitValue } from "../../machinery/objects/quantity.ts";
import { cpuQuota, cpuShares } from "../pods/resources.ts";
import type { ContainerFigures, Figures, PodFigures, Usage } from "./figures.ts";
import { type Family, type Labels, linesOf, type Sample } from "./metrics-text.ts";

export interface CadvisorFigures extends Figures {
  /** The Pods of the figures, by uid. */
  readonly specs: ReadonlyMap<string, Pod>;
  readonly machine: { readonly cpus: number; readonly memoryBytes: number };
  readonly now: number;
}

type Cadvisor = Family<CadvisorFigures>;
type Value<T> = (of: T) => number | undefined;
type Spec = NonNullable<Pod["spec"]>["containers"][number];

const CPU_PERIOD = 100_000;

const row = (labels: Labels, value: number | undefined, at?: number): readonly Sample[] =>
  value === undefined ? [] : [{ labels, value, ...(at === undefined ? {} : { at }) }];

const node: Labels = { container: "", id: "/", image: "", name: "", namespace: "", pod: "" };

const labelsOf = ({ namespace, name: pod, uid }: PodFigures, container?: ContainerFigures, image = ""): Labels => ({
  container: container?.name ?? "",
  id: container ? `/pod${uid}/${container.id}` : `/pod${uid}`,
  image,
  name: container?.id ?? "",
  namespace,
  pod,
});

const containerOf = (pod: Pod | undefined, name: string): Spec | undefined =>
  [...(pod?.spec?.containers ?? []), ...(pod?.spec?.initContainers ?? [])].find((one) => one.name === name);

/** Of the node, of each Pod and of each container. */
const usages =
  (value: Value<Usage>, more: Labels = {}): Cadvisor["samples"] =>
  ({ node: own, pods, specs }) => [
    ...row({ ...node, ...more }, value(own), own.at),
    ...pods.flatMap((pod) => [
      ...row({ ...labelsOf(pod), ...more }, value(pod.usage), pod.usage.at),
      ...pod.containers.flatMap((one) => {
        const image = containerOf(specs.get(pod.uid), one.name)?.image;
        return row({ ...labelsOf(pod, one, image), ...more }, value(one.usage), one.usage.at);
      }),
    ]),
  ];

const containers =
  (
    value: (figures: ContainerFigures, spec: Spec | undefined, now: number) => number | undefined,
    more: Labels = {},
  ): Cadvisor["samples"] =>
  ({ pods, specs, now }) =>
    pods.flatMap((pod) =>
      pod.containers.flatMap((one) => {
        const spec = containerOf(specs.get(pod.uid), one.name);
        return row({ ...labelsOf(pod, one, spec?.image), ...more }, value(one, spec, now));
      }),
    );

type Interface = NonNullable<PodFigures["network"]>["interfaces"][number];

const interfaces =
  (value: Value<Interface>): Cadvisor["samples"] =>
  ({ pods }) =>
    pods.flatMap((pod) => {
      const { defaultInterface, interfaces: others = [] } = pod.network ?? {};
      const all = [...(defaultInterface ? [defaultInterface] : []), ...others];
      return all.flatMap((one) => row({ ...labelsOf(pod), interface: one.name }, value(one), pod.usage.at));
    });

const counter = (name: string, help: string, samples: Cadvisor["samples"]): Cadvisor => ({
  ...{ name, help, samples },
  type: "counter",
});
const gauge = (name: string, help: string, samples: Cadvisor["samples"]): Cadvisor => ({
  ...{ name, help, samples },
  type: "gauge",
});

const limit = (spec: Spec | undefined, name: string): string | number | undefined => spec?.resources?.limits?.[name];

const families: readonly Cadvisor[] = [
  counter(
    "container_cpu_usage_seconds_total",
    "Cumulative cpu time consumed in seconds.",
    usages(({ cpuNanoSeconds }) => cpuNanoSeconds / 1e9, { cpu: "total" }),
  ),
  gauge(
    "container_fs_usage_bytes",
    "Number of bytes that are consumed by the container on this filesystem.",
    containers(({ layer }) => layer?.usedBytes, { device: "" }),
  ),
  gauge(
    "container_last_seen",
    "Last time a container was seen by the exporter",
    containers((_figures, _spec, now) => Math.floor(now / 1000)),
  ),
  counter("container_memory_failures_total", "Cumulative count of memory allocation failures.", (figures) => [
    ...usages(({ pageFaults }) => pageFaults, { failure_type: "pgfault", scope: "container" })(figures),
    ...usages(({ majorPageFaults }) => majorPageFaults, { failure_type: "pgmajfault", scope: "container" })(figures),
  ]),
  gauge(
    "container_memory_rss",
    "Size of RSS in bytes.",
    usages(({ rssBytes }) => rssBytes),
  ),
  gauge(
    "container_memory_usage_bytes",
    "Current memory usage in bytes, including all memory regardless of when it was accessed",
    usages(({ usageBytes }) => usageBytes),
  ),
  gauge(
    "container_memory_working_set_bytes",
    "Current working set in bytes.",
    usages(({ workingSetBytes }) => workingSetBytes),
  ),
  counter(
    "container_network_receive_bytes_total",
    "Cumulative count of bytes received",
    interfaces(({ rxBytes }) => rxBytes?.value),
  ),
  counter(
    "container_network_receive_errors_total",
    "Cumulative count of errors encountered while receiving",
    interfaces(({ rxErrors }) => rxErrors?.value),
  ),
  counter(
    "container_network_transmit_bytes_total",
    "Cumulative count of bytes transmitted",
    interfaces(({ txBytes }) => txBytes?.value),
  ),
  counter(
    "container_network_transmit_errors_total",
    "Cumulative count of errors encountered while transmitting",
    interfaces(({ txErrors }) => txErrors?.value),
  ),
  gauge("container_processes", "Number of processes running inside the container.", ({ pods }) =>
    pods.flatMap((pod) => row(labelsOf(pod), pod.processes, pod.usage.at)),
  ),
  gauge(
    "container_spec_cpu_period",
    "CPU period of the container.",
    containers((_figures, spec) => (limit(spec, "cpu") === undefined ? undefined : CPU_PERIOD)),
  ),
  gauge(
    "container_spec_cpu_quota",
    "CPU quota of the container.",
    containers((_figures, spec) => {
      const most = limit(spec, "cpu");
      return most === undefined ? undefined : cpuQuota(milliValue(most));
    }),
  ),
  gauge(
    "container_spec_cpu_shares",
    "CPU share of the container.",
    containers((_figures, spec) => cpuShares(milliValue(spec?.resources?.requests?.["cpu"] ?? limit(spec, "cpu")))),
  ),
  gauge(
    "container_spec_memory_limit_bytes",
    "Memory limit for the container.",
    containers((_figures, spec) => unitValue(limit(spec, "memory"))),
  ),
  gauge(
    "container_start_time_seconds",
    "Start time of the container since unix epoch in seconds.",
    containers(({ startedAt }) => startedAt / 1000),
  ),
  gauge("machine_cpu_cores", "Number of logical CPU cores.", ({ machine }) => row({}, machine.cpus)),
  gauge("machine_memory_bytes", "Amount of memory installed on the machine.", ({ machine }) =>
    row({}, machine.memoryBytes),
  ),
];

/** Without figures only that reading them failed. */
export function cadvisorMetrics(figures: CadvisorFigures | undefined): string {
  const lines = figures ? families.flatMap((family) => linesOf(family, family.samples(figures))) : [];
  const failed = {
    name: "container_scrape_error",
    type: "gauge",
    help: "1 if there was an error while getting container metrics, 0 otherwise",
  } as const;
  return [...lines, ...linesOf(failed, [{ labels: {}, value: figures ? 0 : 1 }]), ""].join("\n");
}
