/** What two readings of a node say of what is used. */
import { expect, it } from "vitest";
import { ratesOf } from "./rates.ts";
import { parseReading } from "./reading.ts";

const NOW = 1_000_000;

interface Given {
  readonly at: number;
  readonly cpu: number;
  readonly started?: number;
}

const text = (containers: Readonly<Record<string, Given>>, node?: Given) =>
  [
    "# HELP container_cpu_usage_seconds_total something",
    ...(node
      ? [`node_cpu_usage_seconds_total ${node.cpu} ${node.at}`, `node_memory_working_set_bytes 1e+09 ${node.at}`]
      : []),
    ...Object.entries(containers).flatMap(([container, { at, cpu, started = 0 }]) => [
      `container_cpu_usage_seconds_total{container="${container}",namespace="default",pod="web"} ${cpu} ${at}`,
      `container_memory_working_set_bytes{container="${container}",namespace="default",pod="web"} 1048576 ${at}`,
      `container_start_time_seconds{container="${container}",namespace="default",pod="web"} ${started / 1000}`,
    ]),
    'pod_cpu_usage_seconds_total{namespace="default",pod="web"} 9 5',
  ].join("\n");
const reading = (...given: Parameters<typeof text>) => parseReading(text(...given), NOW);
const web = (before: Parameters<typeof text> | undefined, now: Parameters<typeof text>) =>
  ratesOf(before && reading(...before), reading(...now)).pods.get("default/web");

it("divides what was used by the time between the readings", () => {
  const rates = ratesOf(
    reading({ a: { at: 1000, cpu: 10 } }, { at: 1000, cpu: 50 }),
    reading({ a: { at: 16_000, cpu: 13 } }, { at: 16_000, cpu: 65 }),
  );
  expect(rates.node).toMatchObject({ memoryBytes: 1e9, cpuNanoCores: 1e9, windowMs: 15_000 });
  expect(rates.pods.get("default/web")).toEqual({
    namespace: "default",
    name: "web",
    at: 16_000,
    windowMs: 15_000,
    containers: new Map([["a", { at: 16_000, windowMs: 15_000, cpuNanoCores: 200_000_000, memoryBytes: 1_048_576 }]]),
  });
});

it("tells nothing of one reading, unless the container has run for a while", () => {
  expect(web(undefined, [{ a: { at: 20_000, cpu: 1 } }])).toBeUndefined();
  expect(web(undefined, [{ a: { at: 20_000, cpu: 1, started: 15_000 } }])).toBeUndefined();
  expect(web(undefined, [{ a: { at: 20_000, cpu: 1, started: 10_000 } }])).toMatchObject({ windowMs: 10_000 });
});

it("measures a restarted container from its start", () => {
  const rates = web([{ a: { at: 10_000, cpu: 50, started: 1000 } }], [{ a: { at: 30_000, cpu: 60, started: 15_000 } }]);
  expect(rates?.containers.get("a")).toMatchObject({ windowMs: 15_000, cpuNanoCores: 4_000_000_000 });
  expect(web([{ a: { at: 10_000, cpu: 50 } }], [{ a: { at: 30_000, cpu: 1 } }])).toBeUndefined();
});

it("leaves out a Pod of which one container is not known yet", () => {
  const before = { a: { at: 1000, cpu: 1 } };
  expect(web([before], [{ a: { at: 2000, cpu: 2 }, b: { at: 2000, cpu: 1 } }])).toBeUndefined();
});

it("tells the window of the container with the oldest figures", () => {
  const rates = web(
    [{ a: { at: 1000, cpu: 1 }, b: { at: 500, cpu: 1 } }],
    [{ a: { at: 4000, cpu: 2 }, b: { at: 3000, cpu: 2 } }],
  );
  expect(rates).toMatchObject({ at: 3000, windowMs: 2500 });
});

it("takes times with fractions, as other nodes may tell them", () => {
  const { node } = parseReading("node_cpu_usage_seconds_total 5 7.5\nnode_memory_working_set_bytes 1 7.25\n", NOW);
  expect(node).toMatchObject({ at: 7, cpuSeconds: 5 });
});

it("passes over what it does not know, and what is broken", () => {
  expect(parseReading('nothing\nfoo{a="b"} 1\ncontainer_cpu_usage_seconds_total{} NaN\n', NOW)).toEqual({
    node: undefined,
    pods: new Map(),
  });
  expect(parseReading("node_cpu_usage_seconds_total NaN\nnode_memory_working_set_bytes 1\n", NOW).node).toBeUndefined();
});
