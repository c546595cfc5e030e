import { describe, expect, test } from "vitest";
import type { Node, Pod } from "../machinery/objects/kinds.ts";
import { decide } from "./decide.ts";
import { failureMessage } from "./failure-message.ts";
import { prioritySort } from "./plugins/priority-sort.ts";
import { podInfo, podRequests } from "./pod-info.ts";
import { createProfile } from "./profile.ts";
import { asking, cluster, node, type Placed, type PodSample, pod, schedule } from "./sample-cluster.ts";

const term = (key: string, operator: string, values?: string[]) => ({
  affinity: {
    nodeAffinity: {
      requiredDuringSchedulingIgnoredDuringExecution: {
        nodeSelectorTerms: [{ matchExpressions: [{ key, operator, ...(values ? { values } : {}) }] }],
      },
    },
  },
});

describe("a Pod that does not fit", () => {
  const tainted = node("a", { spec: { taints: [{ key: "dedicated", value: "gpu", effect: "NoSchedule" }] } });
  const port = { containers: [{ name: "c", ports: [{ containerPort: 80, hostPort: 8080 }] }] };
  test.each<readonly [string, Pod, readonly Node[], readonly Placed[], string]>([
    ["no nodes at all", pod("p"), [], [], "no nodes available to schedule pods"],
    ["too much CPU", pod("p", asking("3")), [node("a"), node("b")], [], "0/2 nodes are available: 2 Insufficient cpu."],
    [
      "CPU and memory",
      pod("p", asking("3", "5Gi")),
      [node("a")],
      [],
      "0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory.",
    ],
    [
      "room taken by another",
      pod("p", asking("1500m")),
      [node("a")],
      [[pod("q", asking("1")), "a"]],
      "0/1 nodes are available: 1 Insufficient cpu.",
    ],
    [
      "too many Pods",
      pod("p"),
      [node("a", { allocatable: { cpu: "2", memory: "4Gi", pods: "1" } })],
      [[pod("q"), "a"]],
      "0/1 nodes are available: 1 Too many pods.",
    ],
    [
      "an unknown resource",
      pod("p", { containers: [{ name: "c", resources: { requests: { "example.com/gpu": "1" } } }] }),
      [node("a")],
      [],
      "0/1 nodes are available: 1 Insufficient example.com/gpu.",
    ],
    [
      "a taint and a cordon",
      pod("p"),
      [tainted, node("b", { spec: { unschedulable: true } })],
      [],
      "0/2 nodes are available: 1 node(s) had untolerated taint(s), 1 node(s) were unschedulable.",
    ],
    [
      "a selector",
      pod("p", { nodeSelector: { disk: "ssd" } }),
      [node("a")],
      [],
      "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.",
    ],
    [
      "a required affinity",
      pod("p", term("disk", "In", ["ssd"])),
      [node("a", { labels: { disk: "hdd" } })],
      [],
      "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.",
    ],
    [
      "a host port",
      pod("p", port),
      [node("a")],
      [[pod("q", port), "a"]],
      "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.",
    ],
  ])("%s", (_, what, nodes, placed, message) => {
    const decision = schedule(what, cluster(nodes, placed));
    expect(decision.node).toBeUndefined();
    expect(failureMessage(decision)).toBe(message);
  });
});

describe("a Pod that fits goes", () => {
  const tainted = node("a", { spec: { taints: [{ key: "dedicated", value: "gpu", effect: "NoSchedule" }] } });
  const disliked = node("a", { spec: { taints: [{ key: "old", effect: "PreferNoSchedule" }] } });
  const tolerations = [{ key: "dedicated", operator: "Equal", value: "gpu", effect: "NoSchedule" }];
  const MB = 1024 * 1024;
  test.each<readonly [string, Pod, readonly Node[], readonly Placed[], string]>([
    ["to the emptier node", pod("p", asking("1")), [node("a"), node("b")], [[pod("q", asking("1")), "a"]], "b"],
    ["away from Pods that ask for nothing too", pod("p"), [node("a"), node("b")], [[pod("q"), "a"]], "b"],
    ["past a taint that it tolerates", pod("p", { tolerations }), [tainted], [], "a"],
    ["to a node without PreferNoSchedule before one with it", pod("p"), [disliked, node("b")], [], "b"],
    [
      "to a node that fills up evenly",
      pod("p", asking("1", "100Mi")),
      [node("a"), node("b")],
      [
        [pod("q", asking("1", "100Mi")), "a"],
        [pod("r", asking("100m", "2Gi")), "b"],
      ],
      "b",
    ],
    [
      "to a node that has its image",
      pod("p", { containers: [{ name: "c", image: "registry.example:5000/web" }] }),
      [node("a"), node("b", { images: { "registry.example:5000/web:latest": 900 * MB } })],
      [],
      "b",
    ],
    [
      "past an image too small to matter",
      pod("p", { containers: [{ name: "c", image: "web:1" }] }),
      [node("a"), node("b", { images: { "web:1": 20 * MB } })],
      [],
      "a",
    ],
  ])("%s", (_, what, nodes, placed, chosen) => {
    expect(schedule(what, cluster(nodes, placed)).node).toBe(chosen);
  });

  test.each([
    ["In", ["ssd"], true],
    ["NotIn", ["ssd"], false],
    ["Exists", undefined, true],
    ["DoesNotExist", undefined, false],
  ])("where its node affinity %s says", (operator, values, fits) => {
    const decision = schedule(
      pod("p", term("disk", operator, values)),
      cluster([node("a", { labels: { disk: "ssd" } })]),
    );
    expect(decision.node !== undefined).toBe(fits);
  });
});

describe("what may help a Pod that was refused", () => {
  test.each<readonly [string, Pod, readonly Node[], readonly string[]]>([
    ["room", pod("p", asking("3")), [node("a")], ["node-added", "node-room", "pod-gone", "pod-smaller"]],
    [
      "each plugin's own, where nodes differ",
      pod("p", asking("3")),
      [node("a"), node("b", { spec: { unschedulable: true } })],
      ["node-added", "node-room", "node-taints", "pod-gone", "pod-smaller"],
    ],
    ["nothing, where it asks for devices", pod("p", devices({ resourceClaimName: "gpu" })), [node("a")], []],
  ])("%s", (_, what, nodes, helpedBy) => {
    expect(schedule(what, cluster(nodes)).helpedBy).toEqual(helpedBy);
  });
});

function devices(source: { resourceClaimName?: string; resourceClaimTemplateName?: string }): PodSample {
  return { resourceClaims: [{ name: "gpu", ...source }] };
}

test.each([
  [devices({ resourceClaimName: "gpu" }), 'resourceclaim.resource.k8s.io "gpu" not found'],
  [devices({ resourceClaimTemplateName: "gpu" }), 'pod "default/p": ResourceClaim not created yet'],
])("a Pod that asks for devices runs nowhere: %#", (sample, reason) => {
  expect(failureMessage(schedule(pod("p", sample), cluster([node("a")])))).toBe(`0/1 nodes are available: ${reason}.`);
});

test("equal nodes are chosen by chance", () => {
  const where = cluster([node("a"), node("b"), node("c")]);
  const none = createProfile("none", [{ plugin: prioritySort }]);
  const chosen = [0, 0.34, 0.99].map(
    (chance) => decide(podInfo(pod("p")), where, none, { random: () => chance }).node?.name,
  );
  expect(chosen).toEqual(["a", "b", "c"]);
});

test("a Pod's requests are the peak of init containers and the sum of the others, sidecars in both", () => {
  const want = (cpu: string) => ({ resources: { requests: { cpu } } });
  const spec = {
    initContainers: [
      { name: "first", ...want("500m") },
      { name: "sidecar", restartPolicy: "Always", ...want("100m") },
      { name: "second", ...want("900m") },
    ],
    containers: [
      { name: "a", ...want("200m") },
      { name: "b", ...want("300m") },
    ],
  };
  expect(podRequests(pod("p", spec)).get("cpu")).toBe(1000);
});
