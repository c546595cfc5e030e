/** A kubelet over the simulated runtime: what takes a simulation to see. All else: pod-cases/. */
import { expect, it } from "vitest";
import { podUntil, startNode } from "../e2e/harness/node.ts";
import { startPipeline } from "../e2e/harness/pipeline.ts";
import { systemClock } from "../machinery/process/clock.ts";

it("a Pod that is deleted does not wait for an image that is still being pulled", async () => {
  const pipeline = await startPipeline({ advertiseAddress: "192.0.2.1" });
  const client = pipeline.client();
  const node = await startNode(pipeline);
  const ref = { namespace: "default", name: "slow" };
  const annotations = { "simulated.k8ts.dev/pull-seconds": "60" };
  const spec = { nodeName: "node-1", containers: [{ name: "main", image: "slow:1" }] };
  await client.create("pods", { metadata: { ...ref, annotations }, spec });
  const pulls = async () =>
    (await client.list("events", { namespace: "default" })).items.some(({ reason }) => reason === "Pulling");
  await expect.poll(pulls).toBe(true);
  const began = systemClock.monotonic();
  await client.delete("pods", ref, {});
  await podUntil(client, ref, (found) => found === undefined);
  expect(systemClock.monotonic() - began).toBeLessThan(5_000);
  await node.close();
  await pipeline.close();
});
