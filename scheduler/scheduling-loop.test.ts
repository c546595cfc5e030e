import { afterEach, describe, expect, test } from "vitest";
import { addNode, nodeDraft, podDraft, requesting, type Scheduled, startScheduled } from "../e2e/harness/scheduled.ts";
import { createInformers } from "../machinery/client/shared-informers.ts";
import { createEvents } from "../machinery/loop/events-recorder.ts";
import type { Kinds } from "../machinery/objects/kinds.ts";
import type { Draft } from "../machinery/objects/wire.ts";
import { systemClock } from "../machinery/process/clock.ts";
import { silent } from "../machinery/process/logging.ts";
import type { Plugin } from "./framework.ts";
import { PLUGINS } from "./plugins/plugins.ts";
import { createProfile } from "./profile.ts";
import { runScheduling } from "./scheduling-loop.ts";

const running: Scheduled[] = [];
afterEach(async () => {
  for (const one of running.splice(0)) await one.close();
});

async function start(...nodes: readonly Draft<Kinds["nodes"]>[]) {
  const scheduled = await startScheduled(...nodes);
  running.push(scheduled);
  scheduled.run();
  return scheduled;
}

const eventually = { timeout: 10_000, interval: 10 };
const unhelpful = (nodes: number) =>
  `no new claims to deallocate, preemption: 0/${nodes} nodes are available: ${nodes} Preemption is not helpful for scheduling.`;
const inDefault = (name: string) => ({ namespace: "default", name });

describe("a Pod that fits", () => {
  test("is bound, with a condition, an event and its cause", async () => {
    const started = await start(nodeDraft("a"));
    const made = await started.client.create("pods", podDraft("p"));
    await expect.poll(() => started.nodeOf("p"), eventually).toBe("a");
    await expect
      .poll(() => started.events("p"), eventually)
      .toEqual(["Normal Scheduled Successfully assigned default/p to a"]);
    expect(await started.condition("p")).toMatchObject({ status: "True" });

    const { value } = await started.pipeline.send({ path: "/k8ts/v1/history/api/v1/namespaces/default/pods/p" });
    const cause = { revision: made.metadata.resourceVersion, controller: "default-scheduler" };
    expect(JSON.stringify(value)).toContain(cause.controller);
    expect(JSON.stringify(value)).toContain(`"${cause.revision}"`);
  });

  test("is left alone when another scheduler is named, until its gates are gone, and when it is on its way out", async () => {
    const started = await startScheduled(nodeDraft("a"));
    running.push(started);
    await started.client.create("pods", podDraft("other", { schedulerName: "another" }));
    await started.client.create("pods", podDraft("gated", { schedulingGates: [{ name: "example.com/wait" }] }));
    await started.client.create("pods", {
      ...podDraft("going"),
      metadata: { name: "going", namespace: "default", finalizers: ["example.com/keep"] },
    });
    await started.client.delete("pods", inDefault("going"));
    started.run();
    await started.client.create("pods", podDraft("mark"));
    await expect.poll(() => started.nodeOf("mark"), eventually).toBe("a");
    for (const name of ["other", "gated", "going"]) expect(await started.nodeOf(name)).toBeUndefined();
    expect(await started.condition("gated")).toMatchObject({ status: "False", reason: "SchedulingGated" });

    const patch = { spec: { schedulingGates: null } };
    await started.client.patch("pods", inDefault("gated"), patch);
    await expect.poll(() => started.nodeOf("gated"), eventually).toBe("a");
    expect(await started.condition("gated")).toMatchObject({ status: "True" });
  });
});

describe("a Pod that fits nowhere", () => {
  test("is told why on itself and in an event, and comes when a node does", async () => {
    const started = await start(nodeDraft("a", "1"));
    await started.client.create("pods", podDraft("big", requesting("3")));
    const message = `0/1 nodes are available: 1 Insufficient cpu. ${unhelpful(1)}`;
    await expect.poll(() => started.events("big"), eventually).toEqual([`Warning FailedScheduling ${message}`]);
    await expect
      .poll(async () => await started.condition("big"), eventually)
      .toMatchObject({ status: "False", reason: "Unschedulable", message });

    const added = await addNode(started.client, nodeDraft("b", "4"));
    await expect.poll(() => started.nodeOf("big"), eventually).toBe("b");
    const { value } = await started.pipeline.send({ path: "/k8ts/v1/history/api/v1/namespaces/default/pods/big" });
    expect(JSON.stringify(value)).toContain(`"${added.metadata.resourceVersion}"`);
  });

  test.each<readonly [string, (started: Scheduled) => Promise<unknown>]>([
    ["is deleted", ({ client }) => client.delete("pods", inDefault("first"), { gracePeriodSeconds: 0 })],
    [
      "has ended",
      ({ client }) =>
        client.patch("pods", inDefault("first"), { status: { phase: "Succeeded" } }, { subresource: "status" }),
    ],
  ])("comes when a Pod that was in its way %s", async (_, clear) => {
    const started = await start(nodeDraft("a", "1"));
    await started.client.create("pods", podDraft("first", requesting("1")));
    await expect.poll(() => started.nodeOf("first"), eventually).toBe("a");
    await started.client.create("pods", podDraft("second", requesting("1")));
    await expect.poll(async () => (await started.condition("second"))?.reason, eventually).toBe("Unschedulable");
    await clear(started);
    await expect.poll(() => started.nodeOf("second"), eventually).toBe("a");
  });

  test("comes when the Pod that it wants to be near to has a node", async () => {
    const near = { labelSelector: { matchLabels: { app: "db" } }, topologyKey: "kubernetes.io/hostname" };
    const started = await start(nodeDraft("a"), nodeDraft("b"));
    await started.client.create(
      "pods",
      podDraft("web", { affinity: { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [near] } } }),
    );
    await expect
      .poll(async () => (await started.condition("web"))?.message, eventually)
      .toBe(`0/2 nodes are available: 2 node(s) didn't match pod affinity rules. ${unhelpful(2)}`);
    await started.client.create("pods", podDraft("db", {}, { app: "db" }));
    await expect.poll(() => started.nodeOf("web"), eventually).toBeDefined();
    expect(await started.nodeOf("web")).toBe(await started.nodeOf("db"));
  });

  test("comes when its claim is bound", async () => {
    const started = await start(nodeDraft("a"));
    const volumes = [{ name: "data", persistentVolumeClaim: { claimName: "data" } }];
    await started.client.create("pods", podDraft("p", { volumes }));
    const message = async () => (await started.condition("p"))?.message;
    await expect
      .poll(message, eventually)
      .toBe(`0/1 nodes are available: persistentvolumeclaim "data" not found. ${unhelpful(1)}`);

    await started.client.create("persistentvolumeclaims", {
      metadata: { name: "data", namespace: "default" },
      spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } }, storageClassName: "" },
    });
    await expect
      .poll(message, eventually)
      .toBe(`0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. ${unhelpful(1)}`);

    await started.client.create("persistentvolumes", {
      metadata: { name: "disk" },
      spec: { accessModes: ["ReadWriteOnce"], capacity: { storage: "1Gi" }, hostPath: { path: "/data" } },
    });
    const bound = {
      metadata: { annotations: { "pv.kubernetes.io/bind-completed": "yes" } },
      spec: { volumeName: "disk" },
    };
    await started.client.patch("persistentvolumeclaims", inDefault("data"), bound);
    await expect.poll(() => started.nodeOf("p"), eventually).toBe("a");
  });
});

test("a Pod that a plugin fails on is told so, and does not keep others waiting", async () => {
  const scheduled = await startScheduled(nodeDraft("a"));
  running.push(scheduled);
  const stop = new AbortController();
  const client = scheduled.pipeline.client("system:kube-scheduler", []);
  const context = { client, clock: systemClock, log: silent, signal: stop.signal };
  const broken: Plugin = {
    name: "Broken",
    preFilter({ pod }) {
      if (pod.metadata.name === "bad") throw new Error("cannot say");
      return undefined;
    },
  };
  const ended = runScheduling({
    ...context,
    informers: createInformers(context),
    events: createEvents(context),
    profiles(handle) {
      const [sort, bind] = [PLUGINS["PrioritySort"], PLUGINS["DefaultBinder"]].map((one) => one?.make({}, handle));
      return [
        createProfile("default-scheduler", [
          { plugin: sort as Plugin },
          { plugin: broken },
          { plugin: bind as Plugin },
        ]),
      ];
    },
  });
  await scheduled.client.create("pods", podDraft("bad"));
  await scheduled.client.create("pods", podDraft("good"));
  await expect.poll(() => scheduled.nodeOf("good"), eventually).toBe("a");
  await expect
    .poll(() => scheduled.condition("bad"), eventually)
    .toMatchObject({ status: "False", reason: "SchedulerError", message: "cannot say" });
  stop.abort(new Error("stopped"));
  await ended;
});
