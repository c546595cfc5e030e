/**
 * Metrics: the few numbers that /metrics shows, in Prometheus' text form.
 *
 * Bounded by the table of resources: verbs, resources and codes only, never names.
 */
import type { WatchCache } from "../cache/contract.ts";
import type { Resources } from "./contract.ts";

export interface Metrics {
  request(verb: string, resource: string, code: number, seconds: number): void;
  /** Watches that are open now go up and down by one. */
  watching(resource: string, change: 1 | -1): void;
  text(resources: Resources, cache: WatchCache): string;
}

interface Series {
  count: number;
  seconds: number;
}

export function createMetrics(): Metrics {
  const requests = new Map<string, Series>();
  const watches = new Map<string, number>();
  return {
    request(verb, resource, code, seconds) {
      const key = `verb="${verb}",resource="${resource}",code="${code}"`;
      const series = requests.get(key) ?? { count: 0, seconds: 0 };
      series.count++;
      series.seconds += seconds;
      requests.set(key, series);
    },

    watching(resource, change) {
      watches.set(resource, (watches.get(resource) ?? 0) + change);
    },

    text(resources, cache) {
      const { heapUsed, rss } = process.memoryUsage();
      const { user, system } = process.cpuUsage();
      const stored = resources.rows
        .filter((row) => !row.virtual)
        .map((row): [string, number] => [labelOf(row), resources.cache(row).size]);
      return [
        ...metric("apiserver_request_total", "counter", "Requests by verb, resource and code.", [
          ...[...requests].map(([labels, { count }]): [string, number] => [labels, count]),
        ]),
        ...metric("apiserver_request_duration_seconds_sum", "counter", "Time spent on requests, watches excluded.", [
          ...[...requests].map(([labels, { seconds }]): [string, number] => [labels, seconds]),
        ]),
        ...metric("apiserver_longrunning_requests", "gauge", "Open watches by resource.", [
          ...[...watches].map(([resource, open]): [string, number] => [`verb="WATCH",resource="${resource}"`, open]),
        ]),
        ...metric("apiserver_resource_objects", "gauge", "Stored objects by resource.", stored),
        ...metric("apiserver_store_revision", "gauge", "resourceVersion that the cache has seen.", [
          ["", Number(cache.resourceVersion())],
        ]),
        ...metric("process_resident_memory_bytes", "gauge", "Resident memory.", [["", rss]]),
        ...metric("nodejs_heap_used_bytes", "gauge", "Used heap.", [["", heapUsed]]),
        ...metric("process_cpu_seconds_total", "counter", "CPU time.", [["", (user + system) / 1e6]]),
        "",
      ].join("\n");
    },
  };
}

const labelOf = ({ group, plural }: { group: string; plural: string }): string =>
  `resource="${group ? `${plural}.${group}` : plural}"`;

function metric(name: string, type: string, help: string, values: readonly (readonly [string, number])[]): string[] {
  const lines = values.map(([labels, value]) => (labels ? `${name}{${labels}} ${value}` : `${name} ${value}`));
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...lines];
}
