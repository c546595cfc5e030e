/** A kubelet over the simulated runtime, against the real API server pipeline. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { podUntil, startNode, type TestNode } from "../e2e/harness/node.ts";
import { type Pipeline, startPipeline } from "../e2e/harness/pipeline.ts";
import type { Client } from "../machinery/client/client.ts";
import type { Pod } from "../machinery/objects/kinds.ts";
import { createLogger } from "../machinery/process/logging.ts";

let pipeline: Pipeline;
let node: TestNode;
let client: Client;

const log = process.env["K8TS_TEST_LOG"]
  ? createLogger({
      component: "kubelet",
      clock: { now: () => Date.now() } as never,
      write: (line) => process.stderr.write(line),
    })
  : undefined;

beforeEach(async () => {
  pipeline = await startPipeline({ advertiseAddress: "192.0.2.1" });
  client = pipeline.client();
  node = await startNode(pipeline, log ? { log } : {});
});

afterEach(async () => {
  await node.close();
  await pipeline.close();
});

type Spec = Partial<NonNullable<Pod["spec"]>>;

const pod = (name: string, spec: Spec = {}, annotations: Record<string, string> = {}) => ({
  metadata: { name, namespace: "default", annotations },
  spec: { nodeName: "node-1", containers: [{ name: "main", image: "busybox:1.36" }], ...spec },
});
const ref = (name: string) => ({ namespace: "default", name });
const ready = (found: Pod | undefined) =>
  found?.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false;
const simulate = (settings: Record<string, string>) =>
  Object.fromEntries(Object.entries(settings).map(([key, value]) => [`simulated.k8ts.dev/${key}`, value]));

describe("a Pod that simply runs", () => {
  it("becomes Ready with the whole status", async () => {
    await client.create("pods", pod("web"));
    const found = await podUntil(client, ref("web"), ready);
    expect(found?.status).toMatchObject({
      phase: "Running",
      qosClass: "BestEffort",
      hostIP: "192.0.2.10",
      podIP: expect.stringMatching(/^10\.42\.0\.\d+$/),
      observedGeneration: 1,
      containerStatuses: [
        {
          name: "main",
          ready: true,
          started: true,
          restartCount: 0,
          state: { running: { startedAt: expect.any(String) } },
        },
      ],
    });
    const types = found?.status?.conditions?.map(({ type, status }) => `${type}=${status}`);
    expect(types).toEqual(
      expect.arrayContaining([
        "PodReadyToStartContainers=True",
        "Initialized=True",
        "Ready=True",
        "ContainersReady=True",
        "PodScheduled=True",
      ]),
    );
    const { items } = await client.list("events", { namespace: "default" });
    const said = items.map(({ reason, message }) => `${reason}: ${message}`);
    expect(said).toEqual(
      expect.arrayContaining(["Created: Created container: main", "Started: Started container main"]),
    );
  });

  it("goes when it is deleted, with its containers", async () => {
    await client.create("pods", pod("web"));
    await podUntil(client, ref("web"), ready);
    await client.delete("pods", ref("web"), {});
    await podUntil(client, ref("web"), (found) => found === undefined);
    await expect.poll(async () => (await node.runtime.listPodSandbox({})).items).toEqual([]);
  });
});

describe("a deletion under way", () => {
  it("is hastened by a second one with less time", async () => {
    await client.create("pods", pod("slow", {}, simulate({ "stop-seconds": "60" })));
    await podUntil(client, ref("slow"), ready);
    await client.delete("pods", ref("slow"), {});
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect((await client.get("pods", ref("slow"))).metadata.deletionGracePeriodSeconds).toBe(30);
    await client.delete("pods", ref("slow"), { gracePeriodSeconds: 1 });
    await podUntil(client, ref("slow"), (found) => found === undefined);
    await expect.poll(async () => (await node.runtime.listPodSandbox({})).items, { timeout: 5_000 }).toEqual([]);
  });

  it("does not wait for an image that is still being pulled", async () => {
    await client.create(
      "pods",
      pod("slow", { containers: [{ name: "main", image: "slow:1" }] }, simulate({ "pull-seconds": "60" })),
    );
    await new Promise((resolve) => setTimeout(resolve, 200));
    await client.delete("pods", ref("slow"), {});
    await podUntil(client, ref("slow"), (found) => found === undefined, 5_000);
  });
});

describe("a Pod past its deadline", () => {
  it("fails and stops", async () => {
    await client.create("pods", pod("late", { activeDeadlineSeconds: 1 }));
    const found = await podUntil(client, ref("late"), (one) => one?.status?.phase === "Failed");
    expect(found?.status).toMatchObject({
      reason: "DeadlineExceeded",
      message: "Pod was active on the node longer than the specified deadline",
    });
    await expect
      .poll(
        async () =>
          (await node.runtime.listContainers({ filter: { state: { state: "CONTAINER_RUNNING" } } })).containers,
      )
      .toEqual([]);
  });
});

describe("a container whose image is changed", () => {
  it("is restarted with the new one", async () => {
    await client.create("pods", pod("web", { terminationGracePeriodSeconds: 1 }));
    await podUntil(client, ref("web"), ready);
    await client.patch(
      "pods",
      ref("web"),
      { spec: { containers: [{ name: "main", image: "busybox:1.35" }] } },
      { type: "strategic" },
    );
    const found = await podUntil(
      client,
      ref("web"),
      (one) => one?.status?.containerStatuses?.[0]?.restartCount === 1 && ready(one),
    );
    expect(found?.status?.containerStatuses?.[0]?.image).toContain("busybox:1.35");
  });
});

describe("a kubelet that was killed", () => {
  it("adopts what runs: same container, same restart count", async () => {
    await client.create("pods", pod("web"));
    const before = await podUntil(client, ref("web"), ready);
    await node.stop();
    await node.start();
    await new Promise((resolve) => setTimeout(resolve, 300));
    const after = await client.get("pods", ref("web"));
    expect(after.status?.containerStatuses).toEqual(before?.status?.containerStatuses);
    expect((await node.runtime.listContainers({})).containers).toHaveLength(1);
  });

  it("ends Pods that were deleted meanwhile", async () => {
    await client.create("pods", pod("web"));
    await podUntil(client, ref("web"), ready);
    await node.stop();
    await client.delete("pods", ref("web"), { gracePeriodSeconds: 0 });
    await node.start();
    await expect.poll(async () => (await node.runtime.listPodSandbox({})).items).toEqual([]);
  });
});

describe("a kubelet that is killed again and again", () => {
  it("starts each container once, whatever it was doing", async () => {
    const names = Array.from({ length: 12 }, (_, index) => `pod-${index}`);
    const settings = simulate({ "start-seconds": "0.05", "pull-seconds": "0.03", "run-seconds.init": "0.05" });
    const spec = {
      initContainers: [{ name: "init", image: "busybox:1.36" }],
      containers: [{ name: "main", image: "nginx:1.22" }],
    };
    for (const [index, name] of names.entries()) {
      await client.create("pods", pod(name, spec, settings));
      await new Promise((resolve) => setTimeout(resolve, index * 13));
      await node.stop();
      await node.start();
    }
    for (const name of names) {
      const found = await podUntil(client, ref(name), ready);
      expect(found?.status?.containerStatuses?.[0]?.restartCount).toBe(0);
      expect(found?.status?.initContainerStatuses?.[0]?.restartCount).toBe(0);
    }
    const { containers } = await node.runtime.listContainers({});
    expect(containers.filter(({ state }) => state === "CONTAINER_RUNNING")).toHaveLength(names.length);
    expect(containers).toHaveLength(2 * names.length);
    expect((await node.runtime.listPodSandbox({})).items).toHaveLength(names.length);
  });
});

describe("containers that end", () => {
  it("make a Pod with restartPolicy Never Succeeded, once everything has stopped", async () => {
    await client.create("pods", pod("job", { restartPolicy: "Never" }, simulate({ "run-seconds": "0.1" })));
    const found = await podUntil(client, ref("job"), (one) => one?.status?.phase === "Succeeded");
    expect(found?.status?.containerStatuses?.[0]?.state?.terminated).toMatchObject({
      exitCode: 0,
      reason: "Completed",
    });
    expect(found?.status?.conditions?.find(({ type }) => type === "Ready")).toMatchObject({
      status: "False",
      reason: "PodCompleted",
    });
  });

  it("make it Failed with a code other than 0", async () => {
    await client.create(
      "pods",
      pod("job", { restartPolicy: "Never" }, simulate({ "run-seconds": "0.1", "exit-code": "3" })),
    );
    const found = await podUntil(client, ref("job"), (one) => one?.status?.phase === "Failed");
    expect(found?.status?.containerStatuses?.[0]?.state?.terminated).toMatchObject({ exitCode: 3, reason: "Error" });
  });

  it("restart at once, then wait in CrashLoopBackOff", async () => {
    await client.create("pods", pod("crash", {}, simulate({ "run-seconds": "0.05", "exit-code": "1" })));
    const found = await podUntil(
      client,
      ref("crash"),
      (one) => one?.status?.containerStatuses?.[0]?.state?.waiting?.reason === "CrashLoopBackOff",
    );
    const uid = found?.metadata.uid;
    expect(found?.status?.containerStatuses?.[0]).toMatchObject({
      restartCount: 1,
      ready: false,
      state: { waiting: { message: `back-off 10s restarting failed container=main pod=crash_default(${uid})` } },
      lastState: { terminated: { exitCode: 1, reason: "Error" } },
    });
    expect(found?.status?.phase).toBe("Running");
  });
});

describe("init containers", () => {
  it("run one after the other, before the others", async () => {
    const inits = ["first", "second"].map((name) => ({ name, image: "busybox:1.36" }));
    await client.create(
      "pods",
      pod("web", { initContainers: inits }, simulate({ "run-seconds.first": "0.05", "run-seconds.second": "0.05" })),
    );
    const found = await podUntil(client, ref("web"), ready);
    const [first, second] = found?.status?.initContainerStatuses ?? [];
    expect(first?.state?.terminated?.reason).toBe("Completed");
    expect(Date.parse(second?.state?.terminated?.startedAt ?? "")).toBeGreaterThanOrEqual(
      Date.parse(first?.state?.terminated?.finishedAt ?? ""),
    );
  });

  it("that fail keep the others waiting", async () => {
    const inits = [{ name: "first", image: "busybox:1.36" }];
    await client.create(
      "pods",
      pod("web", { initContainers: inits }, simulate({ "run-seconds.first": "0.05", "exit-code.first": "1" })),
    );
    const found = await podUntil(
      client,
      ref("web"),
      (one) => one?.status?.initContainerStatuses?.[0]?.state?.waiting?.reason === "CrashLoopBackOff",
    );
    expect(found?.status).toMatchObject({
      phase: "Pending",
      containerStatuses: [{ state: { waiting: { reason: "PodInitializing" } } }],
    });
  });
});

describe("what a Pod refers to", () => {
  it("is waited for: a missing ConfigMap", async () => {
    const env = [{ name: "COLOUR", valueFrom: { configMapKeyRef: { name: "settings", key: "colour" } } }];
    await client.create("pods", pod("web", { containers: [{ name: "main", image: "busybox:1.36", env }] }));
    const found = await podUntil(
      client,
      ref("web"),
      (one) => one?.status?.containerStatuses?.[0]?.state?.waiting?.reason === "CreateContainerConfigError",
    );
    expect(found?.status?.containerStatuses?.[0]?.state?.waiting?.message).toBe('configmap "settings" not found');
    await client.create("configmaps", {
      metadata: { name: "settings", namespace: "default" },
      data: { colour: "blue" },
    });
    await podUntil(client, ref("web"), ready);
  });

  it("reaches its volume, however often it changes", async () => {
    await client.create("configmaps", { metadata: { name: "settings", namespace: "default" }, data: { count: "0" } });
    const volumes = [{ name: "v", configMap: { name: "settings" } }];
    const created = await client.create("pods", pod("web", { volumes }));
    await podUntil(client, ref("web"), ready);
    const file = join(node.directory, "kubelet", "pods", created.metadata.uid, "volumes", "v", "count");
    expect(await readFile(file, "utf8")).toBe("0");
    for (let count = 1; count <= 30; count++) {
      await client.patch("configmaps", { name: "settings", namespace: "default" }, { data: { count: String(count) } });
    }
    await expect.poll(() => readFile(file, "utf8"), { timeout: 5_000 }).toBe("30");
  });

  it("an image that cannot be had shows as ErrImagePull, then ImagePullBackOff", async () => {
    await client.create("pods", pod("web", { containers: [{ name: "main", image: "registry.invalid/web:1" }] }));
    await podUntil(
      client,
      ref("web"),
      (one) => one?.status?.containerStatuses?.[0]?.state?.waiting?.reason === "ErrImagePull",
    );
    await podUntil(
      client,
      ref("web"),
      (one) => one?.status?.containerStatuses?.[0]?.state?.waiting?.reason === "ImagePullBackOff",
    );
  });
});

describe("probes", () => {
  it("hold Ready back until readiness succeeds", async () => {
    const readinessProbe = { exec: { command: ["true"] }, periodSeconds: 1 };
    await client.create(
      "pods",
      pod(
        "web",
        { containers: [{ name: "main", image: "busybox:1.36", readinessProbe }] },
        simulate({ "ready-after-seconds": "1" }),
      ),
    );
    const started = await podUntil(client, ref("web"), (one) => one?.status?.containerStatuses?.[0]?.started === true);
    expect(ready(started)).toBe(false);
    await podUntil(client, ref("web"), ready);
  });

  it("restart a container whose liveness fails", async () => {
    const livenessProbe = { exec: { command: ["true"] }, periodSeconds: 1, failureThreshold: 1 };
    const containers = [{ name: "main", image: "busybox:1.36", livenessProbe }];
    await client.create(
      "pods",
      pod("web", { containers, terminationGracePeriodSeconds: 1 }, simulate({ "ready-after-seconds": "100" })),
    );
    const found = await podUntil(
      client,
      ref("web"),
      (one) => (one?.status?.containerStatuses?.[0]?.restartCount ?? 0) > 0,
    );
    expect(found?.metadata.name).toBe("web");
  });
});
