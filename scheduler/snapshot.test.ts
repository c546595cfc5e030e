import { expect, test } from "vitest";
import { asking, cluster, node, pod } from "./sample-cluster.ts";
import { createSnapshot } from "./snapshot.ts";

const { listers } = cluster([]);

function usage(snapshot: ReturnType<typeof createSnapshot>) {
  return Object.fromEntries(
    snapshot.cluster.nodes.map((info) => [
      info.node.metadata.name,
      [[...info.pods.keys()].sort(), info.requested.get("cpu") ?? 0],
    ]),
  );
}

test("Pods seen before their node count once it is there", () => {
  const snapshot = createSnapshot(listers);
  snapshot.setPod(pod("p", asking("1")), "a");
  expect(usage(snapshot)).toEqual({});
  snapshot.setNode(node("a"));
  expect(usage(snapshot)).toEqual({ a: [["p"], 1000] });
});

test("a node that goes and comes back has its Pods again, without those that went meanwhile", () => {
  const snapshot = createSnapshot(listers);
  snapshot.setNode(node("a"));
  snapshot.setPod(pod("p", asking("1")), "a");
  snapshot.setPod(pod("q", asking("500m")), "a");
  snapshot.removeNode("a");
  expect(snapshot.removePod("p")).toBe(true);
  snapshot.setNode(node("a"));
  expect(usage(snapshot)).toEqual({ a: [["q"], 500] });
});

test("a Pod counts once, where it was put last", () => {
  const snapshot = createSnapshot(listers);
  for (const name of ["a", "b"]) snapshot.setNode(node(name));
  snapshot.setPod(pod("p", asking("1")), "a");
  snapshot.setPod(pod("p", asking("1")), "a");
  snapshot.setPod(pod("p", asking("2")), "b");
  expect(usage(snapshot)).toEqual({ a: [[], 0], b: [["p"], 2000] });
});

test("a changed node keeps its Pods, and a Pod that is not there cannot go", () => {
  const snapshot = createSnapshot(listers);
  snapshot.setNode(node("a"));
  snapshot.setPod(pod("p", asking("1")), "a");
  snapshot.setNode(node("a", { allocatable: { cpu: "8" } }));
  expect(snapshot.removePod("q")).toBe(false);
  expect(usage(snapshot)).toEqual({ a: [["p"], 1000] });
  expect(snapshot.cluster.nodes[0]?.allocatable.get("cpu")).toBe(8000);
});
