import { afterEach, describe, expect, test } from "vitest";
import { nodeDraft, podDraft, requesting, type Scheduled, startScheduled } from "../e2e/harness/scheduled.ts";
import type { Node, Pod } from "../machinery/objects/kinds.ts";
import { decide } from "./decide.ts";
import { failureMessage } from "./failure-message.ts";
import { defaultProfile } from "./plugins/plugins.ts";
import { podInfo } from "./pod-info.ts";
import {
  asking,
  cluster,
  node,
  type Others,
  type Placed,
  type PodSample,
  pod,
  sampleHandle,
} from "./sample-cluster.ts";

const at = (priority: number, cpu: string, more: PodSample = {}): PodSample => ({ priority, ...asking(cpu), ...more });

/** Where room would be made, or the message that says why nowhere. */
function preempt(what: Pod, nodes: readonly Node[], placed: readonly Placed[], others: Others = {}): string {
  const where = cluster(nodes, placed, others);
  const handle = sampleHandle(where);
  const profile = defaultProfile(handle);
  const info = podInfo(what);
  const decision = decide(info, where, profile, { random: () => 0, nominations: { ...handle.nominations, size: 0 } });
  const [devices, preemption] = profile.postFiltering.map((plugin) =>
    plugin.postFilter?.({ pod: info, cluster: where, decision, filters: decision.filters }),
  );
  return preemption?.nominated || failureMessage(decision, [devices?.message, preemption?.message].join(", "));
}

const apart: PodSample = {
  affinity: {
    podAntiAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: [
        { labelSelector: { matchLabels: { app: "web" } }, topologyKey: "kubernetes.io/hostname" },
      ],
    },
  },
};
const spread: PodSample = {
  labels: { app: "web" },
  topologySpreadConstraints: [
    {
      maxSkew: 1,
      topologyKey: "kubernetes.io/hostname",
      whenUnsatisfiable: "DoNotSchedule",
      labelSelector: { matchLabels: { app: "web" } },
    },
  ],
};
const budget = (disruptionsAllowed: number) => ({
  poddisruptionbudgets: [
    {
      metadata: { name: "web" },
      spec: { selector: { matchLabels: { app: "web" } } },
      status: { disruptionsAllowed, currentHealthy: 1, desiredHealthy: 1, expectedPods: 1 },
    },
  ],
});

describe("room for a more important Pod is made where it does least harm", () => {
  const none = (words: string) =>
    `0/2 nodes are available: 2 Insufficient cpu. no new claims to deallocate, preemption: ${words}`;
  const cases: readonly (readonly [string, PodSample, readonly Placed[], string, Others?])[] = [
    [
      "at the less important",
      at(10, "2"),
      [
        [pod("q", at(5, "2")), "a"],
        [pod("r", at(1, "2")), "b"],
      ],
      "b",
    ],
    [
      "at fewer Pods",
      at(10, "2"),
      [
        [pod("q", at(1, "1")), "a"],
        [pod("q2", at(1, "1")), "a"],
        [pod("r", at(1, "2")), "b"],
      ],
      "b",
    ],
    [
      "at those that no budget protects",
      at(10, "2"),
      [
        [pod("q", at(1, "2", { labels: { app: "web" } })), "b"],
        [pod("r", at(5, "2")), "a"],
      ],
      "a",
      budget(0),
    ],
    [
      "at protected ones, where nothing else helps",
      at(10, "2"),
      [
        [pod("q", at(1, "2", { labels: { app: "web" } })), "b"],
        [pod("r", at(50, "2")), "a"],
      ],
      "b",
      budget(0),
    ],
    [
      "at none of the same priority",
      at(10, "2"),
      [
        [pod("q", at(10, "2")), "a"],
        [pod("r", at(10, "2")), "b"],
      ],
      none("0/2 nodes are available: 2 No preemption victims found for incoming pod."),
    ],
    [
      "at none where it would not help",
      at(10, "3"),
      [[pod("q", at(1, "2")), "a"]],
      none("0/2 nodes are available: 2 Preemption is not helpful for scheduling."),
    ],
    [
      "at none that it must not take",
      at(10, "2", { preemptionPolicy: "Never" }),
      [
        [pod("q", at(1, "2")), "a"],
        [pod("r", at(1, "2")), "b"],
      ],
      none("not eligible due to preemptionPolicy=Never."),
    ],
    [
      "at a Pod that it wants to be apart from",
      at(10, "1", apart),
      [
        [pod("q", at(1, "1", { labels: { app: "web" } })), "a"],
        [pod("r", at(20, "2")), "b"],
      ],
      "a",
    ],
    [
      "at a Pod that wants to be apart from it",
      at(10, "1", { labels: { app: "web" } }),
      [
        [pod("q", at(1, "1", apart)), "a"],
        [pod("r", at(20, "2")), "b"],
      ],
      "a",
    ],
    [
      "at one of its kind in a crowded domain",
      at(10, "1", spread),
      [
        [pod("q", at(1, "1", { labels: { app: "web" } })), "a"],
        [pod("r", at(20, "2")), "b"],
      ],
      "a",
    ],
  ];
  test.each(cases.map(([name, what, placed, expected, others = {}]) => ({ name, what, placed, expected, others })))(
    "$name",
    ({ what, placed, expected, others }) => {
      expect(preempt(pod("p", what), [node("a"), node("b")], placed, others)).toBe(expected);
    },
  );

  test("thinking about it leaves the cluster as it was", () => {
    const where = cluster([node("a")], [[pod("q", at(1, "2", { labels: { app: "web" } })), "a"]]);
    const handle = sampleHandle(where);
    const profile = defaultProfile(handle);
    const info = podInfo(pod("p", at(10, "1", { ...apart, labels: { app: "web" } })));
    const once = () => decide(info, where, profile, { random: () => 0 });
    const before = once();
    for (const plugin of profile.postFiltering)
      plugin.postFilter?.({ pod: info, cluster: where, decision: before, filters: before.filters });
    expect(failureMessage(once())).toBe(failureMessage(before));
    expect([...(where.node("a")?.pods.keys() ?? [])]).toEqual(["q"]);
  });
});

const running: Scheduled[] = [];
afterEach(async () => {
  for (const one of running.splice(0)) await one.close();
});

const eventually = { timeout: 10_000, interval: 10 };

async function full() {
  const started = await startScheduled(nodeDraft("a", "1"));
  running.push(started);
  await started.client.create("priorityclasses", { metadata: { name: "high" }, value: 1000 });
  await started.client.create("pods", podDraft("low", requesting("1")));
  started.run();
  await expect.poll(() => started.nodeOf("low"), eventually).toBe("a");
  return started;
}

const high = { ...requesting("1"), priorityClassName: "high" };

test("a victim is told and deleted, and the Pod that it was in the way of gets its node", async () => {
  const started = await full();
  const finalizers = ["example.com/look"];
  await started.client.patch("pods", { namespace: "default", name: "low" }, { metadata: { finalizers } });
  await started.client.create("pods", podDraft("vip", high));
  await expect.poll(async () => (await started.pod("vip"))?.status?.nominatedNodeName, eventually).toBe("a");
  await expect.poll(async () => (await started.pod("low"))?.metadata.deletionTimestamp, eventually).toBeDefined();
  const low = await started.pod("low");
  expect(low?.status?.conditions?.find(({ type }) => type === "DisruptionTarget")).toMatchObject({
    status: "True",
    reason: "PreemptionByScheduler",
    message: "default-scheduler: preempting to accommodate a higher priority pod",
  });
  const uid = (await started.pod("vip"))?.metadata.uid;
  await expect
    .poll(() => started.events("low"), eventually)
    .toContain(`Normal Preempted Preempted by pod ${uid} on node a`);
  await started.client.patch("pods", { namespace: "default", name: "low" }, { metadata: { finalizers: null } });
  if (await started.pod("low"))
    await started.client.delete("pods", { namespace: "default", name: "low" }, { gracePeriodSeconds: 0 });
  await expect.poll(() => started.nodeOf("vip"), eventually).toBe("a");
  expect((await started.pod("vip"))?.status?.nominatedNodeName).toBeUndefined();
});

test("the room of a nominated Pod is not given to one that is less important, also after a restart", async () => {
  const started = await full();
  await started.client.patch(
    "pods",
    { namespace: "default", name: "low" },
    { metadata: { finalizers: ["e.com/keep"] } },
  );
  await started.client.create("pods", podDraft("vip", high));
  await expect.poll(async () => (await started.pod("vip"))?.status?.nominatedNodeName, eventually).toBe("a");
  await started.stop();
  await started.client.patch("pods", { namespace: "default", name: "low" }, { metadata: { finalizers: null } });
  await started.client.create("pods", podDraft("late", requesting("1")));
  if (await started.pod("low"))
    await started.client.delete("pods", { namespace: "default", name: "low" }, { gracePeriodSeconds: 0 });
  started.run();
  await expect.poll(() => started.nodeOf("vip"), eventually).toBe("a");
  await expect.poll(async () => (await started.condition("late"))?.reason, eventually).toBe("Unschedulable");
});
