/** The kubelet's HTTP server, over a simulated runtime, reached as through a tunnel. */
import { request } from "node:http";
import { type Duplex, duplexPair } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { podUntil, startNode, type TestNode } from "../e2e/harness/node.ts";
import { type Pipeline, startPipeline } from "../e2e/harness/pipeline.ts";
import type { Client } from "../machinery/client/client.ts";
import { systemClock } from "../machinery/process/clock.ts";
import { dialExec } from "../machinery/streams/dial.ts";

let pipeline: Pipeline;
let node: TestNode;
let client: Client;

beforeAll(async () => {
  pipeline = await startPipeline({ advertiseAddress: "192.0.2.1" });
  client = pipeline.client();
  node = await startNode(pipeline);
  await client.create("pods", {
    metadata: { name: "web", namespace: "default", annotations: { "simulated.k8ts.dev/log-every-seconds": "0.05" } },
    spec: { nodeName: "node-1", containers: [{ name: "main", image: "busybox:1.36" }] },
  });
  await client.create("pods", {
    metadata: { name: "stuck", namespace: "default" },
    spec: { nodeName: "node-1", containers: [{ name: "main", image: "registry.invalid/x:1" }] },
  });
  await podUntil(client, { namespace: "default", name: "web" }, (pod) => pod?.status?.phase === "Running");
  await podUntil(
    client,
    { namespace: "default", name: "stuck" },
    (pod) => pod?.status?.containerStatuses?.[0]?.state?.waiting?.reason === "ErrImagePull",
  );
});

afterAll(async () => {
  await node.close();
  await pipeline.close();
});

/** One connection, as the tunnel brings it. */
function connection(): Duplex {
  const [here, there] = duplexPair();
  node.server().emit("connection", there);
  return here;
}

function get(path: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const call = request({ path, createConnection: () => connection() as never }, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
      });
      answer.on("end", () => resolve({ status: answer.statusCode ?? 0, text }));
    });
    call.on("error", reject).end();
  });
}

describe("logs", () => {
  it("come whole, or their end, with timestamps and a limit", async () => {
    await expect
      .poll(async () => (await get("/containerLogs/default/web/main")).text.split("\n").length)
      .toBeGreaterThan(4);
    const tail = await get("/containerLogs/default/web/main?tailLines=2");
    expect(tail.status).toBe(200);
    expect(tail.text.trim().split("\n")).toHaveLength(2);
    const stamped = await get("/containerLogs/default/web/main?tailLines=1&timestamps=true");
    expect(stamped.text).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z /);
    expect((await get("/containerLogs/default/web/main?limitBytes=5")).text).toHaveLength(5);
    expect((await get("/containerLogs/default/web/main?sinceTime=2999-01-01T00:00:00Z")).text).toBe("");
  });

  it("are followed until the client goes", async () => {
    const lines = await new Promise<number>((resolve, reject) => {
      let text = "";
      const call = request(
        {
          path: "/containerLogs/default/web/main?follow=true&tailLines=1",
          createConnection: () => connection() as never,
        },
        (answer) => {
          answer.on("data", (chunk: Buffer) => {
            text += chunk.toString();
            if (text.split("\n").length > 4) {
              call.destroy();
              resolve(text.split("\n").length);
            }
          });
        },
      );
      call.on("error", reject).end();
    });
    expect(lines).toBeGreaterThan(4);
  });

  it("of what is not there are refused in the kubelet's words", async () => {
    expect(await get("/containerLogs/default/none/main")).toEqual({
      status: 404,
      text: 'pod "none" cannot be found - no logs available',
    });
    expect(await get("/containerLogs/default/web/none")).toEqual({
      status: 404,
      text: 'container "none" not found in pod "web"',
    });
    expect(await get("/containerLogs/default/web/main?previous=true")).toEqual({
      status: 400,
      text: 'previous terminated container "main" in pod "web" not found',
    });
    const stuck = await get("/containerLogs/default/stuck/main");
    expect(stuck.status).toBe(400);
    expect(stuck.text).toMatch(
      /^container "main" in pod "stuck" is waiting to start: (image can't be pulled|trying and failing to pull image)$/,
    );
  });
});

describe("exec", () => {
  const options = { stdin: false, stdout: true, stderr: true, tty: false };
  const dial = (path: string) => dialExec({ connect: connection, host: "node", path }, options, { clock: systemClock });

  it("runs a command and tells its exit code", async () => {
    const session = await dial("/exec/default/web/main?command=echo&command=hello&output=1&error=1");
    let text = "";
    session.stdout?.on("data", (chunk: Buffer) => {
      text += chunk.toString();
    });
    expect(await session.outcome).toEqual({ kind: "exited", code: 0 });
    expect(text).toBe("hello\n");
  });

  it("of a container that does not run is refused", async () => {
    await expect(dial("/exec/default/stuck/main?command=ls&output=1&error=1")).rejects.toThrow(
      /container not found \("main"\)/,
    );
    await expect(dial("/exec/default/none/main?command=ls&output=1&error=1")).rejects.toThrow(/pod does not exist/);
  });

  it("without an upgrade is a bad request", async () => {
    expect((await get("/exec/default/web/main?command=ls")).status).toBe(400);
  });
});

describe("the rest", () => {
  it("answers health, Pods and stats, and nothing else", async () => {
    expect(await get("/healthz")).toEqual({ status: 200, text: "ok" });
    expect(JSON.parse((await get("/pods")).text).items).toHaveLength(2);
    expect((await get("/nothing")).status).toBe(404);
    expect((await get("/stats/nothing")).status).toBe(404);
    expect((await get("/metrics/nothing")).status).toBe(404);
  });
});

describe("figures", () => {
  it("are summed up, with disks or without", async () => {
    const { node: machine, pods } = JSON.parse((await get("/stats/summary")).text);
    expect(machine).toMatchObject({
      nodeName: "node-1",
      cpu: { usageCoreNanoSeconds: expect.any(Number) },
      memory: { workingSetBytes: 160 * 1024 * 1024 },
      fs: { capacityBytes: expect.any(Number), inodesFree: expect.any(Number) },
      runtime: { imageFs: { usedBytes: expect.any(Number) } },
    });
    expect(pods).toHaveLength(1);
    expect(pods[0]).toMatchObject({
      podRef: { namespace: "default", name: "web" },
      memory: { workingSetBytes: 10 * 1024 * 1024 },
      "ephemeral-storage": { usedBytes: expect.any(Number) },
    });
    const [container] = pods[0].containers;
    expect(container).toMatchObject({ name: "main", logs: { usedBytes: expect.any(Number) } });
    expect(container.logs.usedBytes).toBeGreaterThan(0);
    const small = JSON.parse((await get("/stats/summary?only_cpu_and_memory=true")).text);
    expect(small.node.fs).toBeUndefined();
    expect(small.pods[0].containers[0]).not.toHaveProperty("rootfs");
  });

  it("tell rates from the second reading on", async () => {
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    const { pods, node: machine } = JSON.parse((await get("/stats/summary")).text);
    expect(pods[0].containers[0].cpu.usageNanoCores).toBeCloseTo(1e6, -5);
    expect(pods[0].cpu.usageNanoCores).toBe(pods[0].containers[0].cpu.usageNanoCores);
    expect(machine.cpu.usageNanoCores).toBeCloseTo(21e6, -6);
  });

  it("are metrics, too, of what runs", async () => {
    const { text } = await get("/metrics/resource");
    expect(text).toMatch(/^# TYPE node_cpu_usage_seconds_total counter$/m);
    expect(text).toMatch(/^node_memory_working_set_bytes 167772160 \d{13}$/m);
    expect(text).toMatch(
      /^container_memory_working_set_bytes\{container="main",namespace="default",pod="web"\} 10485760 \d{13}$/m,
    );
    expect(text).toMatch(/^pod_cpu_usage_seconds_total\{namespace="default",pod="web"\} [\d.e-]+ \d{13}$/m);
    expect(text).toMatch(/^container_start_time_seconds\{container="main",namespace="default",pod="web"\} [\d.]+$/m);
    expect(text).toMatch(/^resource_scrape_error 0$/m);
    expect(text).not.toContain("stuck");
  });

  it("of the kubelet itself count what it does", async () => {
    expect((await get("/metrics/cadvisor")).text).toMatch(
      /^container_memory_working_set_bytes\{container="main",.*pod="web"\} /m,
    );
    expect((await get("/metrics/probes")).text).toContain("# TYPE prober_probe_total counter");
    const { text } = await get("/metrics");
    expect(text).toMatch(/^kubelet_node_name\{node="node-1"\} 1$/m);
    expect(text).toMatch(/^kubelet_running_pods 2$/m);
    expect(text).toMatch(/^kubelet_running_containers\{container_state="running"\} 1$/m);
    expect(text).toMatch(/^kubelet_runtime_operations_total\{operation_type="run_podsandbox"\} 2$/m);
    expect(text).toMatch(/^kubelet_runtime_operations_errors_total\{operation_type="pull_image"\} \d+$/m);
    expect(text).toMatch(/^kubelet_pod_start_duration_seconds_count 1$/m);
    expect(text).toMatch(/^process_resident_memory_bytes \d+$/m);
    expect((await get("/metrics/nothing")).status).toBe(404);
  });
});
