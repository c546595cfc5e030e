/** The text of /metrics/cadvisor. */
import { expect, it } from "vitest";
import { aPod, container } from "../pods/pod.fixture.ts";
import { cadvisorMetrics } from "./cadvisor-metrics.ts";

const usage = { at: 1000.75, cpuNanoSeconds: 2_500_000_000, workingSetBytes: 4096, rssBytes: 1024, pageFaults: 7 };

it("tells of the node, of Pods and of containers with their images, limits and networks", () => {
  const resources = { limits: { cpu: "500m", memory: "64Mi" } };
  const spec = aPod({ containers: [container("main", { image: "a:1", resources })] });
  const layer = { at: 1, usedBytes: 77 };
  const interfaces = [{ name: "eth0", rxBytes: { value: 10 }, txBytes: { value: 20 } }];
  const pod = {
    ...{ name: "web", namespace: "default", uid: "u", startedAt: 400, usage, volumes: [], processes: 3 },
    containers: [{ name: "main", id: "c1", startedAt: 500, usage, layer }],
    network: { timestamp: "1", interfaces },
  };
  const text = cadvisorMetrics({
    ...{ node: usage, pods: [pod], specs: new Map([["u", spec]]), now: 5000 },
    machine: { cpus: 2, memoryBytes: 1 << 30 },
  });
  const of = 'container="main",id="/podu/c1",image="a:1",name="c1",namespace="default",pod="web"';
  const whole = 'container="",id="/podu",image="",name="",namespace="default",pod="web"';
  for (const line of [
    `container_cpu_usage_seconds_total{${of},cpu="total"} 2.5 1001`,
    `container_cpu_usage_seconds_total{${whole},cpu="total"} 2.5 1001`,
    'container_memory_working_set_bytes{container="",id="/",image="",name="",namespace="",pod=""} 4096 1001',
    `container_memory_failures_total{${of},failure_type="pgfault",scope="container"} 7 1001`,
    `container_fs_usage_bytes{${of},device=""} 77`,
    `container_network_receive_bytes_total{${whole},interface="eth0"} 10 1001`,
    `container_processes{${whole}} 3 1001`,
    `container_spec_cpu_quota{${of}} 50000`,
    `container_spec_cpu_shares{${of}} 512`,
    `container_spec_memory_limit_bytes{${of}} 67108864`,
    `container_last_seen{${of}} 5`,
    "machine_cpu_cores 2",
    "container_scrape_error 0",
  ])
    expect(text.split("\n")).toContain(line);
  expect(text).not.toContain("undefined");
  expect(cadvisorMetrics(undefined)).toMatch(/\ncontainer_scrape_error 1\n$/);
});
