import { expect, test } from "vitest";
import { systemClock } from "./clock.ts";
import { createMetrics } from "./metrics.ts";
import { addProcessMetrics } from "./process-metrics.ts";

test("counters, gauges and histograms are written in Prometheus' text form", async () => {
  const metrics = createMetrics();
  const requests = metrics.counter("requests_total", "Requests.", ["verb", "code"]);
  requests.of("GET", "200").value += 2;
  requests.of("GET", "404").value++;
  metrics.gauge("open", "Open now.").of().value = 7;
  const seconds = metrics.histogram("seconds", "Time.", ["verb"], [0.1, 1]).of("GET");
  for (const value of [0.05, 0.1, 0.5, 3]) seconds.observe(value);
  expect(await metrics.text()).toBe(`# HELP requests_total Requests.
# TYPE requests_total counter
requests_total{verb="GET",code="200"} 2
requests_total{verb="GET",code="404"} 1

# HELP open Open now.
# TYPE open gauge
open 7

# HELP seconds Time.
# TYPE seconds histogram
seconds_bucket{verb="GET",le="0.1"} 2
seconds_bucket{verb="GET",le="1"} 3
seconds_bucket{verb="GET",le="+Inf"} 4
seconds_sum{verb="GET"} 3.65
seconds_count{verb="GET"} 4
`);
});

test("a label's value may hold anything", async () => {
  const metrics = createMetrics();
  metrics.counter("odd_total", "Odd.", ["name"]).of('a"b\\c\nd').value++;
  expect(await metrics.text()).toContain('odd_total{name="a\\"b\\\\c\\nd"} 1');
});

test("values that never end are counted together", async () => {
  const metrics = createMetrics();
  const family = metrics.counter("many_total", "Many.", ["name"]);
  for (let index = 0; index < 6_000; index++) family.of(`name-${index}`).value++;
  const text = await metrics.text();
  expect(text).toContain('many_total{name="other"} 1000');
  expect(text.split("\n").length).toBeLessThan(5_010);
});

test("a name stands for one metric", () => {
  const metrics = createMetrics();
  metrics.counter("once", "Once.");
  expect(() => metrics.gauge("once", "Twice.")).toThrow("the metric once is there twice");
});

test("a process tells what it takes", async () => {
  const metrics = createMetrics();
  addProcessMetrics(metrics, systemClock);
  const text = await metrics.text();
  for (const name of ["process_cpu_seconds_total", "process_resident_memory_bytes", "process_start_time_seconds"])
    expect(Number(new RegExp(`^${name} (.+)$`, "m").exec(text)?.[1])).toBeGreaterThan(0);
});
