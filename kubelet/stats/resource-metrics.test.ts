/** The text of /metrics/resource. */
import { expect, it } from "vitest";
import { resourceMetrics } from "./resource-metrics.ts";

const usage = (at: number, cpuNanoSeconds: number) => ({ at, cpuNanoSeconds, workingSetBytes: 4096 });

it("tells times in whole milliseconds, as the format wants them", () => {
  const containers = [{ name: "main", id: "1", startedAt: 500.25, usage: usage(1000.75, 2_500_000_000) }];
  const pods = [
    { name: "web", namespace: "default", uid: "u", startedAt: 400, usage: usage(1000.75, 1), containers, volumes: [] },
  ];
  const lines = resourceMetrics({ node: usage(2000.5, 1e9), pods }).split("\n");
  expect(lines).toContain('container_cpu_usage_seconds_total{container="main",namespace="default",pod="web"} 2.5 1001');
  expect(lines).toContain('container_start_time_seconds{container="main",namespace="default",pod="web"} 0.50025');
  expect(lines).toContain("node_cpu_usage_seconds_total 1 2001");
  expect(lines).toContain("resource_scrape_error 0");
});

it("says that nothing could be read", () => {
  expect(resourceMetrics(undefined)).toMatch(
    /^# HELP [^\n]*\n# TYPE resource_scrape_error gauge\nresource_scrape_error 1\n$/,
  );
});
