/** Metrics all the way: a node's kubelet, its tunnel, the server's API, and an autoscaler's client. */
import { afterAll, beforeAll, expect, it } from "vitest";
import { podUntil, startNode, type TestNode } from "../../e2e/harness/node.ts";
import { type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";
import { type Served, serve } from "../../e2e/harness/served.ts";
import { joinTunnel } from "../../e2e/harness/tunnel.ts";
import { readNodeThrough } from "./read-node.ts";
import { parseReading } from "./reading.ts";

let pipeline: Pipeline;
let served: Served;
let node: TestNode;
let leave: () => Promise<void>;
const web = { namespace: "default", name: "web" };

beforeAll(async () => {
  pipeline = await startPipeline();
  served = await serve(pipeline);
  node = await startNode(pipeline);
  leave = await joinTunnel(pipeline, served, node);
  const client = pipeline.client();
  await client.create("pods", {
    metadata: { ...web, annotations: { "simulated.k8ts.dev/cpu-millicores": "300" } },
    spec: { nodeName: node.name, containers: [{ name: "main", image: "web:1" }] },
  });
  await podUntil(client, web, (pod) => pod?.status?.phase === "Running");
}, 60_000);
afterAll(async () => {
  await leave();
  await node.close();
  await served.close();
  await pipeline.close();
});

it("reads a node through its tunnel", async () => {
  const text = await readNodeThrough(pipeline.apiserver.tunnels)(node.name, AbortSignal.timeout(5_000));
  const { node: machine, pods } = parseReading(text, 0);
  expect(machine).toMatchObject({ memoryBytes: 160 * 1024 * 1024 });
  expect([...pods.keys()]).toEqual(["default/web"]);
});

it("gives up a node that nobody can reach when it is told to", async () => {
  const signal = AbortSignal.timeout(50);
  await expect(readNodeThrough(pipeline.apiserver.tunnels)("nobody", signal)).rejects.toThrow();
});

it("serves at the first question what the node's Pods use", async () => {
  const client = pipeline.client("system:kube-controller-manager", ["system:authenticated"]);
  const path = "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods/web";
  const { containers, window } = (await client.raw({ method: "GET", path })) as {
    containers: { usage: { cpu: string } }[];
    window: string;
  };
  const [only] = containers;
  expect(Number.parseInt(only?.usage.cpu ?? "", 10) / (only?.usage.cpu.endsWith("n") ? 1e6 : 1)).toBeCloseTo(300, -1);
  expect(window).toMatch(/^1(\.\d+)?s$/);
});
