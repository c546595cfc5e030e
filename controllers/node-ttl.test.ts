/** Node TTL: by the number of nodes, without going to and fro. */
import { afterEach, expect, it, test } from "vitest";
import { type Controlled, NODE, startControlled } from "../e2e/harness/controlled.ts";
import { nextStep, secondsOf } from "./node-ttl.ts";

let cluster: Controlled;
afterEach(() => cluster?.close());

it("stands on each node, and is set right where somebody changed it", async () => {
  cluster = await startControlled();
  const ttl = async () =>
    (await cluster.client.get("nodes", { name: NODE })).metadata.annotations?.["node.alpha.kubernetes.io/ttl"];
  await expect.poll(ttl).toBe("0");
  const annotations = { "node.alpha.kubernetes.io/ttl": "7" };
  await cluster.client.patch("nodes", { name: NODE }, { metadata: { annotations } });
  await expect.poll(ttl).toBe("0");
});

test("grows with the cluster, and shrinks later than it grew", () => {
  const sizes = [1, 100, 101, 95, 90, 89, 600, 5_000, 1_801, 1_799, 1_000, 10];
  let step = 0;
  const seconds = sizes.map((nodes) => {
    step = nextStep(step, nodes);
    return secondsOf(step);
  });
  expect(seconds).toEqual([0, 0, 15, 15, 15, 0, 30, 300, 300, 60, 60, 0]);
});
