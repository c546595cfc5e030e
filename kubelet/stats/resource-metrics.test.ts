import { expect, test } from "vitest";
import { resourceMetrics } from "./resource-metrics.ts";

test("the time of a sample is whole milliseconds, as readers of the format expect", () => {
  const usage = { at: 1_795_278_605_961.24, cpuNanoSeconds: 38_000_000, workingSetBytes: 4096 };
  const text = resourceMetrics({ node: usage, pods: [] } as never);
  expect(text).toContain("node_cpu_usage_seconds_total 0.038 1795278605961\n");
  expect(text).toContain("resource_scrape_error 0\n");
});

test("figures that could not be read are an error and nothing else", () => {
  const lines = resourceMetrics(undefined).split("\n");
  expect(lines.filter((line) => line && !line.startsWith("#"))).toEqual(["resource_scrape_error 1"]);
});
