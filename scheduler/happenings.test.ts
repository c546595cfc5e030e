import { expect, test } from "vitest";
import type { Node, Pod } from "../machinery/objects/kinds.ts";
import { nodeHappenings, podHappenings } from "./happenings.ts";
import { type NodeSample, node, type PodSample, pod } from "./sample-cluster.ts";

const cpu = (amount: string) => ({ allocatable: { cpu: amount, memory: "4Gi", pods: "110" } });

test.each<readonly [string, NodeSample | undefined, NodeSample, readonly string[]]>([
  ["is new", undefined, {}, ["node-added"]],
  ["is as it was, a heartbeat later", {}, {}, []],
  ["has another label", {}, { labels: { disk: "ssd" } }, ["node-labels"]],
  ["is cordoned no longer", { spec: { unschedulable: true } }, { spec: {} }, ["node-taints"]],
  ["has lost a taint", { spec: { taints: [{ key: "k", effect: "NoSchedule" }] } }, {}, ["node-taints"]],
  ["has more room", cpu("2"), cpu("4"), ["node-room"]],
  ["has less room", cpu("4"), cpu("2"), []],
  ["has a new resource", cpu("2"), { allocatable: { ...cpu("2").allocatable, "example.com/gpu": "1" } }, ["node-room"]],
])("a node that %s", (_, before, after, happened) => {
  const old: Node | undefined = before && node("a", before);
  expect(nodeHappenings(old, node("a", after))).toEqual(happened);
});

const placed = (sample: PodSample = {}): Pod => pod("p", { nodeName: "a", ...sample });

test.each<readonly [string, Pod | undefined, Pod, readonly string[]]>([
  ["is seen first", undefined, placed(), ["pod-placed"]],
  ["has got its node", pod("p"), placed(), ["pod-placed"]],
  ["changed its status", placed(), placed(), []],
  ["has other labels", placed(), placed({ labels: { app: "web" } }), ["pod-changed"]],
  ["is on its way out", placed(), placed({ deleting: true }), ["pod-changed"]],
])("a Pod on a node that %s", (_, before, after, happened) => {
  expect(podHappenings(before, after)).toEqual(happened);
});
