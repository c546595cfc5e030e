import { describe, expect, test } from "vitest";
import type { Node, Pod } from "../machinery/objects/kinds.ts";
import { decide, failureMessage } from "./framework.ts";
import { filters, scorers } from "./plugins/plugins.ts";
import { podInfo, podRequests } from "./pod-info.ts";
import { createSnapshot } from "./snapshot.ts";

const meta = (name: string) => ({ name, uid: name, resourceVersion: "1", creationTimestamp: "" });

function node(
  name: string,
  change: { spec?: Node["spec"]; labels?: Record<string, string>; allocatable?: Record<string, string> } = {},
): Node {
  const { spec, labels = {}, allocatable = { cpu: "2", memory: "4Gi", pods: "110" } } = change;
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { ...meta(name), labels },
    status: { allocatable },
    ...(spec ? { spec } : {}),
  };
}

type Spec = NonNullable<Pod["spec"]>;

function pod(name: string, spec: Partial<Spec> = {}, owner?: string): Pod {
  const ownerReferences = owner
    ? [{ apiVersion: "apps/v1", kind: "ReplicaSet", name: owner, uid: owner, controller: true }]
    : [];
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { ...meta(name), namespace: "default", ownerReferences },
    spec: { containers: [{ name: "c" }], ...spec },
  };
}

const asking = (cpu: string, memory = "1Mi"): Partial<Spec> => ({
  containers: [{ name: "c", resources: { requests: { cpu, memory } } }],
});

function schedule(what: Pod, nodes: readonly Node[], placed: readonly (readonly [Pod, string])[] = []) {
  const snapshot = createSnapshot();
  for (const [one, where] of placed) snapshot.setPod(one, where);
  for (const one of nodes) snapshot.setNode(one);
  return decide(podInfo(what), snapshot.nodes(), filters, scorers, () => 0);
}

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
  test.each<readonly [string, Pod, readonly Node[], readonly (readonly [Pod, string])[], string]>([
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
    const decision = schedule(what, nodes, placed);
    expect(decision.node).toBeUndefined();
    expect(failureMessage(decision)).toBe(message);
  });
});

describe("a Pod that fits", () => {
  test("the emptier node", () => {
    expect(schedule(pod("p", asking("1")), [node("a"), node("b")], [[pod("q", asking("1")), "a"]]).node).toBe("b");
  });

  test("away from others of its ReplicaSet", () => {
    const placed = [[pod("q", {}, "rs"), "a"]] as const;
    expect(schedule(pod("p", {}, "rs"), [node("a"), node("b")], placed).node).toBe("b");
  });

  test("past a taint that it tolerates", () => {
    const tainted = node("a", { spec: { taints: [{ key: "dedicated", value: "gpu", effect: "NoSchedule" }] } });
    const tolerations = [{ key: "dedicated", operator: "Equal", value: "gpu", effect: "NoSchedule" }];
    expect(schedule(pod("p", { tolerations }), [tainted]).node).toBe("a");
  });

  test("a node without PreferNoSchedule before one with it", () => {
    const disliked = node("a", { spec: { taints: [{ key: "old", effect: "PreferNoSchedule" }] } });
    expect(schedule(pod("p"), [disliked, node("b")]).node).toBe("b");
  });

  test.each([
    ["In", ["ssd"], true],
    ["NotIn", ["ssd"], false],
    ["Exists", undefined, true],
    ["DoesNotExist", undefined, false],
  ])("node affinity %s", (operator, values, fits) => {
    expect(
      schedule(pod("p", term("disk", operator, values as string[])), [node("a", { labels: { disk: "ssd" } })]).node !==
        undefined,
    ).toBe(fits);
  });

  test("Pods seen before their node count once it is there", () => {
    expect(schedule(pod("p", asking("1500m")), [node("a")], [[pod("q", asking("1")), "a"]]).node).toBeUndefined();
  });
});

test("a Pod's requests are the peak of init containers and the sum of the others, sidecars in both", () => {
  const want = (cpu: string) => ({ resources: { requests: { cpu } } });
  const spec: Partial<Spec> = {
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
