/** Nodes that run short of something, over the simulated runtime, against the real API server pipeline. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { podUntil, startNode, type TestNode } from "../../e2e/harness/node.ts";
import { type Pipeline, startPipeline } from "../../e2e/harness/pipeline.ts";
import type { Client } from "../../machinery/client/client.ts";
import type { Pod } from "../../machinery/objects/kinds.ts";
import { type KubeletSettings, standardSettings } from "../configuration.ts";
import { podPaths } from "../pods/paths.ts";
import { aPod } from "../pods/pod.fixture.ts";
import { emptyDirExcess } from "./storage-limits.ts";
import type { Observations, Signal } from "./thresholds.ts";

const MI = 1024 * 1024;

describe("a node under pressure", () => {
  let pipeline: Pipeline;
  let node: TestNode;
  let client: Client;
  let left: Partial<Record<Signal, number>> = {};

  /** Memory is always near its threshold, so that every second is a look. */
  const observe = async (): Promise<Observations> =>
    new Map(
      Object.entries({ "memory.available": 150 * MI, ...left }).map(([signal, available]) => [
        signal as Signal,
        { available, capacity: 1000 * MI },
      ]),
    );

  async function start(settings: Partial<KubeletSettings> = {}) {
    left = {};
    pipeline = await startPipeline({ advertiseAddress: "192.0.2.1" });
    client = pipeline.client();
    node = await startNode(pipeline, { settings: { ...standardSettings, ...settings }, observe });
  }

  afterEach(async () => {
    await node.close();
    await pipeline.close();
  });

  const ref = (name: string) => ({ namespace: "default", name });
  const create = (name: string, mebibytes: number, more: Partial<NonNullable<Pod["spec"]>> = {}, request?: string) =>
    client.create("pods", {
      metadata: {
        ...ref(name),
        annotations: {
          "simulated.k8ts.dev/memory-mebibytes": String(mebibytes),
          "simulated.k8ts.dev/stop-seconds": "0",
        },
      },
      spec: {
        nodeName: "node-1",
        containers: [
          { name: "main", image: "a:1", ...(request ? { resources: { requests: { memory: request } } } : {}) },
        ],
        ...more,
      },
    });
  const phase = (name: string, wanted: string, ms = 10_000) =>
    podUntil(client, ref(name), (pod) => pod?.status?.phase === wanted, ms);
  const condition = async (type: string) =>
    (await client.get("nodes", { name: "node-1" })).status?.conditions?.find((one) => one.type === type)?.status;

  it("ends the Pod that uses most beyond its requests, tells why, and takes no more of its kind", async () => {
    await start({ evictionPressureTransitionPeriod: 1_000 });
    await create("small", 10);
    await create("big", 500);
    await create("asked", 800, {}, "900Mi");
    await create("critical", 900, { priorityClassName: "system-node-critical" }).catch(() => undefined);
    for (const name of ["small", "big", "asked"]) await phase(name, "Running");
    left = { "memory.available": 50 * MI };
    const evicted = await phase("big", "Failed");
    left = { "memory.available": 150 * MI };
    expect(evicted?.status).toMatchObject({
      reason: "Evicted",
      message:
        "The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. " +
        "Container main was using 500Mi, request is 0, has larger consumption of memory. ",
    });
    expect(evicted?.status?.conditions).toContainEqual(
      expect.objectContaining({ type: "DisruptionTarget", status: "True", reason: "TerminationByKubelet" }),
    );
    await expect.poll(() => condition("MemoryPressure"), { timeout: 5_000 }).toBe("False");
    expect((await client.get("pods", ref("asked"))).status?.phase).toBe("Running");
    const { items } = await client.list("events");
    const said = items.map(({ type, reason, involvedObject }) => `${type} ${reason} ${involvedObject.name}`);
    expect(said).toContain("Warning Evicted big");
    expect(said).toContain("Warning EvictionThresholdMet node-1");
  }, 60_000);

  it("refuses Pods while it is short: all of them without disk, BestEffort ones without memory", async () => {
    await start();
    left = { "memory.available": 99 * MI };
    await expect.poll(() => condition("MemoryPressure"), { timeout: 5_000 }).toBe("True");
    await create("best-effort", 1);
    await create("burstable", 1, {}, "1Mi");
    const refused = await phase("best-effort", "Failed");
    expect(refused?.status).toMatchObject({
      reason: "Evicted",
      message: "Pod was rejected: The node had condition: [MemoryPressure]. ",
    });
    await podUntil(client, ref("burstable"), (pod) => pod?.status?.startTime !== undefined);
    left = { "nodefs.available": 1 };
    await expect.poll(() => condition("DiskPressure"), { timeout: 5_000 }).toBe("True");
    await create("later", 1, {}, "1Mi");
    expect((await phase("later", "Failed"))?.status?.reason).toBe("Evicted");
  }, 60_000);

  it("gives a Pod time on a soft threshold", async () => {
    await start({
      evictionSoft: { "memory.available": "140Mi" },
      evictionSoftGracePeriod: { "memory.available": 1_500 },
      evictionMaxPodGracePeriod: 7,
    });
    await create("big", 500);
    await phase("big", "Running");
    left = { "memory.available": 120 * MI };
    await expect.poll(() => condition("MemoryPressure"), { timeout: 5_000 }).toBe("True");
    await phase("big", "Failed");
  }, 60_000);
});

it("an emptyDir on disk is too large once it holds more than its limit", async () => {
  const directory = await mkdtemp(join(tmpdir(), "k8ts-limits-"));
  const paths = podPaths(directory, directory);
  const pod = aPod({
    volumes: [
      { name: "free", emptyDir: {} },
      { name: "scratch", emptyDir: { sizeLimit: "1Mi" } },
    ],
  });
  for (const name of ["free", "scratch"]) await mkdir(join(paths.volume("uid-1", name), "deep"), { recursive: true });
  await writeFile(join(paths.volume("uid-1", "free"), "big"), Buffer.alloc(3_000_000, 1));
  expect(await emptyDirExcess(pod, paths)).toBeUndefined();
  await writeFile(join(paths.volume("uid-1", "scratch"), "deep", "big"), Buffer.alloc(1_100_000, 1));
  expect((await emptyDirExcess(pod, paths))?.message).toBe(
    'Usage of EmptyDir volume "scratch" exceeds the limit "1Mi". ',
  );
  await rm(directory, { recursive: true, force: true });
});
